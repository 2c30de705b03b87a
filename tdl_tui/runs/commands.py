"""What people ask of a running worker: small files, renamed into place, answered by events."""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import host
from .reader import RunReader
from .records import Event
from .text import printable

FOLDER = "commands"
COMMANDS = (
    *("pause", "resume", "stop", "stop_at_epoch_end", "cancel_stop", "checkpoint", "evaluate", "probe"),
    *("set", "undo", "rollback", "profile"),
)
LARGEST = 65536  # bytes of a command file
LONGEST_NAME = 100
POLL_SECONDS = 0.02
_NAME = re.compile(r"\d{20}-[0-9a-f]{8}\.json")


class CommandError(Exception):
    """A command that cannot be given; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Command:
    """A verb with its arguments; for `set` they are TOML paths and values, {"optimizer.lr": 0.001}, for `probe`
    numbers, {"examples": [12]}. `who` sent it, "user@host"; "" where that is not known."""

    id: str
    verb: str
    time: float
    arguments: dict[str, Any]
    path: Path
    who: str = ""


def send(folder: Path, verb: str, /, **arguments: Any) -> str:
    """Lays a command of this user's into the run's folder, and returns its id. Raises CommandError."""
    if verb not in COMMANDS:
        raise CommandError(f'no command "{verb}"; there are: {", ".join(COMMANDS)}')
    moment = time.time_ns()
    command_id = f"{moment:020d}-{secrets.token_hex(4)}"
    content = json.dumps({"verb": verb, "time": moment / 1e9, "arguments": arguments, "who": host.user()})
    place = folder / FOLDER
    draft = place / f".{command_id}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        draft.rename(place / f"{command_id}.json")
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CommandError(f"{place} cannot be written: {error.strerror}") from None
    return command_id


def pending(folder: Path) -> list[Command]:
    """The commands that wait, oldest first. What is no command is left alone."""
    try:
        paths = sorted(path for path in (folder / FOLDER).iterdir() if _NAME.fullmatch(path.name))
    except OSError:
        return []
    return [command for command in map(_read, paths) if command is not None]


def take(command: Command) -> None:
    """Takes a command away: it is about to be carried out, and then acknowledged by an event."""
    command.path.unlink(missing_ok=True)


def wait_acknowledged(folder: Path, command_id: str, timeout: float) -> Event:
    """The event that answers a command: its `data["command"]` is the id. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    with RunReader(folder) as reader:
        seen, token = 0, object()
        while True:
            if (now := reader.changed()) != token:
                token = now
                while events := reader.events(seen):
                    for event in events:
                        if event.data.get("command") == command_id:
                            return event
                    seen = events[-1].id
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{folder.name} did not answer within {timeout:g} s")
            time.sleep(POLL_SECONDS)


def _plainly(path: str, flags: int) -> int:
    """Opens without following a link, or waiting for whoever writes into a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _read(path: Path) -> Command | None:
    """The command in a file; None where there is none."""
    try:
        with open(path, "rb", opener=_plainly) as file:
            document = json.loads(file.read(LARGEST))
        verb, moment, arguments = document["verb"], float(document["time"]), document["arguments"]
        who = printable(str(document.get("who", "")))[:LONGEST_NAME]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if verb not in COMMANDS or not isinstance(arguments, dict):
        return None
    return Command(path.stem, verb, moment, arguments, path, who)
