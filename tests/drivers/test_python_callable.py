"""Python callables as models."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as generators

from harness.core.errors import DriverError
from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Failure, Request, Response, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.python_callable import PythonDriver

SCHEMA = {"type": "object", "properties": {"team": {"enum": ["billing", "support"]}, "urgent": {"type": "boolean"}}}
PROMPT = make_prompt("Route the ticket.", AnswerSchema(SCHEMA))
RULES = '''
def route(inputs, *, word="refund", team="billing"):
    """Keywords first."""
    return {"urgent": False, "team": team if word in inputs["ticket"].lower() else "support"}
'''


class Folder:
    """An adapters folder with one file of rules."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, source: str, name: str = "rules.py") -> Folder:
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_text(source, encoding="utf-8")
        return self

    def driver(self, model: str = "rules.py:route", **options: Any) -> PythonDriver:
        adapter = Adapter(
            name="rules",
            driver="python",
            model=model,
            options={"options": options} if options else {},
            file=str(self.path / "rules.yaml"),
        )
        return PythonDriver(adapter)

    def ask(self, source: str, **options: Any) -> Response | Failure:
        return self.write(source).driver(**options).answer([request()])[0]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def request(text: str = "Refund, please.") -> Request:
    return Request(prompt=PROMPT, case_id="t1", repeat=0, inputs={"ticket": text}, settings=Settings())


def failure(reply: Response | Failure) -> Failure:
    assert isinstance(reply, Failure)
    assert not reply.retryable
    return reply


# -------------------------------------------------------------------------------------------------------- answers


def test_a_dict_is_written_as_the_answer_in_the_order_of_the_schema(folder: Folder) -> None:
    first, second = folder.write(RULES).driver().answer([request(), request("Down!")])
    assert isinstance(first, Response)
    assert isinstance(second, Response)
    assert (first.text, first.finish_reason) == ('{"team": "billing", "urgent": false}', "stop")
    assert second.text == '{"team": "support", "urgent": false}'
    assert first.provider_model == "rules"


def test_no_requests_have_no_answers(folder: Folder) -> None:
    assert folder.write(RULES).driver().answer([]) == []


def test_options_are_keyword_arguments(folder: Folder) -> None:
    reply = folder.ask(RULES, word="please", team="support")
    assert isinstance(reply, Response)
    assert reply.text == '{"team": "support", "urgent": false}'


def test_a_str_is_the_raw_text(folder: Folder) -> None:
    reply = folder.ask("def route(inputs): return 'I think: ' + inputs['ticket']")
    assert isinstance(reply, Response)
    assert reply.text == "I think: Refund, please."


def test_latency_is_that_of_each_call(folder: Folder) -> None:
    source = "import time\ndef route(inputs): time.sleep(float(inputs['ticket'])); return ''"
    quick, slow = folder.write(source).driver().answer([request("0"), request("0.4")])
    assert isinstance(quick, Response)
    assert isinstance(slow, Response)
    assert quick.latency_s < 0.4 <= slow.latency_s


def test_a_callable_can_not_change_the_case(folder: Folder) -> None:
    asked = request()
    folder.write("def route(inputs): inputs.clear(); return ''").driver().answer([asked])
    assert asked.inputs == {"ticket": "Refund, please."}


def test_an_exception_is_a_failure_with_its_place_and_the_next_case_is_answered(folder: Folder) -> None:
    source = "def route(inputs):\n    if 'x' in inputs['ticket']:\n        raise KeyError('team')\n    return ''"
    first, second = folder.write(source).driver().answer([request("x"), request("y")])
    assert failure(first) == Failure(kind="exception", message="KeyError: 'team' (rules.py:3)")
    assert isinstance(second, Response)


