"""The texts of a holdout or pool file, read fast and without checks: for finding copies while tests are collected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path


def stored_inputs(path: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """(id, inputs) of each case of a file, in its order; nothing for a file that is missing.

    Lines that are no cases are passed over: whoever reads the cases themselves tells what is wrong with them.
    """
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        for line in file:
            try:
                row = json.loads(line)
                case_id, inputs = row["id"], row["inputs"]
                if not isinstance(case_id, str) or not all(isinstance(text, str) for text in inputs.values()):
                    continue
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if inputs:
                yield case_id, inputs
