"""Heavy libraries, imported at first use with a hint where one is missing."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.core.errors import DriverError


def need(module: str, *, extra: str) -> Any:
    """The imported `module`; raises DriverError naming the extra of Holdfast that installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise DriverError(f"{module} is not installed; run: pip install 'holdfast[{extra}]'") from error


def installed_version(package: str) -> str:
    """The version of an installed package without importing it, "" if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
