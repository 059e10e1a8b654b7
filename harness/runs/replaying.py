"""`--gate-replay`: stored predictions in place of models, out of a recording or a ledger."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.core.records import Adapter
from harness.drivers.registry import make_driver
from harness.execution.ledger_files import is_ledger
from harness.execution.ledger_replay import LedgerDriver, LedgerReplay
from harness.execution.recording import Recording, ReplayDriver, replaying
from harness.runs.session import Drivers, StoreFor


def replay_sources(path: Path) -> tuple[StoreFor, Drivers]:
    """What is judged instead of asking. Raises LedgerError for a file that holds no predictions.

    A recording says what each adapter was. A ledger does not: there the declared adapters do, and nothing else is
    asked of them.
    """
    if path.is_file() and is_ledger(path):
        replay = LedgerReplay(path)

        def driver(adapter: Adapter) -> LedgerDriver:
            return replay.driver(adapter, make_driver(adapter).identity())

        return replay.store, Drivers(driver)
    recording = Recording(path)
    return partial(replaying, recording), Drivers(partial(ReplayDriver, recording))
