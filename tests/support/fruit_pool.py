"""A project whose pool has 4 examples, 40 apples, and two cases that an example was the model of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.runs.freezing import freeze

STRATEGIES = """
task: fruit
adapter: model
strategies:
  plain: {stage: candidate, prompt: prompts/p.md}
  single: {stage: candidate, prompt: prompts/p.md, examples: {ids: [e1]}}
  few: {stage: shipped, prompt: prompts/p.md, examples: {ids: [e0, e1, e2, e3]}, repeats: 3}
"""
PYTHON = """
def answer(inputs):
    return {"kind": inputs["text"].split()[0]}
"""


def fruit_pool(root: Path) -> Path:
    """The project in the folder `root`, with a Python callable that is always right as its model."""
    pool = [
        *_rows(["apple", "pear", "apple", "pear"], 900, "e", cluster="template"),
        *_rows(["apple"] * 40, 1, "p"),
        *_rows(["apple"], 500, "q", cluster="template"),
        *_rows(["apple"], 900, "copy"),
    ]
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind"],
        "properties": {"kind": {"enum": ["apple", "pear"]}},
    }
    files = {
        "fixtures/fruit/task.yaml": "name: fruit\nschema: schema.json\ndecision_fields: [kind]\n",
        "fixtures/fruit/schema.json": json.dumps(schema),
        "fixtures/fruit/pool.jsonl": "".join(json.dumps(row) + "\n" for row in pool),
        "fixtures/fruit/holdout.jsonl": "".join(json.dumps(row) + "\n" for row in _rows(["pear"] * 9, 700, "h")),
        "suites/fruit/strategies.yaml": STRATEGIES,
        "suites/fruit/prompts/p.md": "Name the fruit.\n",
        "adapters/model.py": PYTHON,
        "adapters/model.yaml": "driver: python\nmodel: model.py:answer\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert list(freeze(root / "fixtures" / "fruit"))
    return root


def _rows(counts: Sequence[str], start: int, prefix: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"{prefix}{i}", "inputs": {"text": f"{kind} {start + i}"}, "expected": {"kind": kind}, **more}
        for i, kind in enumerate(counts)
    ]
