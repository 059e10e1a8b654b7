"""What the tokens of an answer cost."""

from __future__ import annotations

from harness.core.errors import DriverError
from harness.core.lazy import need
from harness.core.records import Adapter, Price, Usage

AUTO = "auto"
SHORT = 1000
"""Tokens of a prompt that no provider calls long."""


def cost_usd(price: Price | str | None, model: str, usage: Usage, provider: str | None) -> float | None:
    """US dollars for `usage`: 0.0 without a price, None where "auto" finds no price for `model`.

    "auto" looks into the table that genai-prices ships, never into the network. `provider` is its id of the provider;
    without one the model's name decides. Raises DriverError for another text than "auto".
    """
    if price is None:
        return 0.0
    if isinstance(price, Price):
        spent = usage.input_tokens * price.input_per_million + usage.output_tokens * price.output_per_million
        return spent / 1_000_000
    if price != AUTO:
        raise DriverError(
            f"price is {price!r}; expected {AUTO!r}, or input_per_million and output_per_million in US dollars"
        )
    genai_prices = need("genai_prices", extra="openai")
    tokens = genai_prices.Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    try:
        return float(genai_prices.calc_price(tokens, model, provider_id=provider).total_price)
    except LookupError:
        return None


def known_price(adapter: Adapter) -> Price | None:
    """What an adapter's tokens cost: nothing without a price, None where "auto" finds none for its model.

    Of prices that grow with the length of a prompt it is the one for short prompts.
    """
    provider = adapter.options.get("provider")
    each = [
        cost_usd(adapter.price, adapter.model, usage, provider)
        for usage in (Usage(input_tokens=SHORT), Usage(output_tokens=SHORT))
    ]
    if each[0] is None or each[1] is None:
        return None
    return Price(input_per_million=each[0] * 1e6 / SHORT, output_per_million=each[1] * 1e6 / SHORT)
