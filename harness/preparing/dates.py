"""The moment that a row's date names."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.core.errors import FixtureError
from harness.preparing.rows import Row


def moment(row: Row) -> datetime | None:
    """When the row is from, None without a date. A day is its first second, a time without a zone is one in UTC.

    Raises FixtureError for a date that is not in ISO 8601 form.
    """
    if row.date is None:
        return None
    try:
        found = datetime.fromisoformat(row.date)
    except ValueError:
        raise FixtureError(
            f"row {row.id}, line {row.line}: {row.date!r} is no date; expected ISO 8601, such as 2026-03-01 or "
            "2026-03-01T09:30:00+01:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
