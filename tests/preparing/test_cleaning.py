"""Cleaning takes away what nobody wrote, keeps what somebody did, and says which is which."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.preparing_rows import rows_of

from harness.preparing.cleaning import CLEANING, clean
from harness.preparing.footers import LEAST_TEXTS
from harness.preparing.rows import Row

PIECES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "\n",
            "\n\n",
            "\r\n",
            "  ",
            "\xa0",
            "\u200b",
            "\u200d",
            "\xad",
            "\ufeff",
            "\U0001f469\u200d\U0001f680",
            "Ã¼",
            "\xe2\u20ac\u2122",
            "&amp;",
            "&amp;lt;",
            "&lt;b&gt;",
            "&nbsp;",
            "<p>",
            "</p>",
            "<br>",
            "<b>",
            "</div>",
            "<script>",
            "</script>",
            "<!-- ",
            "-->",
            "< b",
            "a<b",
            "<td>",
            "<li>",
            "> ",
            "> > ",
            "\n> old",
            "On 3 May 2024, Bo <b@c.de> wrote:",
            "From: A",
            "Sent: 3.5.",
            "To: B",
            "Subject: C",
            "-- ",
            "--",
            "Best regards,",
            "Thanks,",
            "Anna",
            "Sent from my iPhone",
            "It fails.",
            "what now?",
            "<EMAIL>",
        ],
    ),
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


def after(name, text, **options):
    """The text after one step, and the counts of its report."""
    (row,), (report,) = clean(rows_of(text), leave_out=set(CLEANING) - {name}, **options)
    return row.inputs["text"], report.counts


@pytest.mark.parametrize("name", CLEANING)
@settings(max_examples=150, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=12))
def test_a_step_changes_nothing_the_second_time_and_leaves_no_text_empty(name, texts):
    rows = rows_of(*texts)
    once, _ = clean(rows, leave_out=set(CLEANING) - {name})
    twice, (report,) = clean(once, leave_out=set(CLEANING) - {name})
    assert twice == once
    assert report.counts["texts"] == 0
    assert [bool(row.inputs["text"].strip()) for row in once] == [bool(text.strip()) for text in texts]


@pytest.mark.parametrize(
    ("broken", "right"),
    [
        ("fÃ¼r MÃ¼ller, das kostet 5â‚¬", "für Müller, das kostet 5€"),
        ("donâ€™t", "don’t"),
        ("cafe\u0301", "café"),
        ("“quoted” ﬁne ＡＢ &amp; AT&T", "“quoted” ﬁne ＡＢ &amp; AT&T"),
        ("Ça coûte 5 €", "Ça coûte 5 €"),
        ("Jürgen arrives as JÃ¼rgen", "Jürgen arrives as JÃ¼rgen"),
    ],
)
def test_encoding(broken, right):
    assert after("encoding", broken)[0] == right


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Hello &amp; bye</p><p>again</p>", "Hello & bye\n\nagain"),
        (
            "<html><head><title>T</title><style>p{}</style></head><body><div>one<br>two</div><div>three</div></body></html>",
            "one\ntwo\nthree",
        ),
        ("<ul>\n  <li>a</li>\n  <li>b</li>\n</ul>", "a\nb"),
        ("<table><tr><td>Order</td><td>17</td></tr><tr><td>Paid</td><td>no</td></tr></table>", "Order 17\nPaid no"),
        ("Hi<script>alert('x')</script> there<!-- note -->", "Hi there"),
        ("first line\nsecond <b>line</b>", "first line\nsecond line"),
        ("It&#39;s 5&nbsp;EUR &lt;urgent&gt;", "It's 5\u00a0EUR <urgent>"),
        ("AT&amp;amp;T", "AT&T"),
        ("<div>from <jo@firm.com>, masked <EMAIL>, a < b</div>", "from <jo@firm.com>, masked <EMAIL>, a < b"),
    ],
)
def test_html(page, text):
    assert after("html", page)[0] == text


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "if x<b then stop",
        "x&copy=2&lt",
        "<EMAIL> wrote",
        "2 <3 you",
        "<jo@firm.com>",
        "<http://x.org>",
    ],
)
def test_text_that_is_no_html_stays(text):
    assert after("html", text) == (text, {"rows": 0, "texts": 0, "kept_empty": 0, "kept_expected": 0})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("pay\u200bment soft\u00adware \ufeffhello\u202e", "payment software hello"),
        ("tab\tline\nbell\x07", "tab\tline\nbell"),
        ("\U0001f469\u200d\U0001f680 می\u200cخواهم a\u200db", "\U0001f469\u200d\U0001f680 می\u200cخواهم ab"),
        (
            "hidden\U000e0041\U000e0042, flag \U0001f3f4\U000e0067\U000e007f",
            "hidden, flag \U0001f3f4\U000e0067\U000e007f",
        ),
    ],
)
def test_invisible_characters(text, left):
    assert after("invisible", text)[0] == left


def test_spaces():
    assert after("spaces", "  a\u00a0 b \r\n\tc \n\n\n\n d\u2028e\r")[0] == "a b\nc\n\nd\ne"


@pytest.mark.parametrize(
    ("mail", "left"),
    [
        ("My answer\n\nOn Mon, May 3, 2024 at 10:00 AM Jo <j@d.com> wrote:\n> old\n>\n> more", "My answer"),
        ("My answer\n\nOn Mon, May 3, 2024 at 10:00 AM Jo Doe <j@d.com>\nwrote:\n\n> old", "My answer"),
        ("On 3 May 2024, Jo wrote:\n> when?\nToday.\n> where?\nHere.", "Today.\nHere."),
        ("Geht nicht.\n\nAm 03.05.2024 um 10:00 schrieb Max <m@x.de>:\nalles\nalte", "Geht nicht."),
        ("Oui\n\nLe 3 mai 2024 à 10:00, Jean <j@x.fr> a écrit :\n> ancien", "Oui"),
        ("ok\n\nFrom: A\nSent: 3 May\nTo: B\nSubject: C\n\nold\nmail", "ok"),
        ("ok\n-----Original Message-----\nold mail", "ok"),
        ("you said\n> one\n> two\nwhat now?", "you said\nwhat now?"),
    ],
)
def test_quotes(mail, left):
    assert after("quotes", mail)[0] == left


@pytest.mark.parametrize(
    "mail",
    [
        "Please move 50 euros\nFrom: savings\nTo: checking\nthank you",
        "A fault:\n> 500 items are gone\nWhy?",
        "Then on Monday my colleague wrote:\ncancel it\nand nobody did.",
        "fw: missing mail\n\ncan you answer this?\n\n> my contact says\n> that she gets none",
        "See below, please.\n\nOn 3 May 2024, Jo wrote:\nthe parcel never came",
        "Order: 5\nColour: red\nSize: M\nis wrong",
    ],
)
def test_lines_that_only_look_like_quotes_stay(mail):
    assert after("quotes", mail)[0] == mail


def test_a_forwarded_mail_with_nothing_above_it_is_kept_and_reported():
    mail = "On 3 May 2024, Jo wrote:\nthe parcel never came"
    (row,), (report,) = clean(rows_of(mail), leave_out=set(CLEANING) - {"quotes"})
    assert row.inputs["text"] == mail
    assert report.counts["kept_empty"] == 1
    assert report.counts["rows"] == 0
    assert report.samples[0].rows == ("r0",)
    assert report.samples[0].texts == (mail, "")


@pytest.mark.parametrize(
    ("mail", "left"),
    [
        ("It fails.\n\nBest regards,\nAnna Smith\nACME Ltd.\nwww.acme.com\n", "It fails."),
        ("It fails.\nThanks, Anna", "It fails."),
        ("Kaputt.\n\nMit freundlichen Grüßen\nMax Müller", "Kaputt."),
        ("It fails.\n-- \nAnna\nTel. 123", "It fails."),
        ("It fails.\nCheers\nAnna\n\nSent from my iPhone", "It fails."),
        ("Falla.\nUn saludo,\nJosé Pérez", "Falla."),
    ],
)
def test_signatures(mail, left):
    assert after("signatures", mail)[0] == left


@pytest.mark.parametrize(
    "mail",
    [
        "Hello,\nThanks, but it still fails\nwhen I pay.",
        "Thanks,\nAnna",
        "My refund came.\nThank you, but half of it is missing.",
        "Hello,\nThanks,\nPlease also change my address to this one.",
        "The money was\nSent from my account",
        "Points:\n- one\n- two",
    ],
)
def test_what_only_begins_like_a_signature_stays(mail):
    assert after("signatures", mail)[0] == mail


NOTICE = "This e-mail is confidential and for its addressee only."


def test_footers_are_found_by_counting():
    mails = [f"Question {n}\nmore of it {n}\n\n{NOTICE}\nACME Limited, Leeds  office" for n in range(LEAST_TEXTS)]
    rows, (report,) = clean(rows_of(*mails, f"{NOTICE}\n{NOTICE.upper()}"), leave_out=set(CLEANING) - {"footers"})
    assert [row.inputs["text"] for row in rows[:-1]] == [f"Question {n}\nmore of it {n}" for n in range(LEAST_TEXTS)]
    assert rows[-1].inputs["text"] == NOTICE
    assert report.counts == {"rows": 11, "texts": 11, "kept_empty": 0, "kept_expected": 0, "lines": 2}
    assert [sample.texts for sample in report.samples[:2]] == [(NOTICE.casefold(),), ("acme limited, leeds office",)]
    assert report.samples[2].texts[0].endswith(f"\n\n{NOTICE}\nACME Limited, Leeds  office")


@pytest.mark.parametrize(
    "mails",
    [
        [f"Question {n}\n{NOTICE}" for n in range(LEAST_TEXTS - 1)],
        [f"Question\n{NOTICE}"] * 100,
        [f"Question {n}\nyes please" for n in range(100)],
        [f"{NOTICE}\nQuestion {n}" for n in range(100)],
        [NOTICE] * 100,
    ],
    ids=["too few", "one text many times", "a short line", "the first line", "the only line"],
)
def test_lines_that_are_no_footers_stay(mails):
    rows, (report,) = clean(rows_of(*mails), leave_out=set(CLEANING) - {"footers"})
    assert [row.inputs["text"] for row in rows] == mails
    assert report.counts["lines"] == 0


def test_labels_stay_as_the_schema_has_them():
    row = Row(id="a", inputs={"text": "a  b\u00a0c"}, expected={"label": "a  b\u00a0c", "value": "b\u00a0c"})
    (done,), _ = clean([row], free_fields=["value"])
    assert done.inputs == {"text": "a b c"}
    assert done.expected == {"label": "a  b\u00a0c", "value": "b c"}


def test_what_holds_an_expected_value_is_not_cut():
    mail = "Paid yesterday.\n\nBest regards,\nAnna Smith"
    row = Row(id="a", inputs={"text": mail}, expected={"sender": ["Anna Smith"], "label": "Best"})
    only = set(CLEANING) - {"signatures"}
    (kept,), (report,) = clean([row], leave_out=only, free_fields=["sender"])
    assert kept == row
    assert report.counts["kept_expected"] == 1
    (cut,), _ = clean([row], leave_out=only)
    assert cut.inputs["text"] == "Paid yesterday."


def test_characters_of_expected_values_change_as_those_of_the_text_do():
    row = Row(
        id="a", inputs={"text": "from MÃ¼ller\u00a0GmbH"}, expected={"sender": {"name": ["MÃ¼ller\u00a0GmbH"]}, "n": 5}
    )
    (done,), reports = clean([row], free_fields=["sender", "n"])
    assert done.inputs == {"text": "from Müller GmbH"}
    assert done.expected == {"sender": {"name": ["Müller GmbH"]}, "n": 5}
    assert {report.name: report.counts.get("expected") for report in reports if report.counts["texts"]} == {
        "encoding": 1,
        "spaces": 1,
    }


def test_each_step_reports_in_order_with_excerpts_around_what_changed():
    body = "word " * 100
    rows, reports = clean(rows_of(f"{body}fÃ¼r{body}", "plain"))
    assert [report.name for report in reports] == list(CLEANING)
    assert reports[0].counts == {"rows": 1, "texts": 1, "kept_empty": 0, "kept_expected": 0, "expected": 0}
    ((before, then),) = [sample.texts for sample in reports[0].samples]
    assert "fÃ¼r" in before
    assert "für" in then
    assert max(len(before), len(then)) < 140
    assert rows[1] == rows_of("x", "plain")[1]


def test_a_long_line_takes_no_long_time():
    lines = [
        "On " + "a b " * 5_000,
        "From: x\n" * 2_000,
        " " * 20_000 + "x",
        "\n" * 20_000 + "x",
        "thanks\n" + "x " * 20_000,
        "<!--" * 5_000,
    ]
    began = time.perf_counter()
    rows, _ = clean(rows_of(*(f"Hello there\n{line} wrote:\n" for line in lines)))
    assert len(rows) == len(lines)
    assert time.perf_counter() - began < 30
