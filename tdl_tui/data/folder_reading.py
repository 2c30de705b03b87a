"""A folder of pictures, each class in a folder of its own: which files there are. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tdl_tui.registry import DataShape, Options, Undescribable, shown

from .own_files import Remembered, text, whole

SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"])
PARTS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
ORDER = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class FolderReading:
    """`files` are the pictures' paths with the number of their class, by part, in the order of the examples. A folder
    that is not divided is all "train"."""

    files: dict[str, tuple[tuple[str, int], ...]]
    shape: DataShape


def _read(options: Options) -> FolderReading:
    root = _root(options)
    folders = _folders(root)
    parts = {PARTS[folder.name.lower()]: folder for folder in folders if folder.name.lower() in PARTS}
    divided = "train" in parts and len(parts) == len(folders)
    if not divided:
        parts = {"train": root}
    classes = tuple(folder.name for folder in _folders(parts["train"]))
    if len(classes) < 2:
        held = f"{len(classes)} folder{'' if len(classes) == 1 else 's'}"
        raise _fault(f"{parts['train']} holds {held}; it must hold one for each class, two at least")
    files: dict[str, tuple[tuple[str, int], ...]] = {}
    for part in ORDER:
        if part in parts:
            files[part] = tuple(_pictures(parts[part], classes))
    for number, name in enumerate(classes):
        if not any(label == number for _, label in files["train"]):
            raise _fault(f"{parts['train'] / name} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    size, channels = whole(options, "image_size"), 3 if options["colour"] else 1
    shape = DataShape("classification", "image", (channels, size, size), len(classes), classes)
    return FolderReading(files, divided_as(shape, {part: len(listed) for part, listed in files.items()}))


def divided_as(shape: DataShape, sizes: dict[str, int]) -> DataShape:
    """The shape, with parts of these sizes."""
    fixed_train = sizes["train"] if "validation" in sizes else 0
    return replace(shape, examples=sum(sizes.values()), fixed_train=fixed_train, fixed_test=sizes.get("test", 0))


def _root(options: Options) -> Path:
    name = text(options, "folder")
    if not name:
        raise _fault("must name a folder of pictures, each class in a folder of its own")
    root = Path(name).expanduser()
    if not root.is_dir():
        raise _fault(f"must name a folder, there is {'a file' if root.exists() else 'none'} at {root}")
    return root


def _pictures(folder: Path, classes: tuple[str, ...]) -> Iterable[tuple[str, int]]:
    for inside in _folders(folder):
        if inside.name not in classes:
            raise _fault(f"{inside} is a class that the training part does not have: {shown(list(classes))}")
        number = classes.index(inside.name)
        for place, subfolders, names in os.walk(inside):
            subfolders.sort()
            for name in sorted(names):
                if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):  # noqa: PTH122  # of many
                    yield os.path.join(place, name), number  # noqa: PTH118  # files, for which a Path each is slow


def _folders(folder: Path) -> list[Path]:
    try:
        found = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise _fault(f"{folder} cannot be read: {error.strerror}") from None
    return sorted(found)


def _fault(words: str) -> Undescribable:
    return Undescribable("folder", words)


def _watched(options: Options) -> Iterable[Path]:
    """The folder and those in it, two deep: their times tell when files come or go."""
    if not text(options, "folder"):
        return []
    root = Path(text(options, "folder")).expanduser()
    if not root.is_dir():
        return [root]
    first = _folders(root)
    return [root, *first, *(inside for folder in first for inside in _folders(folder))]


read_folder = Remembered(_read, _watched)
"""The pictures that the options name. Raises Undescribable."""


def describe_folder(options: Options) -> DataShape:
    """Raises Undescribable."""
    return read_folder(options).shape
