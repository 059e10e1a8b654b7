"""How fragile a few-shot prompt is: a table for a terminal, and a page of markdown."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from harness.core.fragility import Fragility, Group, Moved
from harness.core.wording import percent, wrapped
from harness.reporting.blocks import table
from harness.reporting.escaping import markdown_code

HEAVIEST = 10
WIDTH = 100
FRAGILITY_HEAD = ("", "accuracy", "largest loss", "largest gain", "moved on average", "at most", "in any")
_VARIANT = ("example", "accuracy", "change", "lost", "gained", "moved")
FRAGILITY_NOTE = (
    "Changes are in points of accuracy against the prompt as declared, on the same cases; their limits hold with 95% "
    "confidence for all variants together. An answer moves when a decision changes, right or wrong; in any: in one or "
    "more of the variants. What moves when the same prompt is asked again is not due to the examples."
)


def fragility_lines(found: Fragility) -> Iterator[str]:
    """What moved, and the examples that weigh most, for a terminal."""
    yield from tabulate(fragility_summary(found), headers=list(FRAGILITY_HEAD), disable_numparse=True).splitlines()
    yield ""
    rows = [_variant(moved, named=moved.variant.dropped) for moved in _heaviest(found)]
    if rows:
        yield f"the examples that move most when they are dropped, on {found.cases} cases:"
        yield ""
        yield from tabulate(rows, headers=list(_VARIANT), disable_numparse=True).splitlines()
    else:
        yield "no answer moves when an example is dropped"
    yield ""
    for line in (*fragility_notes(found), FRAGILITY_NOTE):
        yield from wrapped(line, width=WIDTH)


def fragility_markdown(found: Fragility, *, seed: int, trained: bool) -> str:
    """The whole page: the summary, and every variant. `trained`: the model's weights may have seen these cases."""
    lines = [f"# Fragility of `{found.run}`", ""]
    lines += [f"{found.examples} examples; {found.cases} pool cases that are none of them, seed {seed}.", ""]
    lines += [*table(FRAGILITY_HEAD, fragility_summary(found)), FRAGILITY_NOTE, ""]
    if trained:
        lines += ["The model has LoRA weights that may have been trained on these cases: read the changes only.", ""]
    for note in fragility_notes(found):
        lines += [note, ""]
    lines += ["## Each example dropped", ""]
    lines += table(
        _VARIANT,
        [_variant(m, named=markdown_code(m.variant.dropped)) for m in found.drops.by_weight()],
    )
    if found.orders is not None:
        lines += ["## Other orders", ""]
        lines += table(
            ("order", *_VARIANT[1:], "examples"),
            [
                [*_variant(m, named=m.variant.name), " ".join(map(markdown_code, m.variant.examples))]
                for m in found.orders.by_weight()
            ],
        )
    return "\n".join(lines).rstrip() + "\n"


def _heaviest(found: Fragility) -> list[Moved]:
    return [moved for moved in found.drops.by_weight() if moved.moved][:HEAVIEST]


def fragility_summary(found: Fragility) -> list[list[str]]:
    """The rows under FRAGILITY_HEAD."""
    declared = found.declared
    limits = f"{100 * declared.lower:.1f}–{100 * declared.upper:.1f}"
    rows = [
        ["as declared", f"{percent(declared.estimate)} ({limits})", "", "", "", "", ""],
        _group("asked again", Group(variants=(found.again,), any_moved=found.again.moved)),
        _group(f"one of {found.examples} dropped", found.drops),
    ]
    if found.orders is not None:
        orders = len(found.orders.variants)
        rows.append(_group(f"{orders} other order{'' if orders == 1 else 's'}", found.orders))
    return rows


def _group(name: str, group: Group) -> list[str]:
    low, high = group.lowest, group.highest
    return [
        name,
        f"{percent(low.accuracy)} to {percent(high.accuracy)}"
        if low.accuracy != high.accuracy
        else percent(low.accuracy),
        _change(low) if low.change < 0 else "none",
        _change(high) if high.change > 0 else "none",
        f"{group.mean_moved:.1f}",
        str(max(moved.moved for moved in group.variants)),
        str(group.any_moved),
    ]


def _variant(moved: Moved, *, named: str) -> list[str]:
    counts = (moved.losses, moved.gains, moved.moved)
    return [named, percent(moved.accuracy), _change(moved), *map(str, counts)]


def _change(moved: Moved) -> str:
    return f"{100 * moved.change:+.1f} ({100 * moved.lower:+.1f} to {100 * moved.upper:+.1f})"


def fragility_notes(found: Fragility) -> list[str]:
    """What else is to be known of the numbers; often nothing."""
    if not found.failed:
        return []
    return [f"{found.failed} requests failed and count as wrong; the same command asks them again."]
