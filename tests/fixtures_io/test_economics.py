"""`economics:` of task.yaml: what is declared arrives, and what does not fit is named with its line."""

import pytest

from harness.core.economics import Correction, Economics, ErrorCost, Fixed, Readiness, Volume
from harness.core.errors import DeclarationError
from harness.fixtures_io.tasks import load_fixture

TASK = "fixtures/tickets/task.yaml"
WHOLE = """\
economics:
  currency: EUR
  decisions: {per_day: 200}
  horizon_months: 24
  errors: {each: 500, share: 0.2}
  correction: {seconds: [30, 40], hourly_wage: 36, share: 0.5}
  currency_per_usd: 0.92
  machine_per_hour: 0.4
  maintenance_hourly_wage: 80
  today: base
  strategies:
    tuned: {setup: 1, training: 2, labelling: 3}
  adapters:
    gpt: {hosting_per_month: 4, maintenance_hours_per_month: 5}
  readiness: {categories_stable: true, knowledge_in_prompt: false, retraining: Ann, rollback_minutes: 10}
"""
LEAST = "economics:\n  currency: EUR\n  decisions: {per_month: 10}\n"
FIRST = 18
"""The line of `economics:` in the file."""


@pytest.fixture
def load(root):
    folder = root / "fixtures" / "tickets"
    path = folder / "task.yaml"
    before = path.read_text(encoding="utf-8")

    def read(text):
        path.write_text(before + text, encoding="utf-8")
        return load_fixture(folder)

    return read


def test_economics_hold_what_is_declared(load):
    assert load(WHOLE).economics == Economics(
        currency="EUR",
        volume=Volume(number=200, per="day"),
        horizon_months=24,
        errors=ErrorCost(each=500, share=0.2),
        correction=Correction(seconds=(30, 40), hourly_wage=36, share=0.5),
        currency_per_usd=0.92,
        machine_per_hour=0.4,
        maintenance_hourly_wage=80,
        strategies={"tuned": Fixed(setup=1, training=2, labelling=3)},
        adapters={"gpt": Fixed(hosting_per_month=4, maintenance_hours_per_month=5)},
        today="base",
        readiness=Readiness(categories_stable=True, knowledge_in_prompt=False, retraining="Ann", rollback_minutes=10),
    )


def test_what_is_left_out_has_its_default(load):
    assert load(LEAST + "  errors: costs\n").economics == Economics(
        currency="EUR", volume=Volume(number=10), errors="costs"
    )
    assert load("").economics is None


def test_a_correction_may_take_one_time_and_then_does_for_every_error(load):
    found = load(LEAST + "  correction: {seconds: 35, hourly_wage: 36}\n").economics
    assert (found.errors, found.correction) == (None, Correction(seconds=(35, 35), hourly_wage=36, share=1))


def test_token_prices_in_dollars_need_no_rate_where_the_currency_is_the_dollar(load):
    text = LEAST.replace("EUR", "USD") + "  errors: costs\n"
    assert load(text).economics.currency_per_usd == 1


def test_the_lock_does_not_cover_what_is_said_about_money(load):
    assert load(WHOLE).parts == load("").parts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LEAST, f"{FIRST}: economics: a wrong answer would cost nothing; expected `errors`, `correction` or both"),
        ("economics: {currency: EUR}\n", f"{FIRST}: economics: the key 'decisions' is missing"),
        (
            WHOLE.replace("per_day", "per_dya"),
            f"{FIRST + 2}: economics.decisions.per_dya: unknown key 'per_dya'; expected 'per_day'",
        ),
        (
            WHOLE.replace("{per_day: 200}", "{per_day: 200, per_year: 3}"),
            f"{FIRST + 2}: economics.decisions: {{'per_day': 200, 'per_year': 3}} does not fit; expected how many "
            "decisions are made: one of per_day, per_month and per_year",
        ),
        (WHOLE.replace("EUR", "euro"), f"{FIRST + 1}: economics.currency: 'euro' does not fit; expected the ISO code"),
        (
            WHOLE.replace("[30, 40]", "[40, 30]"),
            f"{FIRST + 5}: economics.correction.seconds: [40, 30] falls; expected [shortest, longest]",
        ),
        (
            WHOLE.replace("share: 0.2", "share: 20"),
            f"{FIRST + 4}: economics.errors: {{'each': 500, 'share': 20}} does not fit; expected what errors cost: ",
        ),
        (
            WHOLE.replace("  maintenance_hourly_wage: 80\n", ""),
            f"{FIRST + 12}: economics.adapters.gpt.maintenance_hours_per_month: these hours have no wage; expected "
            "`maintenance_hourly_wage` beside `currency`",
        ),
        (
            WHOLE.replace("EUR", "USD"),
            f"{FIRST + 6}: economics.currency_per_usd: the currency is US dollars; expected 1, or leave it out",
        ),
        (
            WHOLE.replace("tuned: {setup: 1,", "tuned: {set_up: 1,"),
            f"{FIRST + 11}: economics.strategies.tuned.set_up: unknown key 'set_up'; expected 'setup'",
        ),
        (
            WHOLE.replace("rollback_minutes: 10", "rollback: 10"),
            f"{FIRST + 14}: economics.readiness.rollback: unknown key 'rollback'; expected 'rollback_minutes'",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(load, text, message):
    with pytest.raises(DeclarationError) as caught:
        load(text)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{TASK}:{message}")


def test_costs_that_are_not_there_cannot_be_taken(root):
    path = root / "fixtures" / "tickets" / "task.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("costs:")
    path.write_text(text[:start] + LEAST + "  errors: costs\n", encoding="utf-8")
    with pytest.raises(DeclarationError, match="economics.errors: this task declares no `costs`"):
        load_fixture(path.parent)
