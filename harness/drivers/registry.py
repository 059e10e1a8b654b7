"""The drivers by name. Each is imported when an adapter first asks for it."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from harness.core.errors import DriverError
from harness.core.records import Adapter, BatchDriver, RemoteDriver

DRIVERS = {
    "encoder": "harness.drivers.encoder:EncoderDriver",
    "encoder_spans": "harness.drivers.encoder_spans:EncoderSpansDriver",
    "openai_chat": "harness.drivers.openai_chat:OpenAIChatDriver",
    "python": "harness.drivers.python_callable:PythonDriver",
    "transformers_local": "harness.drivers.transformers_local:TransformersDriver",
}
READS_MESSAGES = frozenset({"openai_chat", "transformers_local"})
"""The drivers whose models read a request as chat messages; the others read the inputs of the case."""


def make_driver(adapter: Adapter) -> RemoteDriver | BatchDriver:
    """The driver of an adapter, configured; raises DriverError for an unknown name and for what the driver refuses."""
    if adapter.driver not in DRIVERS:
        near = get_close_matches(adapter.driver, DRIVERS, n=1)
        expected = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(DRIVERS)}"
        raise DriverError(f"{adapter.file or f'adapter {adapter.name}'}: no driver {adapter.driver!r}; {expected}")
    module, _, name = DRIVERS[adapter.driver].partition(":")
    driver: RemoteDriver | BatchDriver = getattr(import_module(module), name)(adapter)
    return driver
