"""The `harness` command."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from harness import __version__
from harness.core.errors import HoldfastError
from harness.core.policy import PROFILES
from harness.runs import LEDGER

TASKS = ("classification", "extraction")
CLEANING_STEPS = ("encoding", "html", "invisible", "quotes", "footers", "signatures", "spaces")
KINDS = {
    "csv": "separated values with a header line; comma, semicolon, tab or bar",
    "jsonl": "one JSON object per line",
    "json": "a JSON document with a list of objects, or of lists whose columns are 0, 1, …",
    "parquet": "an Apache Parquet file",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it did what it should, 2 with one message on standard error if not.

    A command that judges ends as pytest does.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int | None] = options.command
    try:
        return command(options) or 0
    except (HoldfastError, OSError) as error:
        print(f"harness: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness", description="Evaluate prompts and models; gate their changes.")
    parser.add_argument("--version", action="version", version=f"holdfast {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="make a project that runs at once on the embedded model")
    init.add_argument("folder", type=Path, metavar="DIR", help="the folder of the project; nothing in it is changed")
    init.add_argument("--task", choices=TASKS, default=TASKS[0], help="the kind of its example (default: %(default)s)")
    init.set_defaults(command=_init)

    load = commands.add_parser("import", help="make a task out of a table of labelled texts")
    tables = load.add_subparsers(title="formats", required=True, metavar="FORMAT")
    for kind, told in KINDS.items():
        _import_parser(tables.add_parser(kind, help=told), kind)

    _prepare_parser(commands.add_parser("prepare", help="clean, mask, deduplicate, check and split imported rows"))

    freeze = commands.add_parser("freeze", help="lock a holdout, or choose and lock a suite's examples")
    freeze.add_argument("folder", type=Path, metavar="DIR", help="fixtures/NAME or suites/NAME")
    freeze.add_argument(
        "--extend",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="add the cases of these files, or those that were added by hand, to a holdout; no old one may change",
    )
    freeze.set_defaults(command=_freeze)

    check = commands.add_parser("check", help="look for leaks, personal data and small slices in fixtures")
    check.add_argument("folders", type=Path, nargs="*", metavar="DIR", help="fixtures/NAME (default: all)")
    check.add_argument("--no-semantic", action="store_true", help="do not compare by meaning, which takes long")
    check.add_argument("--json", action="store_true", help="print all that was found as JSON")
    check.set_defaults(command=_check)

    train = commands.add_parser("train", help="train the LoRA weights that an adapter declares")
    train.add_argument("adapter", type=Path, metavar="ADAPTER.YAML", help="an adapter with `lora` and `training`")
    train.set_defaults(command=_train)

    _fragility_parser(
        commands.add_parser(
            "fragility", help="how far a few-shot strategy's answers move when its examples are dropped or reordered"
        )
    )
    _ceiling_parser(
        commands.add_parser(
            "ceiling", help="whether more examples would still make a few-shot strategy better, on pool cases"
        )
    )
    _ledger_parsers(commands.add_parser("ledger", help="look into the stored answers, move or remove them"))

    merge = commands.add_parser("merge", help="join the ledgers of shards, and judge what they hold together")
    merge.add_argument("ledgers", type=Path, nargs="+", metavar="LEDGER", help="a shard's ledger, or an export of one")
    merge.add_argument("--into", type=Path, metavar="PATH", help=f"the ledger that is judged (default: {LEDGER})")
    merge.set_defaults(command=_merge)

    _report_parser(
        commands.add_parser("report", help="write a run's report again from stored predictions; asks no model")
    )
    _compare_parser(commands.add_parser("compare", help="hold two stored runs against each other, case by case"))

    schema = commands.add_parser("schema", help="print the JSON Schema of a declaration, for editors")
    schema.add_argument("name", choices=("adapter", "strategies", "task"))
    schema.set_defaults(command=_schema)
    return parser


def _fragility_parser(fragility: argparse.ArgumentParser) -> None:
    fragility.add_argument("strategy", metavar="SUITE/STRATEGY", help="a strategy with examples: mine/few_shot")
    fragility.add_argument("--cases", type=int, default=100, metavar="N", help="pool cases to ask (default: 100)")
    fragility.add_argument(
        "--permutations", type=int, default=10, metavar="M", help="other orders of the examples (default: 10)"
    )
    fragility.add_argument("--seed", type=int, default=0, help="chooses cases and orders (default: 0)")
    fragility.add_argument("--out", type=Path, metavar="FILE.MD", help="write the whole report there")
    fragility.add_argument(
        "--json", type=Path, metavar="FILE", help="keep the numbers there (default: where reports look for them)"
    )
    fragility.set_defaults(command=_fragility)


def _ceiling_parser(ceiling: argparse.ArgumentParser) -> None:
    ceiling.add_argument("strategy", metavar="SUITE/STRATEGY", help="a strategy with examples: mine/few_shot")
    ceiling.add_argument("--cases", type=int, default=200, metavar="N", help="pool cases to ask (default: 200)")
    ceiling.add_argument(
        "--examples",
        type=int,
        nargs="+",
        default=[],
        metavar="K",
        help="how many of its examples to show, besides all (default: 0, 4, 8, 16, …)",
    )
    ceiling.add_argument("--seed", type=int, default=0, help="chooses the cases (default: 0)")
    ceiling.add_argument(
        "--json", type=Path, metavar="FILE", help="keep the numbers there (default: where reports look for them)"
    )
    ceiling.set_defaults(command=_ceiling)


def _report_parser(report: argparse.ArgumentParser) -> None:
    report.add_argument(
        "--from",
        dest="sources",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="ledgers of shards, exports of them, or one recording; the project's own ledger is not used",
    )
    report.add_argument("--out", type=Path, metavar="DIR", help="where the report is written (default: reports/latest)")
    report.add_argument("--profile", choices=PROFILES, help="pr: an inconclusive gate warns; release: it blocks")
    report.set_defaults(command=_report)


def _compare_parser(compare: argparse.ArgumentParser) -> None:
    compare.add_argument("run_a", type=Path, metavar="RUN_A", help="the report folder of a run: the baseline side")
    compare.add_argument("run_b", type=Path, metavar="RUN_B", help="the report folder of another: the candidate side")
    compare.add_argument(
        "--pair", action="append", default=[], metavar="A=B", help="hold strategy B of RUN_B against A of RUN_A; again"
    )
    compare.add_argument(
        "--margin", metavar="RATE", help="a loss of accuracy to be excluded; 1 is returned if it fails"
    )
    compare.add_argument(
        "--out", type=Path, default=Path("reports/compare"), metavar="DIR", help="default: %(default)s"
    )
    compare.set_defaults(command=_compare)


def _import_parser(parser: argparse.ArgumentParser, kind: str) -> None:
    add = parser.add_argument
    add("rows", type=Path, metavar="FILE", help="the labelled rows; the pool where --holdout is given")
    add("--holdout", type=Path, metavar="FILE", help="the rows that are judged on; without, prepare splits")
    add("--text", action="append", required=True, metavar="[NAME=]COLUMN", help="the text; again for more")
    add(
        "--label",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a field with a closed list of values",
    )
    add("--value", action="append", default=[], metavar="[NAME=]COLUMN", help="a field with free values")
    add("--answer", metavar="COLUMN", help="the column with a whole answer as JSON")
    add("--id", metavar="COLUMN", help="the column of the case's id (default: by row)")
    add("--date", metavar="COLUMN", help="the column of the day or moment, for a split by time")
    add("--cluster", metavar="COLUMN", help="the column of the thread or template that cases share")
    add("--out", type=Path, required=True, metavar="DIR", help="the folder of the new task")
    add("--name", metavar="NAME", help="the task's name (default: that of the folder)")
    add("--attribution", default="", metavar="TEXT", help="source and licence, shown in reports")
    add("--accept-leaks", default="", metavar="REASON", help="why texts may be in the pool and in the holdout")
    add("--skip-bad-rows", action="store_true", help="leave bad rows out and list them, instead of stopping")
    add("--at", default="", metavar="PATH", help="json: where the list of rows stands, such as data.train")
    add(
        "--holdout-at",
        default="",
        metavar="PATH",
        help="json: where the list of the holdout stands",
    )
    parser.set_defaults(command=_import, kind=kind)


def _prepare_parser(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a task that was imported without a holdout")
    add(
        "--leave-out",
        action="append",
        default=[],
        metavar="STEP",
        choices=CLEANING_STEPS,
        help="a step of the cleaning",
    )
    add("--no-masking", action="store_true", help="leave personal data as it is; external adapters will be refused")
    meaning = parser.add_mutually_exclusive_group()
    meaning.add_argument(
        "--semantic",
        action="store_true",
        default=None,
        help="compare by meaning, with the embedding model (default: for up to 50,000 rows)",
    )
    meaning.add_argument(
        "--no-semantic",
        dest="semantic",
        action="store_false",
        help="no embedding model: fewer copies and fewer wrong labels are found",
    )
    add("--holdout", type=float, default=0.3, metavar="SHARE", help="share of the holdout (default: %(default)s)")
    add("--validation", type=float, default=0.1, metavar="SHARE", help="share of validation (default: %(default)s)")
    add("--accuracy", type=float, metavar="FLOOR", help="a floor that the holdout has to be able to carry")
    add("--margin", type=float, metavar="MARGIN", help="a margin of regression that it has to be able to carry")
    add("--seed", type=int, default=7, metavar="N", help="of the split (default: %(default)s)")
    parser.set_defaults(command=_prepare)


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


def _report(options: argparse.Namespace) -> int:
    from harness.runs.rebuilding import rebuild

    return rebuild(options.sources, out=options.out, profile=options.profile)


def _compare(options: argparse.Namespace) -> int:
    from harness.runs.compared_runs import checked_margin, checked_pair, compare

    lines, status = compare(
        options.run_a,
        options.run_b,
        pairs=[checked_pair(text) for text in options.pair],
        margin=None if options.margin is None else checked_margin(options.margin),
        out=options.out,
        root=Path.cwd(),
    )
    _print(lines)
    return status


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _init(options: argparse.Namespace) -> None:
    from harness.runs.initialising import initialise

    _print(initialise(options.folder, task=options.task))


def _import(options: argparse.Namespace) -> None:
    from harness.fixtures_io.importing import Columns, Source, import_tables

    columns = Columns(
        texts=tuple(options.text),
        labels=tuple(options.label),
        values=tuple(options.value),
        answer=options.answer,
        id=options.id,
        date=options.date,
        cluster=options.cluster,
    )
    holdout = options.holdout or (options.rows if options.holdout_at else None)
    imported = import_tables(
        rows=Source(path=options.rows, kind=options.kind, at=options.at),
        holdout=Source(path=holdout, kind=options.kind, at=options.holdout_at) if holdout else None,
        columns=columns,
        out=options.out,
        name=options.name or options.out.resolve().name,
        attribution=options.attribution,
        accept_leaks=options.accept_leaks,
        skip_bad_rows=options.skip_bad_rows,
    )
    _print(imported.lines())


def _prepare(options: argparse.Namespace) -> None:
    from harness.runs.embedding import Embedder
    from harness.runs.preparing import Settings, prepare

    settings = Settings(
        leave_out=tuple(sorted(set(options.leave_out))),
        masking=not options.no_masking,
        semantic=options.semantic,
        holdout=options.holdout,
        validation=options.validation,
        accuracy=options.accuracy,
        margin=options.margin,
        seed=options.seed,
    )
    _print(prepare(options.folder.resolve(), settings, embed=Embedder()))


def _freeze(options: argparse.Namespace) -> None:
    from harness.runs.extending import extend
    from harness.runs.freezing import freeze

    folder = options.folder.resolve()
    _print(freeze(folder) if options.extend is None else extend(folder, options.extend))


def _check(options: argparse.Namespace) -> int:
    from harness.runs.check_command import check

    folders = [folder.resolve() for folder in options.folders]
    return check(folders, semantic=not options.no_semantic, as_json=options.json)


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
            json=options.json,
        )
    )


def _ceiling(options: argparse.Namespace) -> None:
    from harness.runs.ceiling import measure_ceiling

    _print(
        measure_ceiling(
            options.strategy,
            root=Path.cwd(),
            cases=options.cases,
            seed=options.seed,
            numbers=options.examples,
            out=options.json,
        )
    )


def _schema(options: argparse.Namespace) -> None:
    from harness.fixtures_io.declarations import published_schema

    print(json.dumps(published_schema(options.name), indent=2))


if __name__ == "__main__":
    sys.exit(main())
