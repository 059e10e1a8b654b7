"""The `harness` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import __version__
from harness.core.errors import HoldfastError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it should, 2 with one message on standard error if not."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except HoldfastError as error:
        print(f"harness: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return 130
    return 0


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

    schema = commands.add_parser("schema", help="print the JSON Schema of a declaration, for editors")
    schema.add_argument("name", choices=("adapter", "strategies", "task"))
    schema.set_defaults(command=_schema)
    return parser


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


def _schema(options: argparse.Namespace) -> None:
    from harness.fixtures_io.declarations import published_schema

    print(json.dumps(published_schema(options.name), indent=2))


if __name__ == "__main__":
    sys.exit(main())
