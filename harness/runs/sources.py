"""Where a run's predictions are kept and where new ones come from: the ledger and the models, or stored ones alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from harness.execution.calls import Calls
from harness.execution.fresh import FreshAnswers
from harness.execution.recording import Recorder
from harness.runs import LEDGER
from harness.runs.replaying import replay_sources
from harness.runs.session import Drivers, StoreFor
from harness.runs.settings import Options
from harness.runs.sharding import Collecting


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """`store` and `drivers` of all suites; and what listens to their answers, where the options ask for it."""

    store: StoreFor
    drivers: Drivers
    calls: Calls | None = None
    fresh: FreshAnswers | None = None
    collecting: Collecting | None = None
    recorder: Recorder | None = None


def make_sources(options: Options) -> Sources:
    """What the options ask for. Raises LedgerError for a file to replay that holds no predictions."""
    ledger = options.root / LEDGER
    calls = fresh = None
    if options.dry_run:
        from harness.execution.ledger import paying_ledger
        from harness.runs.planning import identifying_driver

        store: StoreFor = partial(paying_ledger, ledger)
        drivers = Drivers(identifying_driver)
    elif options.replay is not None:
        store, drivers = replay_sources(options.replay)
    elif options.fresh:
        fresh = FreshAnswers()
        store, drivers = partial(fresh.store, ledger), Drivers()
    else:
        calls = Calls()
        store, drivers = partial(calls.store, ledger), Drivers()
    return Sources(
        store=store,
        drivers=drivers,
        calls=calls,
        fresh=fresh,
        collecting=None if options.shard is None else Collecting(options.shard, ledger),
        recorder=None if options.record is None else Recorder(),
    )
