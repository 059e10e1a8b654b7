"""Personal data is found in texts written for it, look-alikes are left, and masks say the same of the same value."""

import random
import re
import string
from collections import Counter
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from harness.preparing.masking import mask, mask_samples, mask_texts
from harness.preparing.national_ids import FORMS
from harness.preparing.personal_data import MASK, USUAL, Kind, find_personal_data
from harness.preparing.rows import Row, Sample, StepReport

TEXTS = Path(__file__).parent / "personal_data.txt"
PIECE = re.compile(r"\[\[(?P<kind>[A-Z]+)(?:/(?P<country>[A-Z]+))? (?P<value>.+?)\]\]|\{\{(?P<any>[# -]+)\}\}")
CHARACTERS = {"#": string.digits, "@": string.ascii_uppercase, "*": string.digits + string.ascii_uppercase}
LEAST_RECALL, LEAST_PRECISION = 0.98, 0.95


def filled(pattern, draw):
    return "".join(draw.choice(CHARACTERS[char]) if char in CHARACTERS else char for char in pattern)


def is_right(kind, country, value):
    """Whether the checksum of a value is right, by the rules of its kind."""
    plain = re.sub(r"[^A-Za-z0-9]", "", value)
    if kind == "CARD":
        return luhn.is_valid(plain)
    if kind == "IBAN":
        return iban.is_valid(plain, check_country=False)
    module = import_module(FORMS["ES (foreigners)" if country == "NIE" else country].module)
    return module.is_valid(value if country in ("FI", "SE") else plain)


def piece(found, draw):
    """The text that a piece of the file stands for."""
    if found["any"]:
        return filled(found["any"], draw)
    if found["kind"] in ("EMAIL", "PHONE"):
        return found["value"]
    for _ in range(100_000):
        value = filled(found["value"], draw)
        if is_right(found["kind"], found["country"], value):
            return value
    raise ValueError(f"no value of this form has a right checksum: {found[0]}")


def written_texts(seed):
    """(text, {(start, end, kind)} of its personal data) of every line."""
    draw = random.Random(seed)
    texts = []
    for line in TEXTS.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("## "):
            continue
        text, wanted, at = "", set(), 0
        for found in PIECE.finditer(line):
            text += line[at : found.start()]
            value = piece(found, draw)
            if found["kind"]:
                wanted.add((len(text), len(text) + len(value), found["kind"]))
            text += value
            at = found.end()
        texts.append((text + line[at:], wanted))
    return texts


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_personal_data_is_found_and_look_alikes_are_not(seed):
    wanted, found, right, wrong = Counter(), Counter(), Counter(), []
    look_alikes = 0
    for text, pieces in written_texts(seed):
        spans = {(span.start, span.end, span.kind.value) for span in find_personal_data(text)}
        look_alikes += not pieces
        wanted.update(kind for *_, kind in pieces)
        found.update(kind for *_, kind in spans)
        right.update(kind for *_, kind in spans & pieces)
        wrong += [(text, sorted(spans - pieces), sorted(pieces - spans))] if spans != pieces else []
    for kind in sorted(wanted):
        print(
            f"{kind}: {right[kind]} of {wanted[kind]} found, {found[kind] - right[kind]} of {found[kind]} finds wrong: "
            f"recall {right[kind] / wanted[kind]:.3f}, precision {right[kind] / found[kind]:.3f}"
        )
    for text, extra, missed in wrong:
        print(f"{text!r}: too much {extra}, missed {missed}")
    assert set(wanted) == {kind.value for kind in USUAL}
    assert min(wanted.values()) >= 50
    assert look_alikes >= sum(wanted.values())
    assert {kind for kind in wanted if right[kind] / wanted[kind] < LEAST_RECALL} == set()
    assert {kind for kind in wanted if right[kind] / found[kind] < LEAST_PRECISION} == set()


CARD, IBAN, CPF = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "529.982.247-25"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a@x.com, A@X.COM and b@x.com", "<EMAIL>, <EMAIL> and <EMAIL_2>"),
        ("a (at) x.com is a@x.com", "<EMAIL> is <EMAIL>"),
        (f"{CARD} {IBAN} {CPF} +49 30 23125 123", "<CARD> <IBAN> <ID> <PHONE>"),
        ("call 030 23125 123 or +49 30 23125123", "call <PHONE> or <PHONE>"),
        ("<EMAIL> told a@x.com and b@x.com", "<EMAIL> told <EMAIL_2> and <EMAIL_3>"),
        ("<PHONE_7>, 07700 900123", "<PHONE_7>, <PHONE_8>"),
        ("nothing to see in order 4711", "nothing to see in order 4711"),
    ],
)
def test_masks_keep_the_kind_and_are_numbered_by_value(text, masked):
    assert mask_texts([text]) == (masked,)


