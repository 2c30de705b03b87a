"""By which values a run trained, from step to step. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from tdl_tui.runs.records import Event
from tdl_tui.runs.undone import SETTING, holding, is_rollback
from tdl_tui.settables import PATHS, changed, differing, values_of
from tdl_tui.spec import Experiment


class InForce:
    """The values that were in force, since a run was launched with an experiment."""

    def __init__(self, launched: Experiment) -> None:
        self._launched = launched
        self._course = [(0, launched)]  # the steps after which values hold, ascending

    def put(self, values: Mapping[str, Any], step: int) -> None:
        """From the step after `step` on the values, by path, hold, and otherwise those of the launch. Raises
        SpecError."""
        self._course = [(since, held) for since, held in self._course if since < step]
        self._course.append((step, changed(self._launched, values)))

    def go_back(self, step: int) -> None:
        """A roll back has undone what came after a step."""
        self._course = [(since, held) for since, held in self._course if since <= step]

    @property
    def experiment(self) -> Experiment:
        """As the values now in force make it."""
        return self._course[-1][1]

    @property
    def values(self) -> dict[str, Any]:
        """The values now in force that are others than those of the launch, by path."""
        return differing(self.experiment, self._launched)

    @property
    def changes(self) -> dict[str, int]:
        """Of the values that were changed, by path, after which step the newest holds."""
        found: dict[str, int] = {}
        for (_, before), (step, held) in pairwise(self._course):
            found |= dict.fromkeys(differing(held, before), step)
        return found


def of_events(launched: Experiment, events: Iterable[Event], step: int) -> InForce:
    """What the events, oldest first, say of the values in force up to a step."""
    found = InForce(launched)
    for event in holding(events):
        data = event.data
        if event.step > step or data.get("refused"):
            continue
        if data.get("verb") in SETTING:
            found.put({**found.values, **{path: data[path] for path in PATHS if path in data}}, event.step)
        elif is_rollback(event) and isinstance(held := data.get("settings"), dict):
            known = values_of(launched.document())
            found.put({path: held[path] for path in known if held.get(path, known[path]) != known[path]}, event.step)
    return found
