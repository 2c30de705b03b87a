"""Writing a training's checkpoints without keeping the training."""

from __future__ import annotations

import copy
import ctypes
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import checkpoints
from .checkpoints import Abandoned, CheckpointError
from .recorder import Recorder

Content = dict[str, Any]


class CheckpointWriter:
    """Keeps a training's checkpoints in a folder: last.pt, the one before, and the best weights.

    `write` returns when the checkpoint is durable. Aside, a thread does that: it makes room in the host's memory for a
    copy of the content, `ready` says when, and `write_later` only copies there. (Memory that a process has not had
    before takes longer to get than to fill.) The copy is gone when it is written.

    All points recorded before a checkpoint was asked for are durable before it takes its place; then comes its event.
    """

    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self.folder = folder
        self._recorder = recorder
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._under_way: Future[None] | None = None
        self._abandoned = threading.Event()
        self._room: _Room | None = None
        self._best: Any = _UNKNOWN

    def check(self) -> None:
        """Raises CheckpointError where a checkpoint that was to be written aside could not be."""
        job = self._under_way
        if job is None or not job.done():
            return
        self._under_way = None
        try:
            job.result()
        except CheckpointError:
            raise
        except Exception as error:
            line = str(error).partition("\n")[0] or type(error).__name__
            raise CheckpointError(f"no checkpoint can be written: {line}") from error

    @property
    def idle(self) -> bool:
        """Whether nothing is under way aside. Raises as `check` does."""
        self.check()
        return self._under_way is None

    def ready(self, content: Callable[[], Content]) -> bool:
        """Whether `write_later` would only copy. Where there is no room for what `content` returns, lets it be made
        once the checkpoint before is written. Raises as `check` does.
        """
        if not self.idle:
            return False
        if self._room is None:
            self._room = _Room()
            self._under_way = self._thread.submit(self._room.make, content(), self._abandoned.is_set)
            return False
        return True

    def write_later(self, content: Content) -> None:
        """Copies `content` and returns; the copy is being written. Only when `ready`."""
        assert self._under_way is None
        room, self._room = self._room or _Room(), None
        self._under_way = self._thread.submit(self._store_copy, [_copied(content, room)])

    def write(self, content: Content, name: str | None = None) -> None:
        """Writes a checkpoint, and another that is kept as `name`. One that is still being written aside is older,
        and given up. Raises CheckpointError.
        """
        self._give_up()
        self._store(content, name)

    def write_twice(self, content: Content) -> None:
        """As `write`, and in the place of the one before too: training does not go on from anything else any more."""
        self.write(content)
        checkpoints.save(self.folder / checkpoints.PREVIOUS, content)

    def close(self) -> None:
        """Ends the thread; what it writes is written first."""
        self._thread.shutdown()

    def _give_up(self) -> None:
        if self._under_way is not None:
            self._abandoned.set()
            wait([self._under_way])
            self._abandoned.clear()
        self._under_way = self._room = None

    def _store_copy(self, held: list[Content]) -> None:
        with suppress(Abandoned):
            self._store(held.pop())  # nobody else holds it: it is gone when it is written

    def _store(self, content: Content, name: str | None = None) -> None:
        self._recorder.flush()
        folder, best, abandoned = self.folder, content["best"], self._abandoned.is_set
        step = content["position"]["step"]
        if best != self._best:
            if best is None:
                (folder / checkpoints.BEST).unlink(missing_ok=True)
            else:
                held = {"model": content["best_weights"], "best": best}
                held |= {"best_epoch": content["best_epoch"], "rollbacks": content["rollbacks"]}
                checkpoints.save(folder / checkpoints.BEST, held, abandoned=abandoned)
            self._best = best
        last, previous = folder / checkpoints.LAST, folder / checkpoints.PREVIOUS
        checkpoints.save(last, content, previous=previous, abandoned=abandoned)
        if name is not None:
            checkpoints.save(folder / name, content)
        self._recorder.event("checkpoint", f"checkpoint at step {step:,}", step, _said(content, name))


def _said(content: Content, name: str | None) -> dict[str, Any]:
    """What `runs.kept` tells of a checkpoint without opening it."""
    return {
        "name": name or checkpoints.LAST,
        "epochs": content["position"]["epoch"],
        "best": content["best"] and content["best"]["step"],
        "best_epoch": content["best_epoch"],
        "waited": content.get("waited", 0),
        "settings": content["settings"],
    }


_UNKNOWN = object()


class _Room:
    """Host memory for a copy of a content's tensors."""

    def __init__(self) -> None:
        self._blanks: defaultdict[object, list[Tensor]] = defaultdict(list)

    def make(self, content: Content, abandoned: Callable[[], bool]) -> None:
        for tensor in _tensors(content):
            if abandoned():
                return
            blank = _blank(tensor)
            # gets its pages; without torch, whose threads belong to the training, and other threads run meanwhile
            ctypes.memset(blank.data_ptr(), 0, blank.nbytes)
            self._blanks[_layout(tensor)].append(blank)

    def take(self, tensor: Tensor) -> Tensor:
        """Memory for a copy of the tensor; where no room was made for it, it is got now."""
        blanks = self._blanks[_layout(tensor)]
        return blanks.pop() if blanks else _blank(tensor)


def _layout(tensor: Tensor) -> object:
    return tensor.dtype, tensor.shape, tensor.stride()


def _blank(tensor: Tensor) -> Tensor:
    """As `tensor` in all but its values, on the host: an optimizer's kernels ask for their weights' strides."""
    return torch.empty_like(tensor, device="cpu", memory_format=torch.preserve_format)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _copied(value: Any, room: _Room) -> Any:
    """The same with all that training changes copied: tensors, and what holds them."""
    if isinstance(value, Tensor):
        return room.take(value).copy_(value.detach())
    if isinstance(value, dict):
        made = copy.copy(value)  # with what torch hangs onto a model's state
        for key, item in value.items():
            made[key] = _copied(item, room)
        return made
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item, room) for item in value)
    return value
