"""Masks in place of personal data: a mask keeps the kind, and stands for the same value all over a case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.preparing.personal_data import MASK, USUAL, Kind, Span, find_personal_data
from harness.preparing.phones import REGIONS
from harness.preparing.rows import Row, Sample, StepReport
from harness.preparing.texts import map_texts, texts_in

SAMPLES = 5
"""Of each kind."""
_AROUND = 40
_SAME_PHONE = 8
"""Last digits by which a phone number is known, with and without its country code."""
_GAP = r"[ \u00a0\u202f.()/–-]{0,3}"
_NUMBERS = frozenset({Kind.IBAN, Kind.CARD, Kind.ID, Kind.PHONE})


def mask(
    rows: Sequence[Row],
    *,
    labels: Collection[str] = (),
    kinds: Collection[Kind] = USUAL,
    regions: Sequence[str] = REGIONS,
) -> tuple[tuple[Row, ...], StepReport]:
    """The rows with masks in the texts of their inputs and expected values, and what was masked.

    `labels` are expected fields with a closed list of values, which stay as they are, as do ids, tags, and numbers
    among the expected values. Counts of the report: `rows` changed, and masks set, by kind. Its samples show masks and
    what stands around them.
    """
    counts: Counter[str] = Counter({"rows": 0, **{kind.value: 0 for kind in Kind if kind in kinds}})
    samples: dict[str, list[Sample]] = {kind.value: [] for kind in Kind}
    done = []
    for row in rows:
        texts = tuple(text for _, text in _texts(row, labels))
        masked = mask_texts(texts, kinds=kinds, regions=regions)
        done.append(row if masked == texts else _with_texts(row, masked, labels))
        counts["rows"] += masked != texts
        for (place, before), after in zip(_texts(row, labels), masked, strict=True):
            new = Counter(found["kind"] for found in MASK.finditer(after))
            new -= Counter(found["kind"] for found in MASK.finditer(before))
            counts.update(new)
            for found in MASK.finditer(after):
                if new[found["kind"]] and len(samples[found["kind"]]) < SAMPLES:
                    around = after[max(0, found.start() - _AROUND) : found.end() + _AROUND]
                    samples[found["kind"]].append(Sample(rows=(row.id,), texts=(around,), field=place))
    shown = tuple(sample for group in samples.values() for sample in group)
    return tuple(done), StepReport(name="masking", counts=dict(counts), samples=shown)


def mask_samples(
    report: StepReport, *, kinds: Collection[Kind] = USUAL, regions: Sequence[str] = REGIONS
) -> StepReport:
    """The report of another step, without personal data in its samples."""
    masked = (
        replace(sample, texts=mask_texts(sample.texts, kinds=kinds, regions=regions)) for sample in report.samples
    )
    return replace(report, samples=tuple(masked))


def mask_texts(
    texts: Sequence[str], *, kinds: Collection[Kind] = USUAL, regions: Sequence[str] = REGIONS
) -> tuple[str, ...]:
    """The texts of one case with masks in place of personal data.

    A value that was found in one text is masked in all of them, also where nothing beside it tells what it is.
    """
    known = _Known()
    masked = tuple(texts)
    for text in masked:
        known.leave_out(text)
    # A mask may bring a number next to the word that tells what it is: until nothing is found.
    while any(found := [find_personal_data(text, kinds=kinds, regions=regions) for text in masked]):
        for text, spans in zip(masked, found, strict=True):
            known.learn(text, spans)
        masked = tuple(known.masked(text, spans) for text, spans in zip(masked, found, strict=True))
    return masked


@dataclass(slots=True)
class _Known:
    """The values found in one case: their masks, and patterns of the ways in which they are written, each with its mask
    and the characters without which it matches nothing."""

    last: Counter[str] = field(default_factory=Counter)
    masks: dict[tuple[Kind, str], str] = field(default_factory=dict)
    patterns: dict[str, tuple[str, str]] = field(default_factory=dict)

    def leave_out(self, text: str) -> None:
        """Gives no mask that stands in the text already, for that stands for another value."""
        for found in MASK.finditer(text):
            self.last[found["kind"]] = max(self.last[found["kind"]], int(found["number"] or 1))

    def learn(self, text: str, spans: Sequence[Span]) -> None:
        """Gives each value its mask: `<EMAIL>` to the first of its kind, `<EMAIL_2>` to the second."""
        for span in spans:
            key = _key(span)
            if key not in self.masks:
                self.last[span.kind] += 1
                number = self.last[span.kind]
                self.masks[key] = f"<{span.kind}>" if number == 1 else f"<{span.kind}_{number}>"
            for pattern, characters in _patterns(span, text[span.start : span.end]):
                self.patterns.setdefault(pattern, (self.masks[key], characters))

    def masked(self, text: str, spans: Sequence[Span]) -> str:
        pieces, at = [], 0
        for span in spans:
            pieces += [text[at : span.start], self.masks[_key(span)]]
            at = span.end
        done = "".join([*pieces, text[at:]])
        plain = _plain(done)
        for pattern in sorted(self.patterns, key=lambda pattern: (-len(pattern), pattern)):
            mask, characters = self.patterns[pattern]
            if characters in plain:  # a pattern takes a millisecond to compile, and is for one value of one case
                done = re.sub(pattern, mask, done, flags=re.IGNORECASE)
        return done


def _key(span: Span) -> tuple[Kind, str]:
    return span.kind, span.value[-_SAME_PHONE:] if span.kind is Kind.PHONE else span.value


def _patterns(span: Span, written: str) -> Iterator[tuple[str, str]]:
    """Patterns of a value that was found: as it was written, and of numbers with their digits grouped in any way; each
    with its characters in the form of `_plain`."""
    plain = {written, span.value}
    if span.kind in _NUMBERS:
        plain = {span.value, re.sub(r"[\W_]", "", written)}
    for text in plain:
        characters = map(re.escape, text)
        first = r"\+?" if span.kind is Kind.PHONE else ""
        yield rf"(?<![\w<]){first}{(_GAP if span.kind in _NUMBERS else '').join(characters)}(?![\w>])", _plain(text)


def _plain(text: str) -> str:
    """The letters and digits of a text, those alike that re.IGNORECASE takes for one letter."""
    return re.sub(r"[\W_]", "", text).casefold().replace("ı", "i")


def _texts(row: Row, labels: Collection[str]) -> Iterator[tuple[str, str]]:
    """The texts of a row, labels aside, with the names of their places."""
    for key, text in row.inputs.items():
        yield f"inputs.{key}", text
    for key, value in row.expected.items():
        for text in texts_in(value) if key not in labels else ():
            yield f"expected.{key}", text


def _with_texts(row: Row, texts: Sequence[str], labels: Collection[str]) -> Row:
    """The row with other texts, in the order of `_texts`."""
    following = iter(texts)
    inputs = {key: next(following) for key in row.inputs}
    expected = {
        key: value if key in labels else map_texts(lambda _: next(following), value)
        for key, value in row.expected.items()
    }
    return replace(row, inputs=inputs, expected=expected)
