"""What the tokens of an answer cost."""

from __future__ import annotations

from harness.core.errors import DriverError
from harness.core.records import Price, Usage
from harness.drivers.lazy import need

AUTO = "auto"


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
