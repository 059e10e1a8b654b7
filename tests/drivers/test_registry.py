"""Drivers by name."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DriverError
from harness.core.records import Adapter
from harness.drivers.openai_chat import OpenAIChatDriver
from harness.drivers.python_callable import PythonDriver
from harness.drivers.registry import DRIVERS, make_driver
from harness.fixtures_io.declarations import published_schema
from harness.fixtures_io.suites import load_adapter

ROOT = Path(__file__).parents[2]


def adapter(driver: str, **options: Any) -> Adapter:
    return Adapter(name="x", driver=driver, model="json:dumps", options=options, file="adapters/x.yaml")


def test_each_name_leads_to_its_driver() -> None:
    assert isinstance(make_driver(adapter("openai_chat", base_url="http://h/v1")), OpenAIChatDriver)
    assert isinstance(make_driver(adapter("python")), PythonDriver)


@pytest.mark.parametrize("target", DRIVERS.values())
def test_every_entry_names_a_class_with_the_methods_of_a_driver(target: str) -> None:
    module, _, name = target.partition(":")
    driver = getattr(import_module(module), name)
    assert next(iter(inspect.signature(driver).parameters)) == "adapter"
    assert all(callable(getattr(driver, method)) for method in ("identity", "answer", "close"))
    assert inspect.iscoroutinefunction(driver.answer) == inspect.iscoroutinefunction(driver.close)


def test_the_names_are_those_of_the_published_schema() -> None:
    assert list(DRIVERS) == published_schema("adapter")["properties"]["driver"]["enum"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai", "no driver 'openai'; did you mean 'openai_chat'?"),
        ("Python", "no driver 'Python'; did you mean 'python'?"),
        ("zzz", "no driver 'zzz'; expected one of encoder, encoder_spans, openai_chat, python, transformers_local"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_one(name: str, said: str) -> None:
    with pytest.raises(DriverError) as caught:
        make_driver(adapter(name))
    assert str(caught.value) == f"adapters/x.yaml: {said}"


def test_making_a_driver_imports_no_heavy_library() -> None:
    code = (
        "import sys; from harness.core.records import Adapter; from harness.drivers.registry import make_driver\n"
        "make_driver(Adapter(name='x', driver='openai_chat', model='m', options={'base_url': 'http://h'}))\n"
        "import harness.drivers.pricing\n"
        "print([m for m in ('openai', 'httpx2', 'aiohttp', 'torch', 'genai_prices') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_adapters_of_this_repository_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    local, gpt = (load_adapter(ROOT / f"adapters/{name}.yaml") for name in ("local_openai", "gpt"))
    assert make_driver(local).identity()["base_url"] == "http://127.0.0.1:8000/v1"
    assert make_driver(gpt).identity()["base_url"] == "https://api.openai.com/v1"
    assert (gpt.external, gpt.price, gpt.limits.concurrency) == (True, "auto", 64)
    assert (local.external, local.price) == (False, None)


def test_the_example_of_a_hosted_model_tells_which_key_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(DriverError, match=r"gpt\.yaml: api_key needs the environment variable OPENAI_API_KEY; set it"):
        make_driver(load_adapter(ROOT / "adapters/gpt.yaml"))
