"""The command-line options of the pytest plugin, as data: what they are, and which contradict each other.

Every pytest in an environment with Holdfast reads this, so it imports nothing that takes time.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.core.shards import Shard


def _usd(text: str) -> float:
    if not 0 <= (usd := float(text)) < float("inf"):
        raise ValueError(text)
    return usd


def _shard(text: str) -> Shard:
    from harness.core.errors import ClaimError
    from harness.core.shards import read_shard

    try:
        return read_shard(text)
    except ClaimError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


OPTIONS: dict[str, dict[str, Any]] = {
    "--gate-strategies": {"metavar": "GLOB", "help": "run only the strategies whose name matches"},
    "--gate-adapter": {"metavar": "NAME", "help": "run strategies that use the default adapter on this one"},
    "--gate-repeats": {"metavar": "N", "type": int, "help": "answers per case, instead of the declared number"},
    "--gate-profile": {
        "choices": ("pr", "release"),
        "help": "pr: an inconclusive gate warns; release: it blocks (default: [tool.holdfast] profile, else pr)",
    },
    "--gate-accept": {
        "metavar": "REASON",
        "help": "make this run's predictions of the shipped strategies the baseline that candidates are compared with",
    },
    "--gate-override-slice": {
        "metavar": "NAME",
        "action": "append",
        "default": [],
        "help": "accept although this critical slice got worse; the override is recorded",
    },
    "--gate-record": {"metavar": "FILE", "help": "write this run's predictions"},
    "--gate-replay": {"metavar": "FILE", "help": "judge recorded predictions; no model is asked"},
    "--gate-selftest": {
        "action": "store_true",
        "help": "measure this gate on these predictions: false alarms, and the size of the regressions that it finds",
    },
    "--gate-early-stop": {
        "action": "store_true",
        "help": "ask no more cases once every claim that may block is settled, by bounds that allow for looking",
    },
    "--gate-fresh": {
        "action": "store_true",
        "help": "ask the models although the ledger knows their answers, which it keeps, and report what moved",
    },
    "--gate-dry-run": {
        "action": "store_true",
        "help": "count calls, tokens and cost of each strategy, in the ledger and to be made; asks and judges nothing",
    },
    "--gate-max-cost": {
        "metavar": "USD",
        "type": _usd,
        "help": "stop before calls of this run cost more; what was answered is saved, and a higher limit goes on",
    },
    "--gate-shard": {
        "metavar": "I/N",
        "type": _shard,
        "help": "ask for part I of N of the cases into the ledger and judge nothing; `harness merge` joins and judges",
    },
    "--gate-report": {"metavar": "DIR", "help": "where reports are written (default: reports/latest)"},
}
"""The options, each with the arguments of `addoption`."""

NOT_TOGETHER = {
    ("--gate-accept", "-n"): (
        "a baseline is written by the process that ran all tests; accept without -n (or with -n 0). Answers in the "
        "ledger are not asked again"
    ),
    ("--gate-accept", "--gate-early-stop"): "a baseline holds every case; accept a run without --gate-early-stop",
    ("--gate-fresh", "--gate-accept"): (
        "fresh answers do not enter the ledger, so later runs would not be judged on what was accepted; accept an "
        "ordinary run, without --gate-fresh"
    ),
    ("--gate-fresh", "--gate-replay"): (
        "a recording asks no model; keep fresh answers with --gate-record FILE, and replay them in a run without "
        "--gate-fresh"
    ),
    ("--gate-fresh", "-n"): "every worker would ask by itself and be judged on other answers; leave -n out",
    (
        "--gate-selftest",
        "-n",
    ): "one process simulates; leave -n out. Answers in the ledger are not asked again",
    ("--gate-dry-run", "--gate-accept"): "a dry run judges nothing that could be accepted; leave one of them out",
    ("--gate-dry-run", "--gate-early-stop"): "where a run may stop is not known beforehand; without it all is counted",
    ("--gate-dry-run", "--gate-record"): "a dry run has no predictions to write; leave one of them out",
    ("--gate-dry-run", "--gate-replay"): "a recording asks no model, so that there is nothing to count",
    ("--gate-dry-run", "--gate-selftest"): "a dry run judges nothing; the self-test asks what an ordinary run asks",
    ("--gate-dry-run", "-n"): "one process counts; leave -n out",
    ("--gate-max-cost", "--gate-replay"): "a recording asks no model, and costs nothing",
    ("--gate-max-cost", "-n"): (
        "two workers could pay for two strategies at once, and pass the limit together; leave -n out. Answers in the "
        "ledger are not asked again"
    ),
    ("--gate-selftest", "--gate-early-stop"): "the simulations need every case; leave --gate-early-stop out",
    **dict.fromkeys(
        [
            ("--gate-shard", f"--gate-{name}")
            for name in ("accept", "early-stop", "fresh", "record", "replay", "selftest")
        ],
        "a shard only asks, and judges nothing; leave it out here, and judge with `harness merge`",
    ),
    ("--gate-shard", "-n"): "one process asks for a shard; leave -n out",
}
"""Options that contradict each other, with the reason and what to do instead."""


def contradiction(given: Mapping[str, bool]) -> str:
    """What is wrong with a selection of options, and what to do instead; "" if nothing is."""
    for (one, other), why in NOT_TOGETHER.items():
        if given[one] and given[other]:
            return f"{one} can't be used with {other}: {why}"
    return ""
