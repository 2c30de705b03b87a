"""Files and folders that a person names in a dataset's options, and what was read from them. Imports no torch."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from tdl_tui.registry import Options, Undescribable, shown

T = TypeVar("T")

KEPT = 4  # readings in memory: a form asks for the same one at every key
QUICK_BYTES = 1 << 17  # a file of at most so many bytes is read within a blink


def text(options: Options, name: str) -> str:
    value = options[name]
    assert isinstance(value, str)
    return value


def whole(options: Options, name: str) -> int:
    value = options[name]
    assert isinstance(value, int)
    return value


def named_file(options: Options, option: str, what: str) -> Path:
    """The file that `option` names. Raises Undescribable, saying that it must be `what`, as "a CSV file"."""
    name = text(options, option)
    if not name:
        raise Undescribable(option, f"must name {what}")
    path = Path(name).expanduser()
    try:
        if path.is_file():
            return path
        there = "a folder is" if path.is_dir() else "there is no file"
    except OSError as error:  # a name too long, a loop of links
        raise Undescribable(option, f"{shown(name)} cannot be read: {error.strerror}") from None
    raise Undescribable(option, f"must name {what}, {there} at {path}")


def read_bytes(path: Path, option: str) -> bytes:
    """The file's content. Raises Undescribable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Undescribable(option, f"{path} cannot be read: {error.strerror}") from None


def decode(path: Path, option: str, content: bytes) -> str:
    """UTF-8 text with line ends as \\n. Raises Undescribable, naming the first byte that is not UTF-8."""
    try:
        decoded = content.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte {error.start} is 0x{content[error.start]:02x}"
        raise Undescribable(option, f"{path} is not UTF-8 text: {byte}; save it as UTF-8") from None
    return decoded.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


class Remembered(Generic[T]):
    """A reading, repeated only where the options or a file it depends on changed; so is the refusal of one.

    `paths(options)` are those files and folders; one that is not there counts as such.
    """

    def __init__(self, read: Callable[[Options], T], paths: Callable[[Options], Iterable[Path]]) -> None:
        self._read = read
        self._paths = paths
        self._known: dict[object, T | Undescribable] = {}

    def __call__(self, options: Options) -> T:
        key = self._key(options)
        if key not in self._known:
            try:
                found: T | Undescribable = self._read(options)
            except Undescribable as error:
                found = error
            while len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)), None)
            self._known[key] = found
        known = self._known[key]
        if isinstance(known, Undescribable):
            raise Undescribable(known.option, str(known))
        return known

    def takes_time(self, options: Options) -> bool:
        """Whether reading it now would be noticed: it is not known, and a folder, or a file that is not small."""
        return any(map(_is_large, self._paths(options))) and self._key(options) not in self._known

    def _key(self, options: Options) -> object:
        return tuple(sorted(options.items())), tuple(map(_stamp, self._paths(options)))


def _is_large(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) or status.st_size > QUICK_BYTES


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_mtime_ns, status.st_ctime_ns, status.st_size


def named_paths(*names: str) -> Callable[[Options], Iterable[Path]]:
    """What the options of these names name."""

    def paths(options: Options) -> Iterable[Path]:
        return [Path(text(options, name)).expanduser() for name in names if text(options, name)]

    return paths


def wanted(dataset: str, option: str, what: str) -> Callable[[Options], str | None]:
    """A dataset entry's `missing`: what to give, where the option is empty."""

    def missing(options: Options) -> str | None:
        if options.get(option):
            return None
        return f"{dataset} reads {what} of yours: --set data.options.{option}=PATH"

    return missing
