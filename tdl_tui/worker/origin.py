"""What a fork begins with: a checkpoint of another run, copied and checked. Imports no torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdl_tui.runs import kept, signatures
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.schema import UnreadableRun
from tdl_tui.spec import Experiment, assign

from .checks import LaunchError

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Answers one of `questions.QUESTIONS`; raises an exception whose message is one line for people."""
SPLITS = "splits.npz"
TRIES = 5


@dataclass(frozen=True)
class Origin:
    """A run and one of its checkpoints; the run's experiment with the values that were in force there, and the examples
    that are its probes."""

    folder: Path
    title: str
    checkpoint: kept.Kept
    experiment: dict[str, Any]
    probes: tuple[int, ...]

    @property
    def line(self) -> str:
        """Where a fork comes from, for people."""
        return f"from {self.title} ({self.folder.name}) at step {self.checkpoint.step:,}"

    @property
    def document(self) -> dict[str, Any]:
        """The experiment that a fork has unless it is changed: the run's, under a name of its own."""
        base = self.title.rpartition(" @")[0] if self.title.rpartition(" @")[2].isdigit() else self.title
        return {**deepcopy(self.experiment), "name": f"{base[:180]} @{self.checkpoint.step}"}

    def fact(self) -> dict[str, Any]:
        """What the fork's run keeps of it."""
        return {
            "run": self.folder.name,
            "name": self.title,
            "step": self.checkpoint.step,
            "checkpoint": self.checkpoint.name,
            "experiment": self.experiment,
            "probes": list(self.probes),
        }

    def refuse(self, made: Experiment, ask: Ask) -> None:
        """Raises LaunchError where a fork with this experiment cannot begin with the checkpoint: no epoch is left,
        patience is over, or the weights are not those of its network. `ask` is asked only where that may be."""
        epochs, done = made.training.epochs, self.checkpoint.epochs
        if done >= epochs:
            raise LaunchError(
                f"{self.checkpoint.short} of {self.folder.name} has {done} epochs behind it, and training.epochs is "
                f"{epochs}: no epoch is left; set it higher"
            )
        document, stopping = made.document(), made.training.early_stopping
        if 0 < stopping.patience <= self.checkpoint.waited and self._counts_on(document):
            raise LaunchError(
                f"{self.checkpoint.short} of {self.folder.name} has {self.checkpoint.waited} validations behind it in "
                f"which {stopping.monitor} has not improved, and training.early_stopping.patience is "
                f"{stopping.patience}: no epoch is left; set it higher"
            )
        alike = all(document[section] == self.experiment.get(section) for section in ("model", "data", "plugins"))
        if alike:
            return
        path = self.folder / kept.FOLDER / self.checkpoint.name
        try:
            ask({"ask": "fits", "experiment": document, "checkpoint": str(path)})
        except Exception as error:  # noqa: BLE001  # whatever the network or the file raise
            raise LaunchError(f"{self.checkpoint.short} of {self.folder.name} does not fit: {error}") from None

    def _counts_on(self, document: Mapping[str, Any]) -> bool:
        """Whether the best value so far is that of a fork with this experiment too."""
        same = document["objective"] == self.experiment.get("objective")
        monitors = (one.get("training", {}).get("early_stopping", {}) for one in (document, self.experiment))
        first, second = (one.get("monitor") for one in monitors)
        return same and first == second and kept.same_examples(document, self.experiment)

    def copy_into(self, folder: Path, made: Experiment) -> None:
        """Puts the checkpoint into a run's folder, and the splits where the data are the same. Raises LaunchError and
        OSError."""
        target = folder / kept.FOLDER / kept.ORIGIN
        target.touch(mode=0o600)
        with (self.folder / kept.FOLDER / self.checkpoint.name).open("rb") as source, target.open("wb") as copy:
            if os.fstat(source.fileno()).st_mtime != self.checkpoint.time:
                raise LaunchError(
                    f"{self.folder.name} has written another {self.checkpoint.short} meanwhile; ask again"
                )
            shutil.copyfileobj(source, copy, 1 << 20)
        if fault := signatures.fault(target):
            raise LaunchError(f"{self.checkpoint.name} of {self.folder.name} is damaged: {fault}")
        splits = self.folder / SPLITS
        if kept.same_examples(made.document(), self.experiment) and splits.exists():
            (folder / SPLITS).touch(mode=0o600)
            shutil.copyfile(splits, folder / SPLITS)


def origin(folder: Path, name: str = "last") -> Origin:
    """What a fork of a run begins with: "last", "best", "step-500", 500. Raises LaunchError."""
    try:
        with RunReader(folder) as reader:
            facts, summary, probes = reader.facts(), reader.summary(), reader.probes()
            found = kept.choose(kept.kept(folder, reader), name)
    except (kept.UnknownCheckpoint, UnreadableRun) as error:
        raise LaunchError(f"{folder.name}: {error}") from None
    if summary.damage:
        raise LaunchError(summary.damage)
    experiment: dict[str, Any] = facts["experiment"]
    for path, value in (found.values or facts.get("settings") or {}).items():
        assign(experiment, path, value)
    return Origin(folder, summary.name, found, experiment, tuple(probe.index for probe in probes))
