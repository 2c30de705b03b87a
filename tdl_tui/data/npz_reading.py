"""What arrays an .npz archive holds, from their headers, and its targets' values. Imports neither numpy nor torch.

An archive is a zip of .npy files: the bytes 93 NUMPY, a version, the header's length, the header (a Python literal of
type, order and shape), then the values.
"""

from __future__ import annotations

import ast
import math
import re
import struct
import sys
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdl_tui.registry import DataShape, Kind, Options, Task, Undescribable, shown

from .own_files import Remembered, named_file, named_paths, text

INPUTS = ("x", "X", "inputs", "images", "data")
TARGETS = ("y", "Y", "targets", "labels", "target")
PARTS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
MAGIC = b"\x93NUMPY"
MOST_CLASSES_GUESSED = 1000
MOST_CLASSES = 1_000_000
BLOCK_ITEMS = 1 << 16
LONGEST_HEADER = 10_000  # as numpy has it
PACKED_BYTES, PACKED_SHARE = 10**8, 200  # an array of more bytes is not packed into a smaller share of them
UNREADABLE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, struct.error)
"""What zipfile raises where the bytes are not what it wrote."""
CODES = {
    "b1": "B",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "f4": "f",
    "f8": "d",
}


_TYPE = re.compile(r"[<>|=][a-zA-Z]\d{0,6}")


