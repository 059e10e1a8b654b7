"""Answers must not depend on what does not matter: typos, greetings, signatures, quoted replies, white space, names."""

from edits import KINDS, apply, edit, edits
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as generators
from hypothesis.errors import NoSuchExample

SAMPLE = 24
HARMLESS = ("white_space",)
"""Edits that an uncased tokenizer can't even see: here every flip is a bug, whatever the model knows."""

QUIET = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def sample(run):
    """Every so-manieth case of the holdout: a spread that does not depend on the strategy."""
    step = max(1, len(run.cases) // SAMPLE)
    return run.cases[::step][:SAMPLE]


def variants(run):
    return [
        (case.id, {"text": edit(case.inputs["text"], kind, position)})
        for position, case in enumerate(sample(run))
        for kind in KINDS
    ]


def smallest_flip(run):
    """The smallest edit that Hypothesis finds to flip an answer, "" if it finds none."""
    cases = sample(run)
    pairs = generators.tuples(generators.integers(min_value=0, max_value=len(cases) - 1), edits())

    def flips(pair):
        case = cases[pair[0]]
        return run.answer({"text": apply(case.inputs["text"], pair[1])}) != run.answer(case.inputs)

    try:
        position, steps = find(pairs, flips, settings=QUIET)
    except NoSuchExample:
        return ""
    case = cases[position]
    before, after = run.answer(case.inputs), run.answer({"text": apply(case.inputs["text"], steps)})
    return f"{case.id} after {steps}: {before} became {after}"


def test_flip_rate(run, gate):
    gate.at_most(run.flip_rate(variants(run)), run.threshold("flip_rate"), role="guard")


def test_smallest_flip_is_shown(run, record_property):
    """A flip by white space alone fails; of what may ship, the smallest flip goes into the JUnit properties."""
    cases = sample(run)

    @settings(QUIET, max_examples=30)
    @given(generators.sampled_from(cases), edits(HARMLESS))
    def stays(case, steps):
        edited = apply(case.inputs["text"], steps)
        assert run.answer({"text": edited}) == run.answer(case.inputs), f"{case.id} flips after {steps}"

    stays()
    found = "" if run.strategy.stage == "reference" else smallest_flip(run)
    record_property("smallest_flip", found)
    if found:
        print(f"{run.name}: smallest edit that flips an answer: {found}")
