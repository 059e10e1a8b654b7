"""What answers cost."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from harness.core.errors import DriverError
from harness.core.records import Adapter, Price, Usage
from harness.drivers.pricing import cost_usd, known_price

MILLION_EACH = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a price was looked up in the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_without_a_price_tokens_are_free() -> None:
    assert cost_usd(None, "gpt-4.1-mini", MILLION_EACH, "openai") == 0.0


def test_an_own_price_counts_per_million_and_wins_over_the_name() -> None:
    price = Price(input_per_million=0.4, output_per_million=1.6)
    assert cost_usd(price, "gpt-4.1-mini", MILLION_EACH, None) == pytest.approx(2.0)
    assert cost_usd(price, "my-model", Usage(input_tokens=500, output_tokens=20), None) == pytest.approx(0.000232)
    assert cost_usd(price, "my-model", Usage(), None) == 0.0


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("provider", [None, "openai"])
def test_auto_finds_published_prices_without_network(provider: str | None) -> None:
    assert cost_usd("auto", "gpt-4.1-mini-2025-04-14", MILLION_EACH, provider) == pytest.approx(0.4 + 1.6)
    assert cost_usd("auto", "gpt-4.1-mini-2025-04-14", Usage(), provider) == 0.0


@pytest.mark.parametrize(
    ("model", "provider"),
    [("no-such-model", None), ("no-such-model", "openai"), ("gpt-4.1-mini", "no-such-provider"), ("", None)],
)
def test_an_unknown_price_is_none_and_not_zero(model: str, provider: str | None) -> None:
    assert cost_usd("auto", model, MILLION_EACH, provider) is None


def test_another_word_than_auto_is_refused() -> None:
    with pytest.raises(DriverError, match=r"price is 'cheap'; expected 'auto', or input_per_million"):
        cost_usd("cheap", "gpt-4.1-mini", MILLION_EACH, None)


def test_a_missing_library_is_named_with_the_extra_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(DriverError, match=r"pip install 'holdfast\[openai\]'"):
        cost_usd("auto", "gpt-4.1-mini", MILLION_EACH, None)
    assert cost_usd(None, "gpt-4.1-mini", MILLION_EACH, None) == 0.0


def adapter(price: Price | str | None, model: str = "gpt-4.1-mini-2025-04-14") -> Adapter:
    return Adapter(name="gpt", driver="openai_chat", model=model, options={"provider": "openai"}, price=price)


def test_a_price_is_known_once_for_all_calls() -> None:
    own = Price(input_per_million=0.7, output_per_million=1.9)
    assert known_price(adapter(own)) == own
    assert known_price(adapter(None)) == Price(input_per_million=0.0, output_per_million=0.0)


@pytest.mark.usefixtures("no_network")
def test_a_published_price_is_what_a_short_call_costs_per_token() -> None:
    found = known_price(adapter("auto"))
    assert found is not None
    usage = Usage(input_tokens=1200, output_tokens=34)
    assert cost_usd(found, "any", usage, None) == pytest.approx(
        cost_usd("auto", "gpt-4.1-mini-2025-04-14", usage, "openai")
    )


def test_a_model_that_nobody_lists_has_no_known_price() -> None:
    assert known_price(adapter("auto", "nobody-1")) is None
