"""The pytest plugin: declare, execute, settle, then ordinary pytest (DESIGN.md §3).

Suites are test modules beside a `strategies.yaml`. Before the first test runs, the body of every test that takes `gate`
runs once, silently, to state its claims; then the strategies run, all claims of a suite are settled together, and each
test asks for its verdicts as it runs.
"""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.junitxml import xml_key
from _pytest.runner import runtestprotocol

from harness.options import OPTIONS, contradiction

if TYPE_CHECKING:
    from harness.core.records import Measure
    from harness.core.shards import Shard
    from harness.fixtures_io.suites import Suite
    from harness.runs.ending import Ended
    from harness.runs.gating import Gating
    from harness.runs.run import Run
    from harness.runs.session import SuiteSession
    from harness.runs.spent import Accounts
    from harness.runs.workers import Controller, Workers

GATING = pytest.StashKey["Gating"]()
WORKER_ENDS = pytest.StashKey[list["Ended"]]()
WORKER_SPENDING = pytest.StashKey[list["Accounts"]]()
WORKER_CALLS = pytest.StashKey[list[str]]()
WORKERS = pytest.StashKey["Workers"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("holdfast", "Holdfast: evaluation of prompts and models")
    for name, arguments in OPTIONS.items():
        group.addoption(name, **arguments)


def pytest_configure(config: pytest.Config) -> None:
    """Options that contradict each other are refused before anything is collected."""
    option = config.option
    given = {
        "--gate-accept": option.gate_accept is not None,
        "--gate-dry-run": option.gate_dry_run,
        "--gate-early-stop": option.gate_early_stop,
        "--gate-fresh": option.gate_fresh,
        "--gate-max-cost": option.gate_max_cost is not None,
        "--gate-record": option.gate_record is not None,
        "--gate-replay": option.gate_replay is not None,
        "--gate-shard": option.gate_shard is not None,
        "--gate-selftest": option.gate_selftest,
        "-n": config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"),
    }
    if why := contradiction(given):
        raise pytest.UsageError(why)


def _gating(config: pytest.Config) -> Gating:
    """The state of this process, made when the first suite is met, so that other projects pay nothing."""
    if GATING not in config.stash:
        from harness.runs.gating import Gating
        from harness.runs.settings import given_options

        option = config.option
        if option.gate_repeats is not None and option.gate_repeats < 1:
            raise pytest.UsageError(f"--gate-repeats is {option.gate_repeats}; expected 1 or more")
        worker = getattr(config, "workerinput", None)
        typed = worker["mainargv"][1:] if worker else config.invocation_params.args
        config.stash[GATING] = Gating(given_options(option, config.rootpath, typed), _controller(config))
    return config.stash[GATING]


def _controller(config: pytest.Config) -> Controller | None:
    """The process that started this one, where it is a worker of xdist."""
    given = getattr(config, "workerinput", None)
    if given is None:
        return None
    from harness.runs.workers import Controller

    return Controller(given["holdfast"], worker=given["workerid"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Each worker gets a channel of its own to this process."""
    from harness.runs.workers import Workers

    config = node.config
    if WORKERS not in config.stash:
        config.stash[WORKERS] = Workers()
        config.pluginmanager.register(_InterruptWorkers(config.stash[WORKERS]))
    node.workerinput["holdfast"] = channel = node.gateway.newchannel()
    config.stash[WORKERS].join(channel)


class _InterruptWorkers:
    """Ctrl-C ends the workers' runs before xdist ends the workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def pytest_keyboard_interrupt(self) -> None:
        self._workers.interrupt()


def _suite_file(path: Path) -> Path | None:
    file = path.parent / "strategies.yaml"
    return file if file.is_file() else None


def _suite_of(node: Any, config: pytest.Config) -> Suite | None:
    """The suite that a test module belongs to, None for a module that is no suite."""
    file = _suite_file(node.path)
    return None if file is None else _gating(config).suite(file)


def _session_of(node: Any, config: pytest.Config) -> SuiteSession | None:
    """What runs the suite that a test module belongs to."""
    file = _suite_file(node.path)
    return None if file is None else _gating(config).session(file)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> Generator[None, pytest.Module, pytest.Module]:
    """A suite whose declarations are wrong is one collection error that lists them all."""
    module = yield
    if _suite_file(module_path) is None:
        return module
    from harness.core.errors import HoldfastError
    from harness.fixtures_io.suites import FixtureMissing

    collect = module.collect

    def checked() -> Any:
        try:
            _suite_of(module, parent.config)
        except HoldfastError as error:
            raise pytest.Collector.CollectError(str(error)) from error
        except FixtureMissing as missing:
            pytest.skip(
                f"{module_path.parent.name}: no fixture yet; import it with: {missing}", allow_module_level=True
            )
        return collect()

    module.collect = checked  # type: ignore[method-assign]
    return module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run" not in metafunc.fixturenames and "critical_slice" not in metafunc.fixturenames:
        return
    suite = _suite_of(metafunc.definition, metafunc.config)
    if suite is None:
        return
    if "run" in metafunc.fixturenames:
        pattern = metafunc.config.option.gate_strategies or "*"
        names = [name for name in suite.strategies if fnmatch.fnmatch(name, pattern)]
        metafunc.parametrize("run", names, indirect=True)
    if "critical_slice" in metafunc.fixturenames:
        names = [part.name for part in suite.fixture.task.slices if part.critical]
        metafunc.parametrize("critical_slice", names, indirect=True)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    """One strategy of the suite's strategies.yaml; the test runs once for each."""
    from harness.runs.run import Run

    session = _session_of(request.node, request.config)
    if session is None or not hasattr(request, "param"):
        pytest.fail(f"`run` needs a strategies.yaml beside {request.node.path.name}", pytrace=False)
    return Run(session, request.param, may_execute=_gating(request.config).refuse_while_declaring)


@pytest.fixture
def baseline(request: pytest.FixtureRequest) -> Run:
    """The accepted predictions of the shipped strategy, with the same lazy measures as `run`."""
    from harness.core.records import BASELINE

    return _accepted(request, BASELINE)


@pytest.fixture
def anchor(request: pytest.FixtureRequest) -> Run:
    """The predictions of a pinned release, for margins that many small losses may not exceed together."""
    from harness.core.records import ANCHOR

    return _accepted(request, ANCHOR)


def _accepted(request: pytest.FixtureRequest, name: str) -> Run:
    from harness.runs.run import Run

    session = _session_of(request.node, request.config)
    if session is None:
        pytest.fail(f"`{name}` needs a strategies.yaml beside {request.node.path.name}", pytrace=False)
    return Run(session, name)


@pytest.fixture
def critical_slice(request: pytest.FixtureRequest) -> str:
    """The name of one critical slice of the task; the test runs once for each."""
    return str(request.param)


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Gate:
    """States claims about lazy measures. A claim that blocks fails the test at its own line."""
    session = _session_of(request.node, request.config)
    if session is None:
        pytest.fail(f"`gate` needs a strategies.yaml beside {request.node.path.name}", pytrace=False)
    return Gate(request.node, _gating(request.config), session)


class Gate:
    """Claims of one test, in the order in which they are made.

    `alpha` is the error that a PASS may have, `alpha_fail` (default: alpha) that of a FAIL, shared within the suite.
    """

    def __init__(self, item: pytest.Item, gating: Gating, session: SuiteSession) -> None:
        self._item = item
        self._gating = gating
        self._session = session
        self.made = 0

    def at_least(
        self,
        measure: Measure,
        floor: float,
        *,
        role: str = "gate",
        alpha: float = 0.05,
        alpha_fail: float | None = None,
        name: str | None = None,
    ) -> None:
        """PASS if the measure is at least `floor` with confidence 1 − alpha."""
        __tracebackhide__ = True
        self._claim("at_least", measure, bound=floor, role=role, alpha=alpha, alpha_fail=alpha_fail, name=name)

    def at_most(
        self,
        measure: Measure,
        ceiling: float,
        *,
        role: str = "gate",
        alpha: float = 0.05,
        alpha_fail: float | None = None,
        name: str | None = None,
    ) -> None:
        """PASS if the measure, a rate or a mean cost, is at most `ceiling` with confidence 1 − alpha."""
        __tracebackhide__ = True
        self._claim("at_most", measure, bound=ceiling, role=role, alpha=alpha, alpha_fail=alpha_fail, name=name)

    def no_worse(
        self,
        measure: Measure,
        baseline: Measure,
        margin: float,
        *,
        role: str = "gate",
        alpha: float = 0.05,
        alpha_fail: float | None = None,
        name: str | None = None,
    ) -> None:
        """PASS if a loss of `margin` or more against the accepted predictions, case by case, can be excluded."""
        __tracebackhide__ = True
        self._claim(
            "no_worse",
            measure,
            baseline=baseline,
            bound=margin,
            role=role,
            alpha=alpha,
            alpha_fail=alpha_fail,
            name=name,
        )

    def never(
        self,
        measure: Measure,
        *,
        assure: float | None = None,
        role: str = "gate",
        alpha: float = 0.05,
        name: str | None = None,
    ) -> None:
        """Zero tolerance: one violation is a FAIL. `assure` asks for enough cases to exclude a higher rate."""
        __tracebackhide__ = True
        self._claim("never", measure, assure=assure, role=role, alpha=alpha, name=name)

    def _claim(self, kind: str, measure: Measure, **details: Any) -> None:
        __tracebackhide__ = True
        from harness.runs.declared import DeclaredClaim

        line = _line_in(self._item)
        claim = DeclaredClaim(test=self._item.nodeid, index=self.made, kind=kind, measure=measure, line=line, **details)
        self.made += 1
        if self._gating.declaring:
            self._gating.declare(self._session, claim)
            return
        judged = self._gating.judged(claim)
        name = f"claim[{claim.index}]"
        self._item.user_properties.append((name, judged.label))
        self._item.user_properties += [(f"{name}.{part}", value) for part, value in judged.properties]
        if judged.blocks:
            pytest.fail(judged.message, pytrace=judged.settled)


def _line_in(item: pytest.Item) -> int:
    """The line of the test file that is being executed, counted from 1."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != str(item.path):
        frame = frame.f_back
    return 1 + (item.location[1] or 0) if frame is None else frame.f_lineno


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """While claims are declared nothing is reported; a gated test that claims nothing is an error."""
    if (shard := _shard_of(pyfuncitem)) is not None:
        return (yield from _collected(pyfuncitem, shard))
    stated = pyfuncitem.funcargs.get("gate")
    if not isinstance(stated, Gate):
        return (yield)
    gating = _gating(pyfuncitem.config)
    try:
        result = yield
    except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
        if not gating.declaring:
            raise
        gating.note_broken(pyfuncitem.nodeid, error, skipped=isinstance(error, pytest.skip.Exception))
        return True
    if not stated.made and not gating.declaring:
        pytest.fail("this test takes `gate` but makes no claim", pytrace=False)
    return result


def _shard_of(item: pytest.Item) -> Shard | None:
    """The shard that is collected instead of this test being judged, if there is one."""
    if GATING not in item.config.stash or _suite_file(item.path) is None:
        return None
    gating = item.config.stash[GATING]
    return None if gating.declaring else gating.shard


def _collected(item: pytest.Function, shard: Shard) -> Generator[None, object, object]:
    """No test is judged. Those that ask the model by themselves run in the first shard, for the sake of the answers.

    What they ask may depend on what was answered before, so that it can't be shared out.
    """
    if shard.number == 1 and "run" in item.fixturenames and "gate" not in item.fixturenames:
        from harness.core.errors import HoldfastError

        try:
            yield
        except HoldfastError:
            raise
        except (Exception, pytest.fail.Exception, pytest.skip.Exception):
            pass
    pytest.skip(f"{shard}: its answers are collected, nothing is judged")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    config = session.config
    items = [item for item in session.items if "gate" in _fixtures(item)]
    if items and not config.option.collectonly and not session.testsfailed:
        gating = _gating(config)
        if any("::" in argument or argument.endswith(".py") for argument in config.args):
            gating.note_selection("only some tests were asked for")
        last_failed = config.pluginmanager.get_plugin("lfplugin")
        if getattr(config.option, "lf", False) and getattr(last_failed, "lastfailed", None):
            gating.note_selection("only tests that failed before were run")
        gating.declaring = True
        for item, following in zip(items, [*items[1:], None], strict=True):
            for report in runtestprotocol(item, log=False, nextitem=following):
                if report.failed:
                    gating.note_broken(item.nodeid, report.longreprtext)
            item._report_sections.clear()
            item.user_properties.clear()
        gating.declaring = False
        if config.option.gate_dry_run:
            gating.plan(asking=sum("run" in names and "gate" not in names for names in map(_fixtures, session.items)))
        else:
            _execute_and_settle(gating)
        if hasattr(config, "workerinput") and gating.ended is not None:
            from harness.runs.ending import sent

            config.workeroutput["holdfast"] = sent(gating.ended)  # type: ignore[attr-defined]
            config.workeroutput["holdfast_calls"] = gating.calls_told  # type: ignore[attr-defined]
    if config.option.gate_dry_run:
        _leave_out_tests(session)
    return (yield)


def _execute_and_settle(gating: Gating) -> None:
    from harness.core.errors import DriverError

    try:
        gating.execute_and_settle()
    except DriverError as error:
        raise pytest.UsageError(str(error)) from error


def _leave_out_tests(session: pytest.Session) -> None:
    """A dry run judges nothing: no test is left, unless some could not state their claims; then gated tests fail."""
    broken = GATING in session.config.stash and session.config.stash[GATING].broken
    kept = [item for item in session.items if broken and "gate" in _fixtures(item)]
    session.config.hook.pytest_deselected(items=[item for item in session.items if item not in kept])
    session.items[:] = kept


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    sent = getattr(node, "workeroutput", {})
    if sent.get("holdfast"):
        from harness.runs.ending import received

        node.config.stash.setdefault(WORKER_ENDS, []).append(received(sent["holdfast"]))
        node.config.stash.setdefault(WORKER_SPENDING, []).append(sent["holdfast_spent"])
        node.config.stash.setdefault(WORKER_CALLS, []).extend(sent["holdfast_calls"])


def pytest_deselected(items: list[pytest.Item]) -> None:
    if items and GATING in items[0].config.stash:
        items[0].config.stash[GATING].note_selection(f"{len(items)} tests were left out")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if GATING in config.stash and hasattr(config, "workerinput"):
        config.workeroutput["holdfast_spent"] = config.stash[GATING].spent()  # type: ignore[attr-defined]
    judged_here = GATING in config.stash and not hasattr(config, "workerinput")
    if judged_here and config.stash[GATING].finish(passed=exitstatus == 0):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if len({ended.verdicts for ended in config.stash.get(WORKER_ENDS, [])}) > 1:
        raise pytest.UsageError("xdist workers reached different verdicts: please report this, the gate must not do so")
    junit = config.stash.get(xml_key, None)
    if junit is not None and (ended := _ended(config)) is not None:
        for name, value in ended.properties:
            junit.add_global_property(name, value)


def _ended(config: pytest.Config) -> Ended | None:
    """What was settled here or by the workers, who all settled the same."""
    if GATING in config.stash and (ended := config.stash[GATING].ended) is not None:
        return ended
    ends = config.stash.get(WORKER_ENDS, [])
    return ends[0] if ends else None


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """A letter of their own for passed tests whose claim was not met or not settled; works under xdist too."""
    if report.when != "call" or not report.passed:
        return None
    labels = {str(value) for name, value in report.user_properties if name.startswith("claim[") and name.endswith("]")}
    if "INCONCLUSIVE" in labels:
        return "inconclusive", "?", ("INCONCLUSIVE", {"yellow": True})
    if "MISSED" in labels:
        return "missed", "m", ("MISSED", {"yellow": True})
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    lines: list[str] = []
    if GATING in config.stash:
        lines = config.stash[GATING].summary()
    elif (ended := _ended(config)) is not None:
        from harness.runs.spent import joined, spent_lines

        accounts, calls = config.stash[WORKER_SPENDING], config.stash[WORKER_CALLS]
        lines = [*ended.summary, *sorted(calls), *spent_lines(joined(accounts)), *ended.files]
    elif WORKERS in config.stash:
        lines = config.stash[WORKERS].interrupted
    if lines:
        terminalreporter.section("holdfast")
        for line in lines:
            terminalreporter.line(line)
    if GATING in config.stash:
        commands = config.stash[GATING].commands
    else:
        commands = ended.commands if (ended := _ended(config)) is not None else ()
    for command in commands:
        terminalreporter.line(command)