def test_an_exception_that_can_not_be_printed_and_a_long_one_are_failures(folder: Folder) -> None:
    source = "class E(Exception):\n    def __str__(self): raise ValueError\ndef route(inputs): raise E"
    assert "exception str() failed" in failure(folder.ask(source)).message
    assert len(failure(folder.ask("def route(inputs): raise ValueError('x' * 9999)")).message) == 300


@pytest.mark.parametrize("value", ["None", "3", "['billing']", "b'{}'", "(x for x in '')"])
def test_another_return_value_is_a_bad_return(folder: Folder, value: str) -> None:
    reply = failure(folder.ask(f"def route(inputs): return {value}"))
    assert reply.kind == "bad_return"
    assert "expected a dict (the answer) or a str (its text)" in reply.message


@pytest.mark.parametrize(
    "value", ["{'team': {1, 2}}", "{'team': object()}", "{(1, 2): 3}", "{'t': '\\ud800'}", "'\\ud800'"]
)
def test_what_can_not_be_written_is_a_bad_return(folder: Folder, value: str) -> None:
    assert failure(folder.ask(f"def route(inputs): return {value}")).kind == "bad_return"


def test_an_awaitable_is_a_bad_return_and_leaves_no_warning(folder: Folder) -> None:
    source = "async def later(): return {}\ndef route(inputs): return later()"
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert failure(folder.ask(source)).kind == "bad_return"
    assert [str(w.message) for w in shown] == []


@given(text=generators.text())
@settings(max_examples=50, deadline=None)
def test_any_text_comes_through(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = Folder(tmp_path_factory.getbasetemp()).write("def route(inputs): return inputs['ticket']")
    reply = folder.driver().answer([request(text)])[0]
    assert isinstance(reply, Response)
    assert reply.text == text


# ------------------------------------------------------------------------------------------------------- identity


def test_the_identity_follows_source_options_and_callable_and_nothing_else(folder: Folder) -> None:
    def identity(source: str, model: str = "rules.py:route", **options: Any) -> dict[str, str]:
        return dict(folder.write(source).driver(model, **options).identity())

    same = identity(RULES)
    assert identity(RULES) == same
    assert identity(RULES, word="x", team="y") == identity(RULES, team="y", word="x")
    changed = [
        identity(RULES + "# a comment"),
        identity(RULES, word="x"),
        identity(RULES, word="y"),
        identity(RULES + "other = route"),
        identity(RULES + "other = route", "rules.py:other"),
    ]
    assert len({tuple(sorted(i.items())) for i in [same, *changed]}) == 6
    assert str(folder.path) not in str(same)


def test_a_changed_file_is_loaded_anew_even_within_a_second(folder: Folder) -> None:
    replies = [folder.ask(f"def route(inputs): return '{n}'") for n in range(3)]
    assert [r.text for r in replies if isinstance(r, Response)] == ["0", "1", "2"]
    assert not list(folder.path.rglob("__pycache__"))


# -------------------------------------------------------------------------------------------------------- loading


def test_loading_a_file_leaves_the_search_path_alone(folder: Folder) -> None:
    before = list(sys.path)
    folder.ask("import sys\nsys.path.insert(0, '/nowhere')\ndef route(inputs): return ''")
    assert sys.path == before
    with pytest.raises(DriverError):
        folder.ask("import sys\nsys.path.insert(0, '/nowhere')\nraise ValueError")
    assert sys.path == before


def test_a_file_is_compiled_as_it_stands_and_may_define_dataclasses(folder: Folder) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Rule:\n    word: str\n"
        "def route(inputs): return Rule('a').word"
    )
    assert isinstance(folder.ask(source), Response)
    plain = folder.ask("def f(x: int): pass\ndef route(inputs): return f.__annotations__['x'].__name__")
    assert isinstance(plain, Response)
    assert plain.text == "int"


def test_a_file_may_lie_in_another_folder(folder: Folder) -> None:
    folder.write(RULES, "code/rules.py")
    assert isinstance(folder.driver("code/rules.py:route").answer([request()])[0], Response)
    assert isinstance(folder.driver("code/../code/rules.py:route").answer([request()])[0], Response)


