"""How often a holdout was used, and what that may be worth: in the report, and as a warning at the end of a run."""

from __future__ import annotations

from collections.abc import Iterator

from harness.reporting.model import HoldoutUse

_REMEDY = "add cases that nobody has seen (`harness freeze --extend`), or judge what is released on a new holdout"


def reuse_markdown(use: HoldoutUse) -> Iterator[str]:
    """A section of the report."""
    yield "### How often this holdout was used"
    yield ""
    if use.judged < 2:
        yield "One strategy has been judged on it."
    else:
        yield (
            f"{use.judged} different strategies have been judged on it. If all were equally good, the best by score "
            f"would look better than it is by {use.luck:.2f} standard errors, {use.points:.1f} points of accuracy."
        )
    if use.outworn:
        yield f"**That is more than a 95% interval allows for**: {_REMEDY}."
    yield ""


def reuse_warning(name: str, use: HoldoutUse) -> str:
    """A line for the end of a run on an outworn holdout."""
    return (
        f"{name}: {use.judged} strategies were judged on this holdout; by luck alone the best of them may look "
        f"{use.points:.1f} points more accurate than it is: {_REMEDY.replace('`', '')}"
    )
