"""The spare worker itself: `python -m tdl_tui.worker.spare_process SOCKET HOME IDLE_SECONDS`. See `spare.py`.

It warms up by training a toy to its end in a folder that is thrown away: whatever a first training imports,
allocates and fills is then there.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tdl_tui.plugins.known import PLUGINS
from tdl_tui.runs.records import State
from tdl_tui.spec import SpecError, experiment

from .process import detach, one_line, print_to, work

TOY: Mapping[str, Any] = {
    "data": {"dataset": "digits", "batch_size": 512},
    "model": {"architecture": "mlp"},
    "training": {"epochs": 1, "device": "cpu"},
}


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    home, idle_seconds = Path(sys.argv[2]), float(sys.argv[3])
    PLUGINS.here = True
    detach()
    try:
        warm_up()
    except Exception as error:  # noqa: BLE001  # whatever it was, launches then start cold
        tell(connection, {"failed": one_line(error)})
        return
    tell(connection, {"ready": os.getpid()})
    launch = serve(connection, home, idle_seconds)
    if launch is not None:
        folder, lock_fd = launch
        print_to(folder / "log.txt")
        work(folder, lock_fd)


def warm_up() -> None:
    """Imports all that a training needs, and trains a toy."""
    import torch

    from . import compiler

    compiler.put_off()
    from tdl_tui.runs.home import create
    from tdl_tui.training.control import CommandQueue
    from tdl_tui.training.session import run_training

    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="tdl-spare-") as folder:
        toy = experiment(TOY)
        run = create(Path(folder), toy.document(), title="warm-up")
        ended = run_training(run.folder, CommandQueue())
        os.close(run.lock_fd)
    torch.set_num_threads(threads)
    if ended is not State.FINISHED:
        raise RuntimeError(f"the warm-up {ended}")


def serve(connection: socket.socket, home: Path, idle_seconds: float) -> tuple[Path, int] | None:
    """Answers until a run comes (its folder and lock), the other side goes, or nobody has asked for so long."""
    for line, descriptors in requests(connection, idle_seconds):
        request = json.loads(line)
        if "launch" in request:
            tell(connection, {"id": request["id"], "answer": {"pid": os.getpid()}})
            connection.close()
            return Path(request["launch"]), descriptors.pop()
        tell(connection, {"id": request["id"], **answer(request, home)})
    return None


def requests(connection: socket.socket, idle_seconds: float) -> Iterator[tuple[bytes, list[int]]]:
    """The lines that come, with the descriptors that came up to then."""
    received, descriptors = b"", list[int]()
    while True:
        if not select.select([connection], [], [], idle_seconds)[0]:
            tell(connection, {"expired": True})
            return
        data, more, _, _ = socket.recv_fds(connection, 65536, 1)
        if not data:
            return
        descriptors += more
        *lines, received = (received + data).split(b"\n")
        for line in lines:
            yield line, descriptors


def answer(request: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """{"answer": …}, or {"error": one line}: whatever is asked, the spare lives on."""
    from . import questions

    try:
        asked, document = request.get("ask"), request.get("experiment")
        question = questions.QUESTIONS.get(str(asked))
        if question is None:
            raise ValueError(f"no question {asked!r}; there are: {', '.join(questions.QUESTIONS)}")
        if not isinstance(document, dict):
            raise ValueError(f"experiment: must be a document, got {document!r}")
        return {"answer": question(experiment(document), home, request)}
    except SpecError as error:
        return {"error": str(error)}
    except Exception as error:  # noqa: BLE001  # data and plugins may raise anything
        return {"error": one_line(error)}


def tell(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Sends a line; where nobody listens any more, the next read finds out."""
    with suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
