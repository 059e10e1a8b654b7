"""Where a remote model is and what may be said about it: keys and credentials never leave this record unmasked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.core.environment import expand, variables
from harness.core.errors import DriverError
from harness.core.records import Adapter

MAX_MESSAGE_CHARS = 300
PLACEHOLDER_KEY = "none"
"""Local servers ask for no key, but the client library insists on one."""

_MIN_SECRET_CHARS = 6
"""Shorter values can't be secrets ("EMPTY", "none", "1"), and masking them would garble messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One base URL with what it takes to call it. `url` has no credentials and no query, so it may be shown."""

    declared_in: str
    url: str
    query: Mapping[str, str] = field(repr=False)
    key: str = field(repr=False)
    key_variables: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    def message(self, text: str) -> str:
        """`text` fit to be stored and shown: secrets masked, on one line, at most MAX_MESSAGE_CHARS characters."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        start = " ".join(text.split())[: 2 * MAX_MESSAGE_CHARS]
        text = " ".join("".join(c if c.isprintable() else " " for c in start).split())
        return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def read_endpoint(adapter: Adapter, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint in the options `base_url` and `api_key`; raises DriverError naming the file and what to set.

    Credentials in the URL are sent as basic authorization in place of the key.
    """
    where = adapter.file or f"adapter {adapter.name}"
    url = _value(adapter, "base_url", environment, where).strip()
    key = _value(adapter, "api_key", environment, where).strip()
    names = variables(str(adapter.options.get("api_key", "")))
    if not (key.isascii() and key.isprintable()):
        raise DriverError(f"{where}: the key in {' and '.join(names)} has characters that no HTTP header can carry")
    try:
        parts = urlsplit(url)
        plain = url.isprintable() and " " not in url
        if not plain or parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError as error:
        raise DriverError(f"{where}: base_url is not an http:// or https:// address with a host") from error
    host = parts.netloc.rpartition("@")[2]
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
    secrets = (key, token, password, parts.password or "", *query.values())
    return Endpoint(
        declared_in=where,
        url=f"{parts.scheme}://{host}{parts.path.rstrip('/')}",
        query=query,
        key=key or PLACEHOLDER_KEY,
        key_variables=names,
        headers={"Authorization": f"Basic {token}"} if token else {},
        secrets=tuple(sorted({s for s in secrets if len(s) >= _MIN_SECRET_CHARS}, key=len, reverse=True)),
    )


def _value(adapter: Adapter, option: str, environment: Mapping[str, str], where: str) -> str:
    try:
        return expand(str(adapter.options.get(option, "")), environment)
    except KeyError as error:
        name = error.args[0]
        raise DriverError(
            f"{where}: {option} needs the environment variable {name}; set it: export {name}=..."
        ) from None
