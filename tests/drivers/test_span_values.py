"""Pieces of text read as values: numbers in two notations and in words, days day first, texts behind their prefix."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.comparisons import normalized
from harness.drivers.span_values import Kind, Reader, read_amount, read_date, read_day_of, read_text

FRIDAY = date(2025, 3, 14)
DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2060, 12, 31))
AMOUNTS = st.integers(min_value=0, max_value=10**9).map(lambda cents: cents / 100)


# -------------------------------------------------------------------------------------------------------- numbers


@given(AMOUNTS, st.sampled_from([",.", ".,", " ,", " .", "'.", "\u202f,"]))
def test_a_number_is_read_in_european_and_english_notation(amount, marks):
    thousands, decimal = marks
    written = f"{amount:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", thousands)
    assert read_amount(written) == amount
    assert read_amount(f"{amount:.2f}".replace(".", decimal)) == amount
    assert read_amount(f"-{written}") == -amount


@pytest.mark.parametrize(
    ("piece", "value"),
    [
        ("1.234", 1234),
        ("1.234.567,8", 1234567.8),
        ("0.125", 0.125),
        ("1234.567", 1234.567),
        ("12,5", 12.5),
        (" 310 ", 310),
        ("− 4", -4),
        ("seventy-five", 75),
        ("twelve hundred", 1200),
        ("a hundred and twenty", 120),
        ("One Thousand and five", 1005),
    ],
)
def test_a_number_that_is_written_somehow(piece, value):
    assert read_amount(piece) == value


@pytest.mark.parametrize(
    "piece", ["", " ", "NE-318842", "€5", "1.23.4", "1,2,3", "hello", "five euros", "1/2", "5%", "and"]
)
def test_what_is_no_number_is_none(piece):
    assert read_amount(piece) is None


@given(st.text(max_size=20))
@settings(max_examples=200)
def test_any_text_is_a_number_or_none(piece):
    value = read_amount(piece)
    assert value is None or isinstance(value, float)


# ----------------------------------------------------------------------------------------------------------- days


@given(DAYS, st.sampled_from(["%d.%m.%Y", "%d/%m/%Y", "%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d %b %Y"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_whole_date_is_the_same_day_with_and_without_a_base(day, form, based):
    assert read_date(day.strftime(form), prefer="past", today=FRIDAY if based else None) == day.isoformat()


@pytest.mark.parametrize(
    ("piece", "day"),
    [
        ("yesterday", date(2025, 3, 13)),
        ("Tomorrow", date(2025, 3, 15)),
        ("in ten days", date(2025, 3, 24)),
        ("two weeks ago", date(2025, 2, 28)),
        ("last  Friday", date(2025, 3, 7)),
        ("3.4.", date(2025, 4, 3)),
        ("just now", FRIDAY),
        ("at the end of the month", date(2025, 3, 31)),
        ("end of last month", date(2025, 2, 28)),
        ("mid-April", date(2025, 4, 15)),
        ("the beginning of next month", date(2025, 4, 1)),
        ("last day of May 2026", date(2026, 5, 31)),
        ("the first of April", date(2025, 4, 1)),
    ],
)
def test_a_day_counts_from_the_base(piece, day):
    assert read_date(piece, prefer="current_period", today=FRIDAY) == day.isoformat()


def test_a_piece_that_may_mean_several_days_has_a_value_for_each_reading():
    days = Reader(kind=Kind.DATE).values
    assert days("Friday", FRIDAY) == ("2025-03-14", "2025-03-07", "2025-03-21")
    assert days("on the first", FRIDAY) == ("2025-03-01", "2025-03-01", "2025-04-01")
    assert days("12 April", FRIDAY) == ("2025-04-12", "2024-04-12", "2025-04-12")


@given(DAYS, st.integers(min_value=1, max_value=60))
@settings(max_examples=30, deadline=None)
def test_days_ago_and_days_ahead_are_counted(today, count):
    assert read_date(f"{count} days ago", prefer="past", today=today) == (today - timedelta(days=count)).isoformat()
    assert read_date(f"in {count} days", prefer="past", today=today) == (today + timedelta(days=count)).isoformat()


@pytest.mark.parametrize("piece", ["yesterday", "Friday", "12 March", "mid March", "on the first", "end of the month"])
def test_without_a_base_no_day_is_made_out_of_the_clock(piece):
    assert Reader(kind=Kind.DATE).values(piece, None) == ()


@pytest.mark.parametrize(
    "piece", ["", "a", "May", "2025", "soon", "payment", "the", "NE-318842", "end", "mid", "32 March"]
)
def test_what_is_no_day_is_none(piece):
    assert Reader(kind=Kind.DATE).values(piece, FRIDAY) == ()


def test_the_day_of_an_input_is_its_first_iso_day():
    assert read_day_of("2025-03-14 (Friday)") == FRIDAY
    assert read_day_of("received 2025-03-14, due 2025-04-01") == FRIDAY
    assert read_day_of("2025-02-30") is None
    assert read_day_of("14.3.2025") is None


# ---------------------------------------------------------------------------------------------------------- texts


def test_a_text_gets_the_prefix_that_it_lacks():
    assert read_text("482 915", prefix="NE-") == "NE-482 915"
    assert read_text("ne 482915", prefix="NE-") == "ne 482915"
    assert read_text("  Jonas \n Weber ") == "Jonas Weber"
    assert read_text("--", prefix="NE-") is None


@given(st.text(max_size=15), st.sampled_from(["", "NE-", "INV ", "#"]))
def test_a_text_keeps_its_letters_and_digits_and_is_read_again_as_itself(piece, prefix):
    value = read_text(piece, prefix=prefix)
    if value is None:
        assert not normalized(piece)
    else:
        assert normalized(value).endswith(normalized(" ".join(piece.split())))
        assert normalized(value).startswith(normalized(prefix))
        assert read_text(value, prefix=prefix) == value
