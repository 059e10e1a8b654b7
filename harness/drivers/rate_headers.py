"""What the headers of a reply say about rate limits. They come from a server, so every number in them is bounded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from harness.core.records import Headroom

LONGEST_S = 86_400.0
"""Beyond a day, a time to wait is a mistake or an instant, and is not believed."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_FAMILIES = (
    ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
    ("anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),
)
_LONGEST_TEXT = 64


def headroom(headers: Mapping[str, str], *, now: float) -> Headroom | None:
    """What is left of the limits of requests and tokens, as OpenAI's and Anthropic's headers tell; None if they don't.

    `now` is in seconds since 1970.
    """
    for left, reset in _FAMILIES:
        requests, tokens = (_amount(headers.get(left.format(unit))) for unit in ("requests", "tokens"))
        if requests is not None or tokens is not None:
            requests_reset_s, tokens_reset_s = (
                None if amount is None else reset_s(headers.get(reset.format(unit), ""), now=now)
                for amount, unit in ((requests, "requests"), (tokens, "tokens"))
            )
            return Headroom(
                requests=requests, requests_reset_s=requests_reset_s, tokens=tokens, tokens_reset_s=tokens_reset_s
            )
    return None


def reset_s(text: str, *, now: float) -> float | None:
    """The seconds in "1s", "6m0s", "20ms" or a plain number of them, or until an instant as in RFC 3339."""
    text = text.strip()
    if len(text) > _LONGEST_TEXT:
        return None
    if _DURATION.fullmatch(text):
        return _believed(sum(float(amount) * _UNITS_S[unit] for amount, unit in _PART.findall(text)))
    try:
        return _believed(float(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
        return _believed(max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now))
    except (ValueError, OverflowError):
        return None


def retry_after_s(headers: Mapping[str, str], *, now: float) -> float | None:
    """The seconds that a server asks to wait, from `retry-after-ms` or `Retry-After`, which holds seconds or an HTTP
    date; None if it asks for nothing that can be read. `now` is in seconds since 1970."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if math.isfinite(wait_s) and wait_s >= 0:
            return wait_s
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _amount(text: str | None) -> float | None:
    try:
        amount = float(text) if text is not None and len(text) <= _LONGEST_TEXT else math.nan
    except ValueError:
        return None
    return amount if math.isfinite(amount) and amount >= 0 else None


def _believed(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST_S else None