@dataclass(frozen=True)
class Array:
    """An array's name, numpy's code of its type ("<f4", "|u1", "<U3"), its shape, and whether columns come first."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    fortran: bool

    @property
    def item_bytes(self) -> int:
        """Of one value, which is a number or text."""
        return 4 * int(self.dtype[2:]) if self.dtype[1] == "U" else array(CODES[self.dtype[1:]]).itemsize

    @property
    def whole(self) -> bool:
        return self.dtype[1] in "biu"

    def __str__(self) -> str:
        return f"{self.name} ({'×'.join(map(str, self.shape))})"


@dataclass(frozen=True, eq=False)
class NpzReading:
    """`parts` are the names of inputs and targets, for training (or for all), validation and the test, where there.

    `classes` are the different targets in ascending order; none in regression. `channels` is where a picture's stand:
    -1, 1, or 0 where it has none of its own.
    """

    parts: tuple[tuple[str, str], ...]
    classes: tuple[int | float | str, ...]
    channels: int
    shape: DataShape


class _Archive:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.arrays = {
                    name: self._header(archive, name)
                    for item in archive.namelist()
                    if (name := item.removesuffix(".npy")) != item
                }
                for item in archive.infolist():
                    if item.file_size > PACKED_BYTES and item.file_size > PACKED_SHARE * item.compress_size:
                        size = f"{item.file_size / 1e9:.1f} GB packed into {item.compress_size / 1e6:.1f} MB"
                        raise self.fault(f"{shown(item.filename)} is {size}: no data are so alike; save it unpacked")
        except UNREADABLE as error:
            raise Undescribable("file", f"{path} is not an .npz archive, as numpy.savez makes one ({error})") from None

    def distinct(self, array_: Array) -> set[Any]:
        """The different values. Raises Undescribable where there are too many to be classes."""
        found: set[Any] = set()
        left = math.prod(array_.shape)
        size = array_.item_bytes
        with zipfile.ZipFile(self.path) as archive, archive.open(f"{array_.name}.npy") as file:
            self._parse(file, array_.name)
            while True:
                try:
                    block = file.read(BLOCK_ITEMS * size)
                except UNREADABLE as error:
                    raise self.fault(f"{array_.name} is damaged ({error})") from None
                left -= len(block) // size
                if len(block) % size or left < 0 or (not block and left):
                    raise self.fault(f"{array_.name} is damaged: its length is not what its header says")
                if not block:
                    return found
                found.update(self._items(array_, block))
                if len(found) > MOST_CLASSES:
                    raise self.fault(f"{array_.name} holds more than {MOST_CLASSES:,} different values: no classes")

    def _items(self, array_: Array, block: bytes) -> list[Any]:
        order, kind = array_.dtype[0], array_.dtype[1:]
        if kind[0] == "U":
            width = array_.item_bytes
            coding = "utf-32-be" if order == ">" else "utf-32-le"
            try:
                texts = [block[at : at + width].decode(coding) for at in range(0, len(block), width)]
            except UnicodeDecodeError:
                raise self.fault(f"{array_.name} is damaged: it is not text") from None
            return [text.rstrip("\0") for text in texts]
        values: array[Any] = array(CODES[kind], block)
        if order == (">" if sys.byteorder == "little" else "<"):
            values.byteswap()
        return values.tolist()

    def fault(self, words: str) -> Undescribable:
        return Undescribable("file", f"{self.path}: {words}")

    def _header(self, archive: zipfile.ZipFile, name: str) -> Array:
        with archive.open(f"{name}.npy") as file:
            header = self._parse(file, name)
        try:
            dtype, shape, fortran = header["descr"], tuple(map(int, header["shape"])), bool(header["fortran_order"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise self.fault(f"{name} has a damaged header") from None
        if any(size < 0 for size in shape):
            raise self.fault(f"{name} has a damaged header")
        is_known = isinstance(dtype, str) and _TYPE.fullmatch(dtype)
        return Array(name, dtype if is_known else "|V1", shape, fortran)

    def _parse(self, file: Any, name: str) -> dict[str, Any]:
        start = file.read(8)
        if len(start) < 8 or start[:6] != MAGIC:
            raise self.fault(f"{name} is not in numpy's format")
        length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
        if length > LONGEST_HEADER:
            raise self.fault(f"{name} has a damaged header")
        try:
            header = ast.literal_eval(file.read(length).decode("utf-8"))
        except (
            ValueError,
            SyntaxError,
            RecursionError,
            MemoryError,
            TypeError,
        ):  # a literal nested too deeply is the fourth
            raise self.fault(f"{name} has a damaged header") from None
        return header if isinstance(header, dict) else {}


def _read(options: Options) -> NpzReading:
    archive = _Archive(named_file(options, "file", "an .npz file"))
    parts = list(_parts(archive))
    inputs, targets = parts[0]
    for one, other in parts:
        _check(archive, one, other, inputs, targets)
    kind, shape, channels = _kind(archive, inputs)
    task, classes = _task(archive, options, [target for _, target in parts])
    steps = shape[0] if kind == "sequence" and task == "classification" and targets.shape[1:] == shape[:1] else 0
    across = targets.shape[1:] if len(targets.shape) > 1 and targets.shape[1] > 1 else ()
    if len(targets.shape) > 2 or (task == "classification" and across and not steps):
        raise archive.fault(
            f"{targets} must be (N,){', or (N, outputs) in regression' if task == 'regression' else ''}"
        )
    sizes = {part: one.shape[0] for part, (one, _) in zip(_names(archive), parts, strict=True)}
    names = tuple(map(str, classes))
    described = DataShape(
        task,
        kind,
        shape,
        len(classes) or math.prod(across),
        names,
        tuple(f"column {i + 1}" for i in range(shape[-1])) if kind != "image" else (),
        examples=sum(sizes.values()),
        fixed_test=sizes.get("test", 0),
        fixed_train=sizes["train"] if "validation" in sizes else 0,
        steps=steps,
    )
    return NpzReading(tuple((one.name, other.name) for one, other in parts), classes, channels, described)


def _found(archive: _Archive) -> Iterator[tuple[str, Array, Array]]:
    """The parts that are there, by name: the first stems of names that fit decide."""
    for stem in INPUTS:
        for target in TARGETS:
            found = []
            for part, spellings in PARTS.items():
                pairs = [(stem, target)] if part == "train" else []
                for word in spellings:
                    pairs += [(f"{stem}_{word}", f"{target}_{word}"), (f"{word}_{stem}", f"{word}_{target}")]
                there = [pair for pair in pairs if pair[0] in archive.arrays and pair[1] in archive.arrays]
                found += [(part, archive.arrays[one], archive.arrays[other]) for one, other in there[:1]]
            if found and found[0][0] == "train":
                yield from found
                return


def _parts(archive: _Archive) -> Iterator[tuple[Array, Array]]:
    found = [(one, other) for _, one, other in _found(archive)]
    if not found:
        there = ", ".join(archive.arrays) or "none"
        raise archive.fault(
            f"must hold the arrays x and y (or inputs and targets, images and labels); it holds {there}"
        )
    yield from found


def _names(archive: _Archive) -> list[str]:
    return [part for part, _, _ in _found(archive)]


def _check(archive: _Archive, inputs: Array, targets: Array, first: Array, first_targets: Array) -> None:
    if not inputs.shape or not targets.shape or inputs.shape[0] != targets.shape[0]:
        raise archive.fault(f"{inputs} and {targets} must have as many examples as each other")
    if 0 in inputs.shape:
        raise archive.fault(f"{inputs} holds nothing")
    for one, like in ((inputs, first), (targets, first_targets)):
        if one.shape[1:] != like.shape[1:] or one.dtype[1] != like.dtype[1]:
            raise archive.fault(f"{one} must have examples like those of {like}")
    if inputs.dtype[1:] not in (*CODES, "f2"):
        raise archive.fault(f"{inputs.name} must hold numbers, its type is {inputs.dtype}")
    if targets.dtype[1:] not in CODES and (targets.dtype[1] != "U" or targets.dtype[2:] == "0"):
        raise archive.fault(f"{targets.name} must hold numbers or text, its type is {targets.dtype}")


def _kind(archive: _Archive, inputs: Array) -> tuple[Kind, tuple[int, ...], int]:
    """Kind, one example's shape, and where channels stand."""
    one, pictures = inputs.shape[1:], inputs.dtype[1:] == "u1"
    if len(one) == 1:
        return "table", one, 0
    if len(one) == 2:
        return ("image", (1, *one), 0) if pictures else ("sequence", one, 0)
    if len(one) != 3:
        raise archive.fault(f"{inputs} must be N×features, N×steps×features, N×H×W, N×C×H×W or N×H×W×C")
    if not pictures:
        raise archive.fault(
            f"{inputs.name} holds pictures, which must be uint8 from 0 to 255; their type is {inputs.dtype}"
        )
    if one[2] in (1, 3) and one[0] not in (1, 3):
        return "image", (one[2], one[0], one[1]), -1
    if one[0] in (1, 3):
        return "image", one, 1
    raise archive.fault(f"{inputs} holds pictures that must have 1 or 3 channels, first or last")


