"""Labels to look at again: copies with different answers, spelling variants, labels a model disagrees with."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.core.folding import fingerprint
from harness.core.lazy import need
from harness.core.prompting import inputs_text
from harness.core.schemas import label_text
from harness.preparing.duplicates import Embed, Pair
from harness.preparing.groups import Groups
from harness.preparing.rows import Row, Sample, StepReport

FOLDS = 5
FEWEST = 5
"""Rows that a label needs before a model can judge it: each fold must leave some to learn from."""
SAMPLES = 20
_STRENGTH = 5.0
_LETTERS_PER_EDIT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A row whose label may be wrong.

    `suspicion` is from 0 to 1, `suggested` another label, "" where none stands out.
    """

    row: str
    field: str
    given: str
    suggested: str
    suspicion: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """Labels of a field that are likely one label, with the number of their rows, the most frequent first."""

    field: str
    labels: Mapping[str, int]


def label_counts(rows: Sequence[Row], field: str) -> dict[str, int]:
    """How many rows have each label, the most frequent first; rows without the field are not counted."""
    counts = Counter(label for row in rows if (label := _label(row, field)) is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def spelling_variants(rows: Sequence[Row], field: str) -> tuple[Variants, ...]:
    """Groups of labels that have the same words in any order, case, punctuation and number, or nearly the same letters.

    Nearly: one edit (Damerau-Levenshtein) for every 7 letters of the longer, the same digits, and ten times rarer, as
    slips of the keyboard are.
    """
    distance = need("rapidfuzz.distance", extra="prepare").DamerauLevenshtein.distance
    counts = label_counts(rows, field)
    labels = list(counts)
    folded = [_folded_label(label) for label in labels]
    groups = Groups(len(labels))
    for one, other in combinations(range(len(labels)), 2):
        if folded[one] == folded[other]:
            groups.join(one, other)
            continue
        longer = max(len(folded[one]), len(folded[other]))
        rare = counts[labels[other]] * 10 <= counts[labels[one]]
        if rare and _digits(folded[one]) == _digits(folded[other]):
            allowed = longer // _LETTERS_PER_EDIT
            if allowed and distance(folded[one], folded[other], score_cutoff=allowed) <= allowed:
                groups.join(one, other)
    return tuple(
        Variants(field=field, labels={labels[i]: counts[labels[i]] for i in members})
        for members in groups.members()
        if len(members) > 1
    )


def conflicts(rows: Sequence[Row], pairs: Sequence[Pair], field: str) -> list[Suspect]:
    """Rows whose copies, as `pairs` tie them together, have another label.

    The suspicion is the share of the copies, the row among them, that say otherwise: a half where two disagree.
    """
    labels = {row.id: label for row in rows if (label := _label(row, field)) is not None}
    ids = list(labels)
    places = {id_: place for place, id_ in enumerate(ids)}
    known = [pair for pair in pairs if pair.one in places and pair.other in places]
    groups = Groups(len(ids))
    for pair in known:
        groups.join(places[pair.one], places[pair.other])
    ties: dict[str, list[tuple[str, Pair]]] = defaultdict(list)
    for pair in known:
        ties[pair.one].append((pair.other, pair))
        ties[pair.other].append((pair.one, pair))
    suspects = []
    for members in groups.members():
        counts = Counter(labels[ids[place]] for place in members)
        if len(counts) == 1:
            continue
        for place in members:
            given = labels[ids[place]]
            (label, most), *rest = sorted(
                ((label, n) for label, n in counts.items() if label != given), key=lambda item: (-item[1], item[0])
            )
            suspects.append(
                Suspect(
                    row=ids[place],
                    field=field,
                    given=given,
                    suggested=label if not rest or rest[0][1] < most else "",
                    suspicion=1 - counts[given] / len(members),
                    reasons=(_conflict(ids[place], given, ties, labels, counts),),
                )
            )
    return sorted(suspects, key=_rank)


def disagreements(rows: Sequence[Row], field: str, embed: Embed, *, folds: int = FOLDS) -> list[Suspect]:
    """Rows for which a model that was trained without them gives another label, the least likely labels first.

    Confident learning (Northcutt, Jiang and Chuang 2021, arXiv:1911.00068): out-of-sample probabilities by
    cross-validated logistic regression on the embeddings, ranked by self-confidence, the probability of the row's own
    label. A row counts as a confident disagreement where another label reaches that label's own threshold: its mean
    probability among the rows that have it. Rows of one cluster, and equal texts, are held out together. Rows whose
    label has fewer than 5 rows are not judged. The row order does not matter.
    """
    counts = label_counts(rows, field)
    judged = [row for row in rows if counts.get(_label(row, field) or "", 0) >= FEWEST]
    judged.sort(key=lambda row: (fingerprint(inputs_text(row.inputs)), row.id))
    labels = sorted({_label(row, field) or "" for row in judged})
    if len(labels) < 2:
        return []
    code = {label: number for number, label in enumerate(labels)}
    given = np.array([code[_label(row, field) or ""] for row in judged])
    vectors = embed([inputs_text(row.inputs) for row in judged])
    probabilities = out_of_sample(vectors, given, _folds(judged, folds))
    own = probabilities[np.arange(len(judged)), given]
    thresholds = np.array([own[given == label].mean() for label in range(len(labels))])
    suspects = []
    for place, row in enumerate(judged):
        best = int(probabilities[place].argmax())
        if best == given[place]:
            continue
        sure = probabilities[place, best] >= thresholds[best]
        what = "a model trained without this row is sure of" if sure else "a model trained without this row leans to"
        why = f"{what} {labels[best]} ({probabilities[place, best]:.2f}, its own label {own[place]:.2f})"
        suspects.append(
            Suspect(
                row=row.id,
                field=field,
                given=labels[given[place]],
                suggested=labels[best],
                suspicion=float(1 - own[place]),
                reasons=(why,),
            )
        )
    return sorted(suspects, key=_rank)


def out_of_sample(
    vectors: NDArray[np.float32], given: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probabilities of each label for each row, by a logistic regression trained on the rows of the other folds."""
    model = need("sklearn.linear_model", extra="prepare").LogisticRegression
    probabilities = np.zeros((len(given), int(given.max()) + 1))
    for fold in np.unique(folds):
        held = folds == fold
        fitted = model(C=_STRENGTH, max_iter=1000).fit(vectors[~held], given[~held])
        probabilities[np.ix_(held, fitted.classes_)] = fitted.predict_proba(vectors[held])
    return probabilities


def suspects(*found: Sequence[Suspect]) -> list[Suspect]:
    """One list of all that was found, a row and field once: the largest suspicion, with all reasons, ranked by it."""
    by_row: dict[tuple[str, str], list[Suspect]] = defaultdict(list)
    for suspect in (suspect for part in found for suspect in part):
        by_row[suspect.row, suspect.field].append(suspect)
    merged = []
    for same in by_row.values():
        first = min(same, key=_rank)
        merged.append(
            Suspect(
                row=first.row,
                field=first.field,
                given=first.given,
                suggested=first.suggested or next((s.suggested for s in same if s.suggested), ""),
                suspicion=first.suspicion,
                reasons=tuple(reason for suspect in same for reason in suspect.reasons),
            )
        )
    return sorted(merged, key=_rank)


def label_report(rows: Sequence[Row], ranked: Sequence[Suspect], variants: Sequence[Variants]) -> StepReport:
    """What was found, as the report of a step that changes no row."""
    texts = {row.id: inputs_text(row.inputs) for row in rows}
    shown = [
        Sample(
            rows=(suspect.row,),
            texts=(texts[suspect.row], f"{suspect.given} → {suspect.suggested or '?'}: {'; '.join(suspect.reasons)}"),
            field=f"expected.{suspect.field}",
        )
        for suspect in ranked[:SAMPLES]
    ]
    spelled = [Sample(rows=(), texts=tuple(v.labels), field=f"expected.{v.field}") for v in variants]
    return StepReport(
        name="label quality",
        counts={"suspects": len(ranked), "spelling variants": sum(len(v.labels) - 1 for v in variants)},
        samples=(*shown, *spelled),
    )


def _label(row: Row, field: str) -> str | None:
    value = row.expected.get(field)
    return None if value is None else label_text(value)


def _folded_label(label: str) -> str:
    """The words of a label in alphabetical order, in lower case and without the s of a plural."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    words = re.findall(r"[^\W_]+", spaced.casefold()) or [label]
    return " ".join(sorted(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words))


def _digits(label: str) -> str:
    return "".join(letter for letter in label if letter.isdigit())


def _folds(rows: Sequence[Row], folds: int) -> NDArray[np.int64]:
    """Which fold each row is held out in: clusters and equal texts together, in the order of their hashes."""
    groups = Groups(len(rows))
    seen: dict[tuple[str, str], int] = {}
    for place, row in enumerate(rows):
        groups.join(place, seen.setdefault(("text", fingerprint(inputs_text(row.inputs))), place))
        if row.cluster is not None:
            groups.join(place, seen.setdefault(("cluster", row.cluster), place))
    fold_of: dict[int, int] = {}
    return np.array([fold_of.setdefault(root, len(fold_of) % folds) for root in groups.roots.tolist()])


def _conflict(
    id_: str,
    given: str,
    ties: Mapping[str, Sequence[tuple[str, Pair]]],
    labels: Mapping[str, str],
    counts: Mapping[str, int],
) -> str:
    direct = [(other, pair) for other, pair in ties[id_] if labels[other] != given]
    if direct:
        other, pair = min(direct, key=lambda tie: (-tie[1].similarity, tie[0]))
        return f"{pair.kind} copy of {other}, which has {labels[other]} (similarity {pair.similarity:.2f})"
    listed = ", ".join(f"{n} {label}" for label, n in sorted(counts.items()))
    return f"one of {sum(counts.values())} copies with different labels: {listed}"


def _rank(suspect: Suspect) -> tuple[float, str, str]:
    return -suspect.suspicion, suspect.row, suspect.field
