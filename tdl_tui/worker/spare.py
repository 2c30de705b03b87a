"""The interface's side of the spare worker: a warmed process that waits while a person chooses. Imports no torch.

The two speak JSON lines over a socket pair. The spare sends {"ready": pid} when it is warm; it answers
{"id": n, "ask": …} with {"id": n, "answer": …} or {"id": n, "error": one line}. {"id": n, "launch": folder} with a
run's lock as ancillary data turns it into that run's worker. It ends when the socket closes.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from .answers import LrRangeAnswer, SamplesAnswer, SummaryAnswer
from .environment import start

ANSWER_SECONDS = 60.0
TAKEOVER_SECONDS = 1.0
REPLACE_SECONDS = 3.0
IDLE_MINUTES = 15.0


class SpareError(Exception):
    """Why the spare did not answer, or what is wrong with what it was asked, in one line."""


class Spare:
    """A spare worker, kept at hand: one that dies is replaced, one that becomes a worker is followed by another.

    `start` and `ready` return at once; `ask` and its kin block, for threads. After idle minutes the spare goes away
    by itself, and comes back with the next request.
    """

    def __init__(self, home: Path, *, idle_minutes: float = IDLE_MINUTES) -> None:
        self.home = home
        self._idle_seconds = idle_minutes * 60
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._replacement: threading.Timer | None = None
        self._closed = False

    def start(self) -> None:
        """Starts a spare unless there is one. Does nothing after `close`. Raises OSError when none can be started."""
        with self._lock:
            self._running()

    @property
    def ready(self) -> bool:
        """Whether a launch would begin at once."""
        process = self._process
        return process is not None and process.ready.done() and process.alive

    @property
    def pid(self) -> int | None:
        """The spare's process, if there is one."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    def wait_ready(self, timeout: float = ANSWER_SECONDS) -> None:
        """Returns once a launch would begin at once. Raises SpareError when that takes longer, or cannot be."""
        try:
            self._current().ready.result(timeout)
        except TimeoutError:
            raise SpareError(f"no spare worker was ready within {timeout:g} s") from None

    def ask(self, request: Mapping[str, Any], timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
        """The answer to {"ask": "summary" | "samples" | "lr_range", "experiment": document, …}.

        Starts a spare if need be. Raises SpareError with the one line that says what is wrong with
        the experiment, or why there is no answer.
        """
        process = self._current()
        try:
            try:
                answer = process.send(request).result(timeout)
            except SpareError:
                if not process.expired:
                    raise
                answer = self._current().send(request).result(timeout)  # it went away just then
        except TimeoutError:
            raise SpareError(f"the spare worker did not answer within {timeout:g} s") from None
        if "error" in answer:
            raise SpareError(str(answer["error"]))
        result: dict[str, Any] = answer["answer"]
        return result

    def summary(self, experiment: Mapping[str, Any], timeout: float = ANSWER_SECONDS) -> SummaryAnswer:
        """Layers, sizes and steps an epoch of an experiment's document. Raises as `ask` does."""
        return SummaryAnswer.from_json(self.ask({"ask": "summary", "experiment": dict(experiment)}, timeout))

    def samples(self, experiment: Mapping[str, Any], count: int = 16, timeout: float = ANSWER_SECONDS) -> SamplesAnswer:
        """A few examples of an experiment's data, which must be on this machine. Raises as `ask` does."""
        request = {"ask": "samples", "experiment": dict(experiment), "count": count}
        return SamplesAnswer.from_json(self.ask(request, timeout))

    def lr_range(self, experiment: Mapping[str, Any], timeout: float = ANSWER_SECONDS) -> LrRangeAnswer:
        """A learning-rate range test of an experiment, whose data must be on this machine. Raises as `ask` does."""
        return LrRangeAnswer.from_json(self.ask({"ask": "lr_range", "experiment": dict(experiment)}, timeout))

    def become(self, folder: Path, lock_fd: int) -> int | None:
        """Turns a ready spare into the run's worker and returns its pid; None when that is not to be had at once.

        The caller keeps its own descriptor of the lock. After None no spare has hold of the run.
        """
        with self._lock:
            process = self._process
            if process is None or not self.ready:
                return None
            self._process = None  # whatever comes of it, it serves no more
        try:
            pid = process.become(folder, lock_fd)
        except (OSError, SpareError, TimeoutError):
            process.kill()
            pid = None
        self._replace_soon()
        return pid

    def close(self) -> None:
        """Ends the spare. A worker that it became goes on."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            if self._replacement is not None:
                self._replacement.cancel()
        if process is not None:
            process.close()

    def _current(self) -> _Process:
        with self._lock:
            process = self._running()
        if process is None:
            raise SpareError("the spare worker was closed")
        return process

    def _running(self) -> _Process | None:
        if not self._closed and (self._process is None or not self._process.alive):
            self._process = _Process(self.home, self._idle_seconds, self._died)
        return self._process

    def _died(self, process: _Process) -> None:
        """A spare that was ready and died unasked is replaced; one that could not get ready would die again."""
        with self._lock:
            replace = process is self._process and process.ready.done() and not process.expired
        if replace and process.ready.exception() is None:
            self._replace_soon()

    def _replace_soon(self) -> None:
        """Starts another in a moment: a worker that just began needs the processor more."""
        with self._lock:
            if self._closed:
                return
            self._replacement = threading.Timer(REPLACE_SECONDS, self._start_quietly)
            self._replacement.daemon = True
            self._replacement.start()

    def _start_quietly(self) -> None:
        with suppress(OSError):  # no process to be had now; the next request tries again, and says so
            self.start()


class _Process:
    """One spare process and the thread that listens to it."""

    def __init__(self, home: Path, idle_seconds: float, died: Any) -> None:
        self.ready: Future[int] = Future()
        self.alive = True
        self.expired = False
        self._died = died
        self._asked: dict[int, Future[dict[str, Any]]] = {}
        self._guard = threading.Lock()
        self._connection, theirs = socket.socketpair()
        try:
            self._process: subprocess.Popen[bytes] = start(
                "tdl_tui.worker.spare_process",
                [str(theirs.fileno()), str(home), str(idle_seconds)],
                [theirs.fileno()],
            )
        except OSError:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        threading.Thread(target=self._listen, name=f"spare {self.pid}", daemon=True).start()

    def send(self, request: Mapping[str, Any], descriptor: int | None = None) -> Future[dict[str, Any]]:
        """The answer to come; it raises SpareError if the process ends first."""
        answer: Future[dict[str, Any]] = Future()
        with self._guard:
            number = len(self._asked) + 1
            self._asked[number] = answer
            line = json.dumps({**request, "id": number}).encode() + b"\n"
            try:
                if descriptor is not None:
                    sent = socket.send_fds(self._connection, [line], [descriptor])
                    line = line[sent:]
                if line:  # sending nothing fails too, once the other side has answered and closed
                    self._connection.sendall(line)
            except OSError:
                self._fail(answer)
        if not self.alive:
            self._fail(answer)
        return answer

    def become(self, folder: Path, lock_fd: int) -> int:
        request = {"launch": str(folder)}
        return int(self.send(request, lock_fd).result(TAKEOVER_SECONDS)["answer"]["pid"])

    def kill(self) -> None:
        """Ends the process for certain; returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        with suppress(OSError):  # closed on the other side already
            self._connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        # an error: it died in the middle of a word
        with suppress(OSError, ValueError), self._connection.makefile("rb") as lines:
            for line in lines:
                self._hear(json.loads(line))
        self.alive = False
        if not self.ready.done():
            self.ready.set_exception(SpareError("the spare worker ended before it was ready"))
        with self._guard:
            for answer in self._asked.values():
                self._fail(answer)
        self._died(self)
        self._connection.close()
        self._process.wait()  # leaves no zombie, neither as spare nor as the worker it became

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self.ready.set_result(message["ready"])
        elif "failed" in message:
            self.ready.set_exception(SpareError(f"no spare worker: {message['failed']}"))
        elif message.get("expired"):
            self.expired = True
        else:
            with self._guard:
                answer = self._asked.get(message["id"])
            if answer is not None and not answer.done():
                answer.set_result(message)

    @staticmethod
    def _fail(answer: Future[dict[str, Any]]) -> None:
        if not answer.done():
            answer.set_exception(SpareError("the spare worker ended without an answer"))