def _task(archive: _Archive, options: Options, targets: list[Array]) -> tuple[Task, tuple[int | float | str, ...]]:
    """Task and classes."""
    said, texts = text(options, "task"), targets[0].dtype[1] == "U"
    if said == "regression" and texts:
        raise Undescribable("task", f"must be classification: {targets[0].name} in {archive.path} holds text")
    if said == "regression" or (said == "auto" and not texts and not targets[0].whole):
        return "regression", ()
    classes = sorted(set().union(*map(archive.distinct, targets)))
    if not texts and not all(math.isfinite(value) and float(value).is_integer() for value in classes):
        raise Undescribable(
            "task", f"must be regression: {targets[0].name} in {archive.path} holds other than whole numbers"
        )
    if not texts:
        classes = [int(value) for value in classes]
    if len(classes) < 2:
        raise archive.fault(f"{targets[0].name} holds one class only, {classes[0]}; two at least are needed")
    if len(classes) > MOST_CLASSES_GUESSED and said == "auto":
        many = f"{targets[0].name} in {archive.path} holds {len(classes)} different numbers"
        raise Undescribable("task", f"must be said: {many}; classification or regression?")
    return "classification", tuple(classes)


read_npz = Remembered(_read, named_paths("file"))
"""How to take the archive that the options name. Raises Undescribable."""


def describe_npz(options: Options) -> DataShape:
    """Raises Undescribable."""
    return read_npz(options).shape
