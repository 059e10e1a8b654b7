"""Kept studies: what was measured comes back as it was, for the strategy that was measured and no other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.ceiling import Arm, curve
from harness.core.consistency import Share
from harness.core.fragility import Fragility, Group, Moved, Variant
from harness.fixtures_io.suites import Project
from harness.runs.studies import (
    CEILING,
    read_ceiling,
    read_fragility,
    study_file,
    write_ceiling,
    write_fragility,
)


def ceiling():
    arms = [
        Arm(name=f"{k} examples", examples=k, tokens=10.0 * k, right=(np.arange(50) % 7 < k).astype(float))
        for k in (1, 2, 4)
    ]
    return curve("s/few", arms, [None] * 50, source="pool", failed=2)


def moved(name, examples, dropped=""):
    return Moved(
        variant=Variant(name=name, examples=examples, dropped=dropped),
        accuracy=0.5,
        losses=1,
        gains=2,
        moved=3,
        change=0.02,
        lower=-0.1,
        upper=0.1,
    )


def fragility():
    return Fragility(
        run="s/few",
        examples=2,
        cases=50,
        declared=Share(estimate=0.5, lower=0.4, upper=0.6),
        again=moved("asked again", ("x", "y")),
        drops=Group(variants=(moved("without x", ("y",), "x"), moved("without y", ("x",), "y")), any_moved=4),
        orders=Group(variants=(moved("order 1", ("y", "x")),), any_moved=1),
        failed=0,
    )


@pytest.mark.parametrize(
    ("found", "write", "read"),
    [
        (ceiling(), write_ceiling, read_ceiling),
        (fragility(), write_fragility, read_fragility),
        (replace(fragility(), orders=None), write_fragility, read_fragility),
    ],
)
def test_what_was_written_is_read_again_for_the_same_digest_only(tmp_path, found, write, read):
    path = tmp_path / "new" / "few.json"
    write(path, found, digest="ab", seed=3)
    assert read(path, digest="ab") == found
    assert read(path, digest="cd") is None
    first = path.read_bytes()
    write(path, read(path, digest="ab"), digest="ab", seed=3)
    assert path.read_bytes() == first


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1, "digest": "ab"}'])
def test_a_file_that_is_no_study_says_nothing(tmp_path, text):
    path = tmp_path / "few.json"
    assert read_ceiling(path, digest="ab") is None
    path.write_text(text)
    assert read_ceiling(path, digest="ab") is None
    assert read_fragility(path, digest="ab") is None


def test_another_format_or_a_missing_number_says_nothing(tmp_path):
    path = tmp_path / "few.json"
    write_ceiling(path, ceiling(), digest="ab", seed=0)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "version": 2}))
    assert read_ceiling(path, digest="ab") is None
    del content["ceiling"]["gain"]
    path.write_text(json.dumps(content))
    assert read_ceiling(path, digest="ab") is None


def test_the_folder_of_the_reports_holds_them():
    assert study_file(Project(root=Path("p"), reports="r"), CEILING, "s", "few@gpt") == Path(
        "p/r/ceiling/s/few@gpt.json"
    )
