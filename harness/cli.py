"""The `harness` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from harness import __version__
from harness.core.errors import HoldfastError
from harness.runs import LEDGER


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it should, 2 with one message on standard error if not.

    A command that judges ends as pytest does.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int | None] = options.command
    try:
        return command(options) or 0
    except HoldfastError as error:
        print(f"harness: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness", description="Evaluate prompts and models; gate their changes.")
    parser.add_argument("--version", action="version", version=f"holdfast {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    load = commands.add_parser("import", help="make a task out of a table of labelled texts")
    tables = load.add_subparsers(title="formats", required=True, metavar="FORMAT")
    csv = tables.add_parser("csv", help="comma-separated values with a header line")
    csv.add_argument("pool", type=Path, metavar="TRAIN.CSV", help="the labelled rows for examples and training")
    csv.add_argument("--holdout", type=Path, required=True, metavar="TEST.CSV", help="the rows that are judged on")
    csv.add_argument("--text", required=True, metavar="COLUMN", help="the column that holds the text")
    csv.add_argument("--label", required=True, metavar="COLUMN", help="the column that holds the label")
    csv.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the new task")
    csv.add_argument("--name", metavar="NAME", help="the task's name (default: that of the folder)")
    csv.add_argument("--attribution", default="", metavar="TEXT", help="source and licence, shown in reports")
    csv.set_defaults(command=_import_csv)

    freeze = commands.add_parser("freeze", help="lock a holdout, or choose and lock a suite's examples")
    freeze.add_argument("folder", type=Path, metavar="DIR", help="fixtures/NAME or suites/NAME")
    freeze.set_defaults(command=_freeze)

    train = commands.add_parser("train", help="train the LoRA weights that an adapter declares")
    train.add_argument("adapter", type=Path, metavar="ADAPTER.YAML", help="an adapter with `lora` and `training`")
    train.set_defaults(command=_train)

    fragility = commands.add_parser(
        "fragility", help="how far a few-shot strategy's answers move when its examples are dropped or reordered"
    )
    fragility.add_argument("strategy", metavar="SUITE/STRATEGY", help="a strategy with examples: mine/few_shot")
    fragility.add_argument("--cases", type=int, default=100, metavar="N", help="pool cases to ask (default: 100)")
    fragility.add_argument(
        "--permutations", type=int, default=10, metavar="M", help="other orders of the examples (default: 10)"
    )
    fragility.add_argument("--seed", type=int, default=0, help="chooses cases and orders (default: 0)")
    fragility.add_argument("--out", type=Path, metavar="FILE.MD", help="write the whole report there")
    fragility.set_defaults(command=_fragility)

    _ledger_parsers(commands.add_parser("ledger", help="look into the stored answers, move or remove them"))

    merge = commands.add_parser("merge", help="join the ledgers of shards, and judge what they hold together")
    merge.add_argument("ledgers", type=Path, nargs="+", metavar="LEDGER", help="a shard's ledger, or an export of one")
    merge.add_argument("--into", type=Path, metavar="PATH", help=f"the ledger that is judged (default: {LEDGER})")
    merge.set_defaults(command=_merge)

    schema = commands.add_parser("schema", help="print the JSON Schema of a declaration, for editors")
    schema.add_argument("name", choices=("adapter", "strategies", "task"))
    schema.set_defaults(command=_schema)
    return parser


def _ledger_parsers(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    def action(name: str, told: str, command: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=told)
        made.add_argument("--ledger", type=Path, metavar="PATH", help=f"another ledger than {LEDGER}")
        made.set_defaults(command=command)
        return made

    action("stats", "how many answers of which model and prompt, since when, and their tokens", _ledger_stats)
    export = action("export", "write all answers as JSON lines, sorted by key", _ledger_export)
    export.add_argument("file", type=Path, metavar="FILE")
    load = action("import", "add the answers of exports; what is there stays", _ledger_import)
    load.add_argument("files", type=Path, nargs="+", metavar="FILE")
    prune = action("prune", "remove the answers for which all that is given holds", _ledger_prune)
    prune.add_argument("--older-than", type=float, metavar="DAYS", help="answered longer ago")
    prune.add_argument("--model", metavar="NAME", help="answered by this model, as `stats` names it")
    prune.add_argument("--prompt", metavar="DIGEST", help="under this prompt; the start of its digest")
    prune.add_argument("--identity", metavar="DIGEST", help="under this identity; the start of its digest")
    prune.add_argument("--all", action="store_true", help="all answers")
    prune.add_argument("--yes", action="store_true", help="do it; without, it is only said what would go")
    explain = action("explain", "the parts and the answer of a key, or what is nearest to it", _ledger_explain)
    explain.add_argument(
        "key", metavar="KEY", help="the start of a key, or IDENTITY/PROMPT/SETTINGS/INPUTS/REPEAT, the start of each"
    )


def _ledger_stats(options: argparse.Namespace) -> None:
    from harness.runs.ledger_commands import stats

    _print(stats(options.ledger or LEDGER))


def _ledger_export(options: argparse.Namespace) -> None:
    from harness.runs.ledger_commands import export_lines

    _print(export_lines(options.ledger or LEDGER, options.file))


def _ledger_import(options: argparse.Namespace) -> None:
    from harness.runs.ledger_commands import import_lines

    _print(import_lines(options.ledger or LEDGER, options.files))


def _ledger_prune(options: argparse.Namespace) -> None:
    from harness.runs.ledger_commands import prune_choice, prune_lines

    choice = prune_choice(
        days=options.older_than,
        model=options.model,
        prompt=options.prompt,
        identity=options.identity,
        everything=options.all,
    )
    _print(prune_lines(options.ledger or LEDGER, choice, really=options.yes))


def _ledger_explain(options: argparse.Namespace) -> None:
    from harness.runs.ledger_commands import explain

    _print(explain(options.ledger or LEDGER, options.key))


def _merge(options: argparse.Namespace) -> int:
    from harness.runs.merging import judge, merge_lines

    ledger = options.into or LEDGER
    _print(merge_lines(ledger, options.ledgers))
    return judge(ledger)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _import_csv(options: argparse.Namespace) -> None:
    from harness.fixtures_io.importing import import_csv

    imported = import_csv(
        pool=options.pool,
        holdout=options.holdout,
        text=options.text,
        label=options.label,
        out=options.out,
        name=options.name or options.out.resolve().name,
        attribution=options.attribution,
    )
    for line in imported.lines():
        print(line)


def _freeze(options: argparse.Namespace) -> None:
    from harness.runs.freezing import freeze

    for line in freeze(options.folder.resolve()):
        print(line)


def _train(options: argparse.Namespace) -> None:
    from harness.runs.trainings import train

    for line in train(options.adapter.resolve()):
        print(line)


def _fragility(options: argparse.Namespace) -> None:
    from harness.runs.fragility import measure_fragility

    _print(
        measure_fragility(
            options.strategy,
            root=Path.cwd(),
            cases=options.cases,
            orders=options.permutations,
            seed=options.seed,
            out=options.out,
        )
    )


def _schema(options: argparse.Namespace) -> None:
    from harness.fixtures_io.declarations import published_schema

    print(json.dumps(published_schema(options.name), indent=2))


if __name__ == "__main__":
    sys.exit(main())
