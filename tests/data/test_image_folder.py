"""Folders of pictures against PIL and torchvision's ImageFolder; augmentation against torchvision's transforms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tdl_tui.data import image_folder, storage
from tdl_tui.data.augmentation import DRAWS, Augmentation
from tdl_tui.data.batches import Batches, MemoryBatches, epoch_order
from tdl_tui.data.dataset import DataError, Dataset
from tdl_tui.data.normalization import identity
from tdl_tui.data.prepare import Prepared, prepare
from tdl_tui.data.splits import Splits, split
from tdl_tui.data.streaming import StreamBatches
from tdl_tui.registry import DATASETS, DataShape, Undescribable, Value
from tdl_tui.spec import SpecError, experiment
from tdl_tui.torchvision_import import datasets, transforms

FOLDER = DATASETS["image_folder"]
CPU = torch.device("cpu")
EACH = 12


def picture(path: Path, size: tuple[int, int] = (20, 14), mode: str = "RGB", seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    values = np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)
    Image.fromarray(values).save(path)
    return values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of EACH pictures of several sizes and formats."""
    for number in range(2 * EACH):
        name = ("owl", "fox")[number % 2]
        suffix = ("png", "jpg", "bmp", "JPEG")[number % 4]
        picture(tmp_path / "mine" / name / f"{number:02}.{suffix}", (20 + number, 30 - number // 2), seed=number)
    (tmp_path / "mine" / "fox" / "notes.txt").write_text("no picture")
    return tmp_path / "mine"


def options(folder: Path, **more: Value) -> dict[str, Value]:
    return {**FOLDER.defaults(), "folder": str(folder), "image_size": 16, **more}


def load(folder: Path, home: Path, **more: Value) -> Dataset:
    dataset: Dataset = FOLDER.load()(options(folder, **more), home)
    assert dataset.inputs.shape == (dataset.shape.examples, *dataset.shape.input)
    assert dataset.inputs.dtype == torch.uint8
    return dataset


def test_classes_and_their_order_are_those_of_torchvision(folder: Path, tmp_path: Path) -> None:
    theirs = datasets().ImageFolder(folder)
    (folder / ".hidden").mkdir()
    dataset = load(folder, tmp_path / "home")
    assert dataset.shape == FOLDER.describe(options(folder))
    assert list(dataset.shape.classes) == theirs.classes
    assert dataset.targets.tolist() == theirs.targets
    assert dataset.notes == ()
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("colour", [True, False])
def test_the_middle_square_is_brought_to_the_size(colour: bool, folder: Path, tmp_path: Path) -> None:
    dataset = load(folder, tmp_path, colour=colour)
    for (path, _), found in zip(datasets().ImageFolder(folder).samples, dataset.inputs, strict=True):
        with Image.open(path) as opened:
            whole = opened.convert("RGB" if colour else "L")
        side = min(whole.size)
        left, top = round((whole.width - side) / 2), round((whole.height - side) / 2)
        square = whole.crop((left, top, left + side, top + side)).resize((16, 16), Image.Resampling.BILINEAR)
        expected = np.asarray(square).reshape(16, 16, -1).transpose(2, 0, 1)
        assert np.array_equal(found.numpy(), expected)


def test_pictures_of_the_size_stay_what_they_are(tmp_path: Path) -> None:
    values = [picture(tmp_path / name / "a.png", (16, 16), seed=i) for i, name in enumerate(("a", "b"))]
    inputs = load(tmp_path, tmp_path).inputs
    assert np.array_equal(inputs.numpy(), np.stack(values).transpose(0, 3, 1, 2))


def test_folders_of_parts_stay_what_they_are(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 2), ("test", 3)):
        for name in ("fox", "owl"):
            for i in range(count):
                picture(tmp_path / part / name / f"{i}.png", seed=i)
    dataset = load(tmp_path, tmp_path)
    assert dataset.shape == FOLDER.describe(options(tmp_path))
    assert split(dataset, (0.5, 0.3, 0.2), 0).sizes() == {"train": 8, "validation": 4, "test": 6}
    assert dataset.targets.tolist() == [0] * 4 + [1] * 4 + [0] * 2 + [1] * 2 + [0] * 3 + [1] * 3


def test_a_few_broken_files_are_left_out_and_named(tmp_path: Path) -> None:
    for i in range(198):
        picture(tmp_path / ("a", "b")[i % 2] / f"{i:03}.png", (8, 8), seed=i)
    (tmp_path / "a" / "empty.png").touch()
    (tmp_path / "b" / "cut.png").write_bytes((tmp_path / "b" / "001.png").read_bytes()[:60])
    dataset = load(tmp_path, tmp_path, image_size=8)
    assert len(dataset) == dataset.shape.examples == 198
    assert FOLDER.describe(options(tmp_path)).examples == 200
    (note,) = dataset.notes
    assert "2 of 200 pictures cannot be read" in note and "\n" not in note
    assert f"{tmp_path / 'a' / 'empty.png'} (it is empty)" in note
    assert str(tmp_path / "b" / "cut.png") in note
    (tmp_path / "b" / "text.jpg").write_text("not a picture")
    with pytest.raises(DataError, match=r"^3 of the 201 pictures in .* the first is .*empty\.png: it is empty$"):
        load(tmp_path, tmp_path / "home", image_size=8)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "must name a folder, there is none at "),
        (lambda root: root.write_text(""), "must name a folder, there is a file at "),
        (lambda root: root.mkdir(), "holds 0 folders; it must hold one for each class, two at least"),
        (lambda root: picture(root / "a" / "1.png"), "holds 1 folder; it must hold one for each class"),
        (lambda root: (picture(root / "a" / "1.png"), (root / "b").mkdir()), "b holds no pictures (.bmp, "),
        (
            lambda root: [picture(root / p / "1.png") for p in ("train/a", "train/b", "test/a", "test/c")],
            "c is a class that the training part does not have: ",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_in_one_line(
    make: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    make(tmp_path / "mine")
    with pytest.raises(Undescribable) as caught:
        FOLDER.describe(options(tmp_path / "mine"))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=r"^data\.options\.folder: "):
        experiment({"data": {"dataset": "image_folder", "options": {"folder": str(tmp_path / "mine")}}})


def test_what_does_not_fit_into_memory_is_streamed_from_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(folder, tmp_path)
    monkeypatch.setattr(image_folder, "free_bytes", lambda device: 100)
    dataset = load(folder, tmp_path / "home" / "data")
    assert dataset.on_disk
    assert torch.equal(dataset.inputs, expected.inputs)
    assert storage.choose("auto", dataset, CPU) == "stream"
    assert list((tmp_path / "home").rglob("*")) == [tmp_path / "home" / "data"]
    data = {"dataset": "image_folder", "batch_size": 4, "loader_workers": 0, "options": options(folder)}
    prepared = prepared_for({**data}, tmp_path / "home")
    assert prepared.storage == "stream"
    monkeypatch.undo()
    held = prepared_for({**data}, tmp_path / "home")
    assert held.storage == "memory"
    for one, two in zip(prepared.batches.epoch(0), held.batches.epoch(0), strict=True):
        torch.testing.assert_close(one[0], two[0])
        assert torch.equal(one[1], two[1])


def prepared_for(data: dict[str, object], home: Path) -> Prepared:
    return prepare(experiment({"data": data, "model": {"architecture": "linear"}}), home, CPU)


# augmentation


def made(augmentation: Augmentation | None, size: tuple[int, int, int] = (3, 16, 24)) -> Dataset:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randint(0, 256, (60, *size), generator=random).to(torch.uint8)
    shape = DataShape("classification", "image", size, 2, examples=60)
    return Dataset(inputs, torch.arange(60) % 2, shape, augmentation=augmentation)


def test_names_say_what_is_done() -> None:
    assert Augmentation.named("none") is None
    assert Augmentation.named("flip") == Augmentation(flip=True)
    assert Augmentation.named("flip_crop_colour") == Augmentation(True, True, True)
    (choices,) = (option.choices for option in FOLDER.options if option.name == "augmentation")
    assert all(Augmentation.named(choice) for choice in choices if choice != "none")


def test_each_change_is_that_of_torchvision() -> None:
    functional, inputs = transforms(), made(None).inputs
    draws = Augmentation().draws(60, 0, 0)
    flipped = Augmentation(flip=True)(inputs, draws)
    cropped = Augmentation(crop=True)(inputs, draws)
    coloured = Augmentation(colour=True)(inputs, draws)
    padded = functional.pad(inputs, [3, 2])
    seen = set()
    for i, (mirror, down, across, brightness, contrast) in enumerate(draws.tolist()):
        assert torch.equal(flipped[i], functional.horizontal_flip(inputs[i]) if mirror < 0.5 else inputs[i])
        top, left = int(down * 5), int(across * 7)
        seen.add((top, left))
        assert torch.equal(cropped[i], functional.crop(padded[i], top, left, 16, 24))
        changed = functional.adjust_brightness(inputs[i], 1 + 0.3 * (2 * brightness - 1))
        assert torch.equal(coloured[i], functional.adjust_contrast(changed, 1 + 0.3 * (2 * contrast - 1)))
    assert len(seen) > 20


def test_chance_is_a_function_of_seed_epoch_and_example() -> None:
    augmentation = Augmentation(flip=True)
    draws = augmentation.draws(100, 3, 5)
    torch.rand(7)
    assert torch.equal(draws, augmentation.draws(100, 3, 5))
    assert draws.shape == (100, DRAWS)
    assert draws.min() >= 0 and draws.max() < 1
    others = [augmentation.draws(100, seed, epoch) for seed, epoch in ((3, 6), (4, 5), (5, 3))]
    assert not any(torch.equal(draws, other) for other in others)


@pytest.mark.parametrize("channels_last", [False, True])
def test_batches_hold_what_epoch_and_example_decide(channels_last: bool) -> None:
    augmentation = Augmentation(flip=True, crop=True)
    dataset, plain = made(augmentation), made(None)
    splits = split(dataset, (0.7, 0.2, 0.1), 0)
    expected = augmentation(dataset.inputs, augmentation.draws(60, 0, 4)) / 255
    order = splits.train[epoch_order(len(splits.train), 0, 4)]
    for size, batches in (
        (4, held(dataset, splits, 4, channels_last)),
        (7, held(dataset, splits, 7, channels_last)),
        (7, streamed(dataset, splits, 7, 0, channels_last)),
        (7, streamed(dataset, splits, 7, 1, channels_last)),
    ):
        try:
            inputs = [inputs for inputs, _ in batches.epoch(4)]
            torch.testing.assert_close(torch.cat(inputs), expected[order])
            layout = torch.channels_last if channels_last else torch.contiguous_format
            assert all(batch.is_contiguous(memory_format=layout) for batch in inputs)
            entered = [inputs for inputs, _ in batches.epoch(4, 3)]
            assert all(torch.equal(one, two) for one, two in zip(inputs[3:], entered, strict=True))
            validated = torch.cat([inputs for inputs, _ in batches.part("validation", size)])
            torch.testing.assert_close(validated, plain.inputs[splits.validation] / 255)
        finally:
            batches.close()


def held(dataset: Dataset, splits: Splits, batch_size: int, channels_last: bool) -> Batches:
    normalization = identity(dataset)
    return MemoryBatches(
        dataset, splits, normalization, batch_size=batch_size, seed=0, device=CPU, channels_last=channels_last
    )


def streamed(dataset: Dataset, splits: Splits, batch_size: int, workers: int, channels_last: bool) -> Batches:
    return StreamBatches(
        dataset,
        splits,
        identity(dataset),
        batch_size=batch_size,
        seed=0,
        device=CPU,
        workers=workers,
        channels_last=channels_last,
    )
