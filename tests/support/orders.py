"""A tiny task whose values stand in its texts, and heads trained on it: for tests of span heads."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from support.embedded import MODEL, SHA256

from harness.core.records import Adapter, Case, Compare, Comparison
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder_model import locate
from harness.drivers.encoder_spans import EncoderSpansDriver
from harness.training.span_heads import SpanHyperparameters, train_spans

SCHEMA = AnswerSchema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["order", "price", "day", "extras", "urgent"],
        "properties": {
            "order": {"type": ["string", "null"], "pattern": "^OR-[0-9]{3}$"},
            "price": {"type": ["number", "null"], "minimum": 0},
            "day": {"type": ["string", "null"]},
            "extras": {"type": "array", "items": {"enum": ["ribbon", "card"]}},
            "urgent": {"type": "boolean"},
        },
    }
)
COMPARISONS = {
    "order": Comparison(compare=Compare.NORMALIZED),
    "price": Comparison(compare=Compare.NUMBER, within=0.005),
    "day": Comparison(compare=Compare.DATE),
    "extras": Comparison(compare=Compare.SET_F1),
}
TODAY = date(2025, 3, 14)
DAYS = {"today": 0, "tomorrow": 1, "yesterday": -1, "in three days": 3, "16 March": 2, "20.3.2025": 6}
EXTRAS: dict[str, list[str]] = {
    "": [],
    " with a ribbon": ["ribbon"],
    " with a card": ["card"],
    " with a ribbon and a card": ["ribbon", "card"],
}
SMALL = SpanHyperparameters(width=24, epochs=12, batch_size=8, validation=0.15, seed=3, learning_rate=5e-3)


def order(number: int) -> Case:
    """Case `number`: every seventh has no order number, every fifth no price, every fourth no day."""
    name = f"OR-{(number * 37) % 900 + 100}" if number % 7 else None
    written = ("{}", "or {}", "order {}")[number % 3].format(str(name).removeprefix("OR-"))
    price = round(3.5 + number * 1.25, 2) if number % 5 else None
    spelt = f"{price:.2f}".replace(".", ",.."[number % 3]) if price else ""
    day = list(DAYS)[number % len(DAYS)] if number % 4 else None
    extras = list(EXTRAS)[(number // 2) % len(EXTRAS)]
    urgent = number % 2 == 0
    text = (
        f"{'Quick please, it is urgent! ' if urgent else 'No hurry. '}Send {written if name else 'the flowers'}{extras}"
        f"{f', I pay {spelt} euros' if price else ''}{f', it is needed {day}' if day else ''}."
    )
    expected = {
        "order": name,
        "price": price,
        "day": (TODAY + timedelta(days=DAYS[day])).isoformat() if day else None,
        "extras": EXTRAS[extras],
        "urgent": urgent,
    }
    return Case(id=f"o{number:03}", inputs={"received": TODAY.isoformat(), "text": text}, expected=expected)


POOL = [order(number) for number in range(100)]


def train_orders(
    out: Path, pool: list[Case] | None = None, hyperparameters: SpanHyperparameters = SMALL, **changes: Any
) -> dict[str, Any]:
    """Train heads on the orders into `out`; their card."""
    settings: dict[str, Any] = {"schema": SCHEMA, "comparisons": COMPARISONS, "received": "received"} | changes
    return train_spans(
        base=locate(MODEL),
        base_digest=SHA256,
        pool=POOL if pool is None else pool,
        out=out,
        task="orders",
        hyperparameters=hyperparameters,
        **settings,
    )


def spans_driver(folder: Path, **options: Any) -> EncoderSpansDriver:
    """The driver of an adapter in `folder`, with heads in its folder `heads`."""
    return EncoderSpansDriver(
        Adapter(
            name="spans",
            driver="encoder_spans",
            model=MODEL,
            options={"sha256": SHA256, "heads": "heads", "received": "received"} | options,
            file=str(folder / "spans.yaml"),
        )
    )