def test_a_value_has_one_mask_in_all_inputs_and_expected_values():
    row = Row(
        id="a",
        inputs={"subject": "card 4111-1111-1111-1111", "body": "call 2025550119. mail b@x.com and a@x.com"},
        expected={
            "mail": "a@x.com",
            "phones": ["2025550119"],
            "card": {"pan": "4111111111111111"},
            "label": "x",
            "n": 5,
        },
        tags=("t",),
        line=3,
    )
    (masked,), report = mask([row])
    assert masked.inputs == {"subject": "card <CARD>", "body": "call <PHONE>. mail <EMAIL> and <EMAIL_2>"}
    assert masked.expected == {
        "mail": "<EMAIL_2>",
        "phones": ["<PHONE>"],
        "card": {"pan": "<CARD>"},
        "label": "x",
        "n": 5,
    }
    assert (masked.id, masked.tags, masked.line) == ("a", ("t",), 3)
    assert report.counts == {"rows": 1, "EMAIL": 3, "IBAN": 0, "CARD": 2, "ID": 0, "PHONE": 2}


def test_labels_are_not_masked():
    row = Row(id="a", inputs={"text": "a@x.com"}, expected={"team": "a@x.com", "mail": "a@x.com"})
    (masked,), report = mask([row], labels=["team"])
    assert masked.expected == {"team": "a@x.com", "mail": "<EMAIL>"}
    assert report.counts["EMAIL"] == 2


def test_cases_are_numbered_apart():
    rows, _ = mask([Row(id=name, inputs={"text": f"{name}@x.com"}, expected={}) for name in ("a", "b")])
    assert [row.inputs["text"] for row in rows] == ["<EMAIL>", "<EMAIL>"]


def test_samples_show_what_stands_around_a_mask_and_no_value():
    rows = [
        Row(id=f"r{n}", inputs={"text": f"{'long ' * 30}reach me{n} at me{n}@x.com or {CARD} thanks"}, expected={})
        for n in range(9)
    ]
    _, report = mask(rows)
    assert Counter(re.search(r"<(\w+)>", sample.texts[0])[1] for sample in report.samples) == {"EMAIL": 10}
    assert {sample.rows for sample in report.samples} == {(f"r{n}",) for n in range(5)}
    for sample in report.samples:
        assert sample.field == "inputs.text"
        assert MASK.search(sample.texts[0])
        assert "@" not in sample.texts[0]
        assert "1111" not in sample.texts[0]


def test_samples_of_other_steps_can_be_masked():
    report = StepReport(
        name="quotes", counts={"rows": 1}, samples=(Sample(rows=("a",), texts=("a@x.com b@x.com", "b@x.com")),)
    )
    masked = mask_samples(report)
    assert masked.samples[0].texts == ("<EMAIL> <EMAIL_2>", "<EMAIL_2>")
    assert (masked.name, masked.counts) == ("quotes", {"rows": 1})


def test_kinds_can_be_chosen():
    text = (
        "see https://jo:secret@x.com/a?b=1, https://x.com/?token=abc123, 192.168.0.101, ::1, version 10.0.0.1, a@x.com"
    )
    assert mask_texts([text], kinds={Kind.URL, Kind.IP}) == (
        "see <URL>, <URL_2>, <IP>, <IP_2>, version 10.0.0.1, a@x.com",
    )
    assert mask_texts([f"{CARD} a@x.com"], kinds={Kind.CARD}) == ("<CARD> a@x.com",)


def test_national_numbers_are_those_of_the_declared_regions():
    text = "call 030 23125 123"
    assert mask_texts([text], regions=["DE"]) == ("call <PHONE>",)
    assert mask_texts([text], regions=["US"]) == (text,)
    assert mask_texts(["call +49 30 23125 123"], regions=["US"]) == ("call <PHONE>",)


def test_spans_stand_in_order_and_do_not_overlap():
    text = " ".join(text for text, _ in written_texts(1))
    spans = find_personal_data(text)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


PIECES = st.one_of(
    st.text(alphabet="0123456789 .-/()+@<>_|aDE", max_size=12),
    st.sampled_from([text for text, _ in written_texts(4)]),
    st.sampled_from(
        ["<EMAIL>", "<PHONE_2>", "call ", "order ", "tel ", " at ", "\n", CARD, IBAN, CPF, "529982247", "+", "00"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.lists(PIECES, max_size=5).map("".join), min_size=1, max_size=3))
def test_masking_a_second_time_changes_nothing(texts):
    once = mask_texts(texts)
    assert mask_texts(once) == once
    assert [find_personal_data(text) for text in once] == [()] * len(texts)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.lists(PIECES, max_size=4).map("".join), min_size=1, max_size=3))
def test_no_value_that_was_found_is_left_in_its_case(texts):
    once = mask_texts(texts)
    for text in texts:
        for span in find_personal_data(text):
            value = text[span.start : span.end]
            edges = re.compile(rf"(?<![\w<]){re.escape(value)}(?![\w>])")
            assert not any(edges.search(masked) for masked in once)
