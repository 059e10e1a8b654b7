"""What moved since the ledger was filled: the answers of one run that was asked again, beside the stored ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.core.comparisons import same
from harness.core.records import Answer, Case, Failure, Response, Status
from harness.core.scoring import Scorer
from harness.reporting.model import AskedAgain, MovedCase, Provider


class Comparing:
    """Compares replies one by one, in any order."""

    def __init__(self, scorer: Scorer, decision_fields: Sequence[str]) -> None:
        self._scorer = scorer
        self._fields = decision_fields
        self._counts: Counter[str] = Counter()
        self._then: Counter[Provider] = Counter()
        self._now: Counter[Provider] = Counter()
        self._moved: list[MovedCase] = []

    def add(self, case: Case, repeat: int, before: Response | None, reply: Response | Failure) -> None:
        """One request: what the ledger held of it, if anything, and what came now."""
        self._counts["asked"] += 1
        if before is not None:
            self._counts["known"] += 1
            self._then[_provider(before)] += 1
        if isinstance(reply, Failure):
            self._counts["failed"] += 1
            return
        self._now[_provider(reply)] += 1
        if before is not None:
            self._compare(case, repeat, before, reply)

    def finish(self) -> AskedAgain:
        return AskedAgain(
            asked=self._counts["asked"],
            known=self._counts["known"],
            failed=self._counts["failed"],
            compared=self._counts["compared"],
            texts=self._counts["texts"],
            then=_counted(self._then),
            now=_counted(self._now),
            moved=tuple(sorted(self._moved, key=_weight)),
        )

    def _compare(self, case: Case, repeat: int, before: Response, now: Response) -> None:
        self._counts["compared"] += 1
        self._counts["texts"] += before.text != now.text
        old, new = self._scorer.read(before)[0], self._scorer.read(now)[0]
        if self._decided_alike(old, new):
            return
        was, is_now = (self._scorer.score(case, repeat, reply).status for reply in (before, now))
        self._moved.append(
            MovedCase(
                case_id=case.id,
                repeat=repeat,
                expected=case.expected,
                before=old,
                now=new,
                was_right=was is Status.CORRECT,
                is_right=is_now is Status.CORRECT,
            )
        )

    def _decided_alike(self, old: Answer | None, new: Answer | None) -> bool:
        if old is None or new is None:
            return old is new
        return all(same(old.get(name), new.get(name)) for name in self._fields)


def _weight(moved: MovedCase) -> tuple[bool, bool, str, int]:
    """Right answers that went wrong come first, then wrong ones that came right."""
    return not moved.lost, not moved.gained, moved.case_id, moved.repeat


def _provider(response: Response) -> Provider:
    return response.provider_model, response.provider_fingerprint


def _counted(seen: Counter[Provider]) -> tuple[tuple[Provider, int], ...]:
    """The most frequent first."""
    return tuple(sorted(seen.items(), key=lambda entry: (-entry[1], entry[0])))
