"""The picture sets that are downloaded on first use, or read from a folder that holds them."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tdl_tui.registry import DATASETS, Options
from tdl_tui.torchvision_import import datasets

from .augmentation import Augmentation
from .dataset import DataError, Dataset, Report, ignore
from .download import checksum, download
from .files import FILES, Files

BYTES_ELEMENT = 0x08  # the idx format's code for unsigned bytes


def mnist(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _from_idx("mnist", options, folder, report)


def fashion_mnist(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _from_idx("fashion_mnist", options, folder, report)


def cifar10(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _from_pickles("cifar10", options, folder, report)


def cifar100(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _from_pickles("cifar100", options, folder, report)


def _from_idx(name: str, options: Options, folder: Path, report: Report) -> Dataset:
    """Pictures for training, then those for the test. A folder of one's own may hold fewer than were published, as long
    as its files fit together."""
    paths = _find(FILES[name], options, folder, report)
    train_images, train_labels, test_images, test_labels = paths.values()
    shape = DATASETS[name].describe(options)
    parts = [
        _pictures_and_labels(images, labels, shape.input, shape.outputs)
        for images, labels in ((train_images, train_labels), (test_images, test_labels))
    ]
    inputs, targets = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    fixed_test = len(parts[1][0])
    shape = replace(shape, examples=len(inputs), fixed_test=fixed_test)
    return Dataset(inputs, targets, shape, fixed_test)


def _pictures_and_labels(images: Path, labels: Path, shape: tuple[int, ...], classes: int) -> tuple[Tensor, Tensor]:
    pictures, targets = read_idx(images), read_idx(labels)
    if pictures.shape[1:] != shape[1:]:
        raise DataError(f"{images} holds pictures of {_by(pictures.shape[1:])}, not of {_by(shape[1:])}")
    if targets.shape != pictures.shape[:1]:
        raise DataError(f"{labels} holds {_by(targets.shape)} labels for the {len(pictures)} pictures in {images}")
    if not len(targets):
        raise DataError(f"{images} holds no pictures")
    if int(targets.max()) >= classes:
        raise DataError(f"{labels} holds label {int(targets.max())}; they go from 0 to {classes - 1}")
    return pictures.unsqueeze(1), targets.to(torch.int64)


def read_idx(path: Path) -> Tensor:
    """A uint8 tensor from a file in the idx format, packed with gzip or not. Raises DataError where it is damaged.

    The format: two zero bytes, the code of the element's type, the number of dimensions, each dimension as a
    big-endian 32-bit number, then the elements, the last dimension fastest.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if len(content) < 4 or content[:3] != bytes([0, 0, BYTES_ELEMENT]):
        raise DataError(f"{path} is not an idx file of bytes")
    start = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist()) if len(content) >= start else ()
    if len(content) < start or len(content) - start != math.prod(shape):
        raise DataError(f"{path} is damaged: its length is not what its first bytes say")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).copy()).view(shape)


def _from_pickles(name: str, options: Options, folder: Path, report: Report) -> Dataset:
    """Read by torchvision. The published files are pickles, which can run code: another than those is not opened."""
    files = FILES[name]
    paths = _find(files, options, folder, report)
    known = getattr(datasets(), files.torchvision)
    published = {**dict(known.train_list + known.test_list), known.meta["filename"]: known.meta["md5"]}
    for file, md5 in published.items():
        if checksum(paths[file]) != md5:
            raise DataError(f"{paths[file]} is not the file that was published; {files.wanted(options, folder)}")
    held = paths["batches.meta" if name == "cifar10" else "meta"].parent
    parts = [_opened(known, held, train=train) for train in (True, False)]
    pictures = np.concatenate([part.data for part in parts]).transpose(0, 3, 1, 2)
    targets = torch.tensor([target for part in parts for target in part.targets], dtype=torch.int64)
    shape = DATASETS[name].describe(options)
    return Dataset(
        torch.from_numpy(np.ascontiguousarray(pictures)),
        targets,
        shape,
        fixed_test=len(parts[1].targets),
        augmentation=Augmentation.named(str(options.get("augmentation", "none"))),
    )


def _opened(known: Any, held: Path, *, train: bool) -> Any:
    """torchvision's dataset over the files in `held`, whatever that folder is called."""
    here = type(known.__name__, (known,), {"base_folder": held.name})
    return here(root=held.parent, train=train, download=False)


def _find(files: Files, options: Options, folder: Path, report: Report) -> dict[str, Path]:
    """Where each file is, after a download where needed and no folder was named. Raises DataError."""
    if found := files.find(options, folder):
        return found
    if options.get("folder"):
        raise DataError(f"{files.dataset} is not there whole; {files.wanted(options, folder)}")
    download(files, folder / files.dataset, report)
    if found := files.find(options, folder):
        return found
    raise DataError(f"{files.dataset} was downloaded, but is not whole; {files.wanted(options, folder)}")


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "no"
