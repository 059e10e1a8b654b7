"""Rows for tests of preparation."""

from harness.preparing.rows import Row


def rows_of(*texts):
    """A row per text, without labels."""
    return [Row(id=f"r{n}", inputs={"text": text}, expected={}, line=n + 1) for n, text in enumerate(texts)]
