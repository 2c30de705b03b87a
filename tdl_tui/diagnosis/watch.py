"""What is new from one look to the next: a diagnosis is said when it appears, and once more when it has gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

from tdl_tui.runs.records import Diagnosis, Event, Severity

PATIENCE = 5
"""Looks in a row at which a rule is silent before its diagnosis is over."""
REPEATS = 3
"""Times that a diagnosis which comes and goes is said to be there, and to be over."""
KIND = "diagnosis"
"""Of the events that say a diagnosis."""


@dataclass(frozen=True)
class News:
    """A diagnosis that appeared, or (`over`) one that has gone by `step`: with `afresh`, as a value that it goes by was
    changed."""

    diagnosis: Diagnosis
    step: int
    over: bool = False
    afresh: bool = False

    @property
    def text(self) -> str:
        """One line for the list of events."""
        if not self.over:
            return f"{self.diagnosis.word}: {self.diagnosis.seen}"
        return f"{self.diagnosis.word}: {'looked at afresh, after the change' if self.afresh else 'over'}"

    @property
    def data(self) -> dict[str, Any]:
        """The event's data: the diagnosis as plain values, and whether it is over."""
        return {**asdict(self.diagnosis), "over": self.over}


def worst_first(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """In the order of their severity, else as they were."""
    return sorted(diagnoses, key=lambda diagnosis: get_args(Severity).index(diagnosis.severity), reverse=True)


class Watch:
    """The diagnoses that hold, from look to look.

    `held` are those that held before, `said` the events of that time. Where a resume has gone back to an earlier step,
    what was said of a step that lies ahead again is not said a second time.
    """

    def __init__(self, held: Iterable[Diagnosis] = (), said: Iterable[Event] = ()) -> None:
        self._held = {diagnosis.rule: diagnosis for diagnosis in held}
        self._silent = dict.fromkeys(self._held, 0)
        self._said = [(e.step, e.data.get("rule"), bool(e.data.get("over"))) for e in said if e.kind == KIND]

    @property
    def held(self) -> list[Diagnosis]:
        """Those that hold now, as they were when they appeared; the worst first."""
        return worst_first(self._held.values())

    def go_back(self, step: int) -> None:
        """A roll back has undone what came after a step, with all that was said of it."""
        self._held = {rule: diagnosis for rule, diagnosis in self._held.items() if diagnosis.step <= step}
        self._silent = dict.fromkeys(self._held, 0)
        self._said = [one for one in self._said if one[0] <= step]

    def look(self, found: Iterable[Diagnosis], step: int, since: Mapping[str, int] | None = None) -> list[News]:
        """What is new, given all that the rules find at `step`. Some rules look `since` a step: what they said up to it
        holds no longer, and does not count."""
        since = since or {}
        news = []
        now = {diagnosis.rule: diagnosis for diagnosis in found}
        for rule in [rule for rule, held in self._held.items() if held.step <= since.get(rule, -1) < step]:
            news.append(News(self._held.pop(rule), step, over=True, afresh=True))
        for rule, diagnosis in now.items():
            self._silent[rule] = 0
            if rule not in self._held:
                self._held[rule] = diagnosis
                news.append(News(diagnosis, step))
        for rule in [rule for rule in self._held if rule not in now]:
            self._silent[rule] += 1
            if self._silent[rule] >= PATIENCE and step >= self._held[rule].step:
                news.append(News(self._held.pop(rule), step, over=True))
        fresh = [new for new in news if not self._is_said(new, since.get(new.diagnosis.rule, -1))]
        self._said += [(new.step, new.diagnosis.rule, new.over) for new in fresh]
        return fresh

    def _is_said(self, new: News, since: int) -> bool:
        steps = [step for step, rule, over in self._said if (rule, over) == (new.diagnosis.rule, new.over)]
        return sum(step > since for step in steps) >= REPEATS or any(step >= new.step for step in steps)
