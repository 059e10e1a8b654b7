"""The driver of Python callables: a rules baseline or a whole pipeline, as a strategy like any other."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.core.digests import digest
from harness.core.errors import DriverError
from harness.core.prompting import answer_text
from harness.core.records import Adapter, Failure, Request, Response

DRIVER_VERSION = "1"
MAX_MESSAGE_CHARS = 300


class PythonDriver:
    """A `BatchDriver` over one callable, `module:callable` or `file.py:callable` relative to the adapter's file.

    It is called with (inputs: dict[str, str], **options) and returns a dict, the answer, or a str, taken as the raw
    text of an answer. A file is self-contained: it imports installed modules, not its neighbours.
    """

    def __init__(self, adapter: Adapter) -> None:
        """Loads the callable; raises DriverError if it can't be found or does not take the options."""
        self._name = adapter.name
        self._target = adapter.model
        self._where = adapter.file or f"adapter {adapter.name}"
        self._options: dict[str, Any] = dict(adapter.options.get("options", {}))
        place, _, name = adapter.model.rpartition(":")
        if not (place and name):
            raise DriverError(
                f"{self._where}: model is {adapter.model!r}; expected module:callable or file.py:callable"
            )
        if place.endswith(".py"):
            module, source = self._load_file(Path(adapter.file).parent / place)
        else:
            module, source = self._load_module(place)
        self._call = self._find(module, name)
        self._source_digest = hashlib.sha256(source).hexdigest()
        try:
            self._options_digest = digest(self._options)
        except (TypeError, ValueError) as error:
            raise DriverError(f"{self._where}: options hold a value that JSON does not have: {error}") from error

    def identity(self) -> Mapping[str, str]:
        return {
            "python": DRIVER_VERSION,
            "callable": self._target,
            "source": self._source_digest,
            "options": self._options_digest,
        }

    def answer(self, requests: Sequence[Request]) -> Sequence[Response | Failure]:
        return [self._answer(request) for request in requests]

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, request: Request) -> Response | Failure:
        started = time.perf_counter()
        try:
            result = self._call(dict(request.inputs), **self._options)
        # The callable is the user's: whatever it raises is the answer to this case, not the end of the run.
        except Exception as error:
            return Failure(kind="exception", message=_cut(_described(error)))
        latency_s = time.perf_counter() - started
        if inspect.iscoroutine(result):
            result.close()
        if not isinstance(result, str | Mapping):
            what = (
                f"{self._target} returned a {type(result).__name__}; expected a dict (the answer) or a str (its text)"
            )
            return Failure(kind="bad_return", message=_cut(what))
        try:
            text = result if isinstance(result, str) else answer_text(result, request.prompt.schema)
            text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            return Failure(
                kind="bad_return",
                message=_cut(f"{self._target} returned what can't be written as JSON in UTF-8: {error}"),
            )
        return Response(text=text, latency_s=latency_s, provider_model=self._name)

    def _load_file(self, path: Path) -> tuple[ModuleType, bytes]:
        try:
            source = path.read_bytes()
        except OSError as error:
            known = sorted(p.name for p in path.parent.glob("*.py"))
            raise DriverError(f"{self._where}: there is no {path}{_nearest(path.name, known)}") from error
        module = ModuleType(f"holdfast_callable_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}")
        module.__file__ = str(path)
        search_path = list(sys.path)
        # Dataclasses and pickle look a class's module up by name.
        sys.modules[module.__name__] = module
        try:
            # Executed from the text that is digested: a cached compilation may be of another one.
            exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
        # Whatever the user's file raises, its first line of help is where.
        except Exception as error:
            del sys.modules[module.__name__]
            raise DriverError(f"{self._where}: {path} can't be loaded: {_described(error)}") from error
        finally:
            sys.path[:] = search_path
        return module, source

    def _load_module(self, name: str) -> tuple[ModuleType, bytes]:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if not f"{name}.".startswith(f"{missing}."):
                raise DriverError(f"{self._where}: {name} can't be loaded: {_described(error)}") from error
            parent = missing.rpartition(".")[0]
            known = _modules_beside(parent)
            raise DriverError(f"{self._where}: there is no module {missing}{_nearest(missing, known)}") from error
        # Whatever the user's module raises, its first line of help is where.
        except Exception as error:
            raise DriverError(f"{self._where}: {name} can't be loaded: {_described(error)}") from error
        try:
            return module, Path(getattr(module, "__file__", None) or "").read_bytes()
        except OSError as error:
            raise DriverError(
                f"{self._where}: {name} has no source file that could be recorded with its answers; "
                "wrap the call in a .py file beside the adapter"
            ) from error

    def _find(self, module: ModuleType, name: str) -> Callable[..., Any]:
        place = self._target.rpartition(":")[0]
        found = getattr(module, name, None)
        if found is None:
            known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
            raise DriverError(f"{self._where}: {place} has no {name!r}{_nearest(name, known)}")
        if not callable(found) or inspect.iscoroutinefunction(found):
            kind = "a coroutine function" if callable(found) else f"a {type(found).__name__}"
            raise DriverError(f"{self._where}: {self._target} is {kind}; expected a plain function")
        self._check_options(found)
        call: Callable[..., Any] = found
        return call

    def _check_options(self, call: Callable[..., Any]) -> None:
        try:
            signature = inspect.signature(call)
        except (TypeError, ValueError):
            return
        try:
            signature.bind({}, **self._options)
        except TypeError as error:
            unknown = sorted(set(self._options) - set(signature.parameters))
            near = _nearest(unknown[0], list(signature.parameters)) if unknown else ""
            raise DriverError(
                f"{self._where}: {self._target} can't be called with (inputs, **options): {error}{near}"
            ) from error


def _modules_beside(parent: str) -> list[str]:
    """The modules that can be imported from the package `parent`, or at top level if it is ""."""
    if not parent:
        return sorted(m.name for m in pkgutil.iter_modules())
    path = getattr(sys.modules.get(parent), "__path__", [])
    return sorted(f"{parent}.{m.name}" for m in pkgutil.iter_modules(path))


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _described(error: Exception) -> str:
    """Type, text and the line it came from. Python's own formatting survives an error whose text can't be made."""
    text = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text} ({Path(error.filename).name}:{error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"
