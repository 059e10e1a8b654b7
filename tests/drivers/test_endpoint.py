"""Where a remote model is, and that no secret gets out."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import DriverError
from harness.core.records import Adapter
from harness.drivers.endpoint import MAX_MESSAGE_CHARS, PLACEHOLDER_KEY, Endpoint, read_endpoint

KEY = "sk-live-0123456789"


def endpoint(environment: dict[str, str] | None = None, **options: Any) -> Endpoint:
    adapter = Adapter(name="gpt", driver="openai_chat", model="m", options=options, file="adapters/gpt.yaml")
    return read_endpoint(adapter, environment or {})


def test_the_environment_fills_in_address_and_key() -> None:
    found = endpoint({"URL": "https://h/v1/", "K": KEY + "\n"}, base_url="${URL:-http://local}", api_key="${K}")
    assert (found.url, found.key, found.key_variables) == ("https://h/v1", KEY, ("K",))
    assert endpoint(base_url="${URL:-http://local:8000/v1}").url == "http://local:8000/v1"


def test_without_an_api_key_a_placeholder_is_sent() -> None:
    assert endpoint(base_url="http://h").key == PLACEHOLDER_KEY


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}])
def test_a_missing_variable_is_named_with_the_file_in_one_line(environment: dict[str, str]) -> None:
    with pytest.raises(DriverError) as caught:
        endpoint(environment, base_url="http://h", api_key="${OPENAI_API_KEY}")
    assert str(caught.value) == (
        "adapters/gpt.yaml: api_key needs the environment variable OPENAI_API_KEY; set it: export OPENAI_API_KEY=..."
    )


@pytest.mark.parametrize(
    "url",
    ["", "api.example.com/v1", "ftp://h", "http://", "http://h:port", "http://[::1", "http://a b/", "http://h/\x7f"],
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(DriverError, match=r"^adapters/gpt\.yaml: base_url is not an http:// or https:// address") as e:
        endpoint(base_url=url)
    assert str(e.value).endswith("address with a host")


@pytest.mark.parametrize("key", ["sk-ключ-123456", "sk-a\nb-123456"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(DriverError, match="the key in K has characters") as caught:
        endpoint({"K": key}, base_url="http://h", api_key="${K}")
    assert "sk-" not in str(caught.value)


def test_credentials_and_query_are_kept_apart_from_what_is_shown() -> None:
    found = endpoint({"K": KEY}, base_url="https://user:pass%20word@h:8443/v1?code=topsecret&v=1", api_key="${K}")
    assert found.url == "https://h:8443/v1"
    assert found.query == {"code": "topsecret", "v": "1"}
    assert found.headers == {"Authorization": "Basic dXNlcjpwYXNzIHdvcmQ="}
    assert not any(secret in repr(found) for secret in (KEY, "pass", "topsecret", "dXNl"))


def test_messages_mask_every_secret_and_stay_short_and_on_one_line() -> None:
    found = endpoint({"K": KEY}, base_url="https://user:pass%20word@h/v1?code=topsecret&v=1", api_key="${K}")
    text = f"\x1b[31mkey {KEY},\n\tpass word pass%20word topsecret dXNlcjpwYXNzIHdvcmQ= v1"
    assert found.message(text) == "[31mkey ***, *** *** *** *** v1"
    long = found.message("x" * (MAX_MESSAGE_CHARS - 5) + KEY + "y" * 10_000)
    assert len(long) == MAX_MESSAGE_CHARS
    assert long.endswith("***y…")


def test_a_secret_across_the_cut_is_masked_before_cutting() -> None:
    found = endpoint({"K": KEY}, base_url="http://h", api_key="${K}")
    for length in range(MAX_MESSAGE_CHARS - 30, MAX_MESSAGE_CHARS + 1):
        assert "sk-" not in found.message("x" * length + KEY)


def test_placeholders_like_empty_are_no_secrets() -> None:
    found = endpoint({"K": "EMPTY"}, base_url="http://h", api_key="${K}")
    assert found.message("EMPTY body") == "EMPTY body"