def test_an_importable_module_works(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(RULES, "holdfast_test_rules/routing.py")
    folder.write("", "holdfast_test_rules/__init__.py")
    monkeypatch.syspath_prepend(folder.path)
    driver = folder.driver("holdfast_test_rules.routing:route")
    assert isinstance(driver.answer([request()])[0], Response)
    assert driver.identity()["source"] == folder.driver("holdfast_test_rules/routing.py:route").identity()["source"]
    with pytest.raises(DriverError, match=r"no module holdfast_test_rules.routin; did you mean '\S+\.routing'\?$"):
        folder.driver("holdfast_test_rules.routin:route")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("rules.py:rout", r"rules.py has no 'rout'; did you mean 'route'\?$"),
        ("rules.py:nothing_like_it", r"rules.py has no 'nothing_like_it'$"),
        ("ruels.py:route", r"there is no \S+ruels.py; did you mean 'rules.py'\?$"),
        ("rules.py:WORD", r"rules.py:WORD is a str; expected a plain function$"),
        ("rules.py:later", r"rules.py:later is a coroutine function; expected a plain function$"),
        ("jsn:dumps", r"there is no module jsn; did you mean 'json'\?$"),
        ("json.decodr:x", r"there is no module json.decodr; did you mean 'json.decoder'\?$"),
        ("json:lods", r"json has no 'lods'; did you mean 'loads'\?$"),
        ("sys:intern", r"sys has no source file .* wrap the call in a .py file beside the adapter$"),
        ("rules.py", r"model is 'rules.py'; expected module:callable or file.py:callable$"),
    ],
)
def test_a_wrong_target_is_told_with_the_nearest_right_one(folder: Folder, model: str, said: str) -> None:
    folder.write(RULES + "WORD = 'x'\nasync def later(inputs): return {}\n")
    with pytest.raises(DriverError, match=rf"^{folder.path}/rules.yaml: {said}"):
        folder.driver(model)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\ndef route(:", r"SyntaxError: .*\(rules.py:2\)"),
        ("\n\nraise ValueError('boom')", r"ValueError: boom \(rules.py:3\)"),
        ("import holdfast_no_such_module", r"ModuleNotFoundError: No module named 'holdfast_no_such_module'"),
    ],
)
def test_a_file_that_can_not_be_loaded_names_the_line(folder: Folder, source: str, said: str) -> None:
    modules = set(sys.modules)
    with pytest.raises(DriverError, match=rf"rules.py can't be loaded: {said}"):
        folder.ask(source)
    assert not {m for m in set(sys.modules) - modules if m.startswith("holdfast")}


def test_a_module_with_a_broken_import_names_what_is_missing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("import holdfast_no_such_module", "holdfast_broken.py")
    monkeypatch.syspath_prepend(folder.path)
    with pytest.raises(DriverError, match=r"holdfast_broken can't be loaded: .*'holdfast_no_such_module'"):
        folder.driver("holdfast_broken:route")


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (RULES, {"wrod": "x"}, r"got an unexpected keyword argument 'wrod'; did you mean 'word'\?"),
        ("def route(): return ''", {}, "too many positional arguments"),
        ("def route(inputs, *, word): return ''", {}, "missing a required .*argument: 'word'"),
    ],
)
def test_options_that_the_callable_does_not_take_are_told_at_once(
    folder: Folder, source: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DriverError, match=rf"rules.py:route can't be called with \(inputs, \*\*options\): {said}"):
        folder.write(source).driver(**options)


@pytest.mark.parametrize("value", [{1, 2}, float("nan")])
def test_options_that_can_not_be_digested_are_refused(folder: Folder, value: Any) -> None:
    with pytest.raises(DriverError, match="options hold a value that JSON does not have"):
        folder.write("def route(inputs, **options): return ''").driver(word=value)
