"""Cleaning of texts, step by step: each can be left out, says what it changed, and changes nothing the second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from harness.preparing.characters import mended, with_plain_spaces, without_invisible
from harness.preparing.footers import footer_lines, without_footer
from harness.preparing.html_text import plain
from harness.preparing.mail_text import without_quotes, without_signature
from harness.preparing.rows import Row, Sample, StepReport
from harness.preparing.texts import map_texts, texts_in

SAMPLES = 5
"""How many changed texts a report shows, how many that would have been left empty, and how many footers."""
_AROUND = 60
_LONGEST_SAMPLE = 300
_PASSES = 20

Step = Callable[[Sequence[Row], Collection[str]], tuple[tuple[Row, ...], StepReport]]


def clean(
    rows: Sequence[Row], *, leave_out: Collection[str] = (), free_fields: Collection[str] = ()
) -> tuple[tuple[Row, ...], tuple[StepReport, ...]]:
    """The rows after all steps of CLEANING but those to be left out, and a report of each step.

    `free_fields` are the expected fields whose values are taken from the text: their characters change alike, and what
    would cut such a value out of its text is left undone. Other expected values are labels, and stay. Counts of a
    report: `rows` and `texts` changed, `expected` values changed with them, `kept_empty` texts as they were because
    nothing would be left, `kept_expected` because an expected value would go. Each sample is a text before and after;
    of a text that was kept, what would be left stands second.
    """
    reports: list[StepReport] = []
    cleaned = tuple(rows)
    for name, step in CLEANING.items():
        if name not in leave_out:
            cleaned, report = step(cleaned, free_fields)
            reports.append(report)
    return cleaned, tuple(reports)


def _characters(name: str, change: Callable[[str], str]) -> Step:
    """A step on single characters. Expected values out of the text change alike: what was in it is still in it."""

    def step(rows: Sequence[Row], free_fields: Collection[str]) -> tuple[tuple[Row, ...], StepReport]:
        settled = partial(_settled, change)
        done, report = _changed(name, rows, lambda key, text: settled(text), ())
        expected = [
            {key: map_texts(settled, value) if key in free_fields else value for key, value in row.expected.items()}
            for row in rows
        ]
        touched = [
            sum(new[key] != old for key, old in row.expected.items()) for row, new in zip(rows, expected, strict=True)
        ]
        pairs = zip(done, expected, touched, strict=True)
        done = tuple(replace(row, expected=new) if count else row for row, new, count in pairs)
        return done, replace(report, counts={**report.counts, "expected": sum(touched)})

    return step


def _cut(name: str, change: Callable[[str], str]) -> Step:
    """A step that takes something out of texts."""

    def step(rows: Sequence[Row], free_fields: Collection[str]) -> tuple[tuple[Row, ...], StepReport]:
        return _changed(name, rows, lambda key, text: _settled(change, text), free_fields)

    return step


def _footers(rows: Sequence[Row], free_fields: Collection[str]) -> tuple[tuple[Row, ...], StepReport]:
    """Takes lines that end many texts out of them, and looks again, until no line is left that ends enough."""
    names = sorted({key for row in rows for key in row.inputs})
    left = {key: {text: text for row in rows if (text := row.inputs.get(key)) is not None} for key in names}
    lines: dict[tuple[str, str], int] = {}
    for key in names:
        while footers := footer_lines(list(left[key].values())):
            shorter = {text: without_footer(now, footers) for text, now in left[key].items()}
            if shorter == left[key]:
                break
            left[key] = shorter
            lines |= {(key, line): count for line, count in footers.items()}
    done, report = _changed("footers", rows, lambda key, text: left[key][text], free_fields)
    most = sorted(lines.items(), key=lambda item: (-item[1], item[0]))[:SAMPLES]
    shown = tuple(Sample(rows=(), texts=(line,), field=f"inputs.{key}") for (key, line), _ in most)
    return done, replace(report, counts={**report.counts, "lines": len(lines)}, samples=shown + report.samples)


def _changed(
    name: str, rows: Sequence[Row], change: Callable[[str, str], str], free_fields: Collection[str]
) -> tuple[tuple[Row, ...], StepReport]:
    """The rows with `change` of each input's name and text, but where nothing, or no expected value, would be left."""
    counts: Counter[str] = Counter(rows=0, texts=0, kept_empty=0, kept_expected=0)
    samples: dict[str, list[Sample]] = {"texts": [], "kept_empty": [], "kept_expected": []}
    done = []
    for row in rows:
        values = [text for free in free_fields for text in texts_in(row.expected.get(free))]
        inputs = dict(row.inputs)
        for key, before in row.inputs.items():
            after = change(key, before)
            if after == before:
                continue
            how = "texts"
            if before.strip() and not after.strip():
                how = "kept_empty"
            elif any(value in before and value not in after for value in values):
                how = "kept_expected"
            else:
                inputs[key] = after
            counts[how] += 1
            if len(samples[how]) < SAMPLES:
                shown = _excerpts(before, after)
                samples[how].append(Sample(rows=(row.id,), texts=shown, field=f"inputs.{key}"))
        counts["rows"] += inputs != row.inputs
        done.append(replace(row, inputs=inputs) if inputs != row.inputs else row)
    report = StepReport(name=name, counts=dict(counts), samples=tuple(s for group in samples.values() for s in group))
    return tuple(done), report


def _settled(change: Callable[[str], str], text: str) -> str:
    """The text changed until it stays as it is; what one pass leaves bare may be for the next."""
    for _ in range(_PASSES):
        before, text = text, change(text)
        if text == before:
            break
    return text


def _excerpts(before: str, after: str) -> tuple[str, str]:
    """Both texts around what differs."""
    start = max(0, _alike(before, after) - _AROUND)
    spare = max(0, _alike(before[start:][::-1], after[start:][::-1]) - _AROUND)
    return _shortened(before[start : len(before) - spare]), _shortened(after[start : len(after) - spare])


def _alike(one: str, other: str) -> int:
    """With how many same characters both begin."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SAMPLE else f"{text[: _LONGEST_SAMPLE - 2]} …"


CLEANING: Mapping[str, Step] = {
    "encoding": _characters("encoding", mended),
    "html": _cut("html", plain),
    "invisible": _characters("invisible", without_invisible),
    "quotes": _cut("quotes", without_quotes),
    "footers": _footers,
    "signatures": _cut("signatures", without_signature),
    "spaces": _characters("spaces", with_plain_spaces),
}
"""The steps by name, in their order: a mail's footer stands below its signature and above what it answers to."""
