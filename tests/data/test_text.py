"""Text as tokens: nothing lost, every window's targets a token later, and what cannot be read said in one line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.text_reading import UNKNOWN, divide, encode
from tdl_tui.registry import DATASETS, Undescribable, Value
from tdl_tui.spec import SpecError, experiment

TEXT = DATASETS["text"]
SENTENCE = "The quick brown fox, it is said, jumps over the lazy dog; then it sleeps. Ünïcödé!\n"


def chosen(path: Path | str, **options: Value) -> dict[str, Value]:
    return {**TEXT.defaults(), "file": str(path), **options}


def loaded(options: dict[str, Value]) -> Dataset:
    dataset: Dataset = TEXT.load()(options, Path("nowhere"))
    return dataset


@given(st.text(), st.sampled_from(["characters", "words"]))
def test_the_pieces_joined_are_the_text(content: str, unit: str) -> None:
    assert "".join(divide(content, unit)) == content


def test_words_take_the_blank_before_them_along() -> None:
    assert divide('He said: "no  way",\nshe left.', "words") == [
        "He",
        " said",
        ":",
        ' "',
        "no",
        " ",
        " way",
        '",',
        "\n",
        "she",
        " left",
        ".",
    ]


@settings(max_examples=60)
@given(st.text(alphabet="abcdefgh ", min_size=1), st.integers(2, 10))
def test_the_rarest_become_one(content: str, limit: int) -> None:
    reading = encode(list(content), limit)
    counts = Counter(content)
    assert len(reading.vocabulary) == min(limit, len(counts))
    left_out = [piece for piece in counts if piece not in reading.vocabulary]
    assert (UNKNOWN in reading.vocabulary) == bool(left_out)
    kept = [counts[piece] for piece in reading.vocabulary if piece != UNKNOWN]
    assert not left_out or max(counts[piece] for piece in left_out) <= min(kept)
    said = "".join(reading.vocabulary[token] for token in reading.tokens)
    assert said == "".join(UNKNOWN if piece in left_out else piece for piece in content)


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_windows_follow_one_another_and_targets_are_a_token_later(unit: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(SENTENCE * 20, encoding="utf-8")
    options = chosen(path, unit=unit, length=16)
    dataset, pieces = loaded(options), divide(SENTENCE * 20, unit)
    assert dataset.shape == TEXT.describe(options)
    assert dataset.inputs.shape == dataset.targets.shape == ((len(pieces) - 1) // 16, 16)
    assert dataset.inputs.dtype == dataset.targets.dtype == torch.int64
    names = dataset.shape.classes
    assert names == tuple(sorted(set(pieces)))
    end = dataset.inputs.numel()
    assert [names[token] for token in dataset.inputs.flatten()] == pieces[:end]
    assert [names[token] for token in dataset.targets.flatten()] == pieces[1 : end + 1]


def test_line_ends_and_a_byte_order_mark_are_no_tokens(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"ab\r\ncd\rx\n" * 20)
    assert loaded(chosen(path, length=4)).shape.classes == ("\n", "a", "b", "c", "d", "x")


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 100)
    assert TEXT.describe(chosen(path, length=4)).classes == ("a", "b")
    path.write_text("abc" * 100)
    assert TEXT.describe(chosen(path, length=4)).classes == ("a", "b", "c")


def test_without_a_file_there_is_a_text_to_begin_with() -> None:
    dataset = loaded(TEXT.defaults())
    assert TEXT.missing(TEXT.defaults()) is None
    assert 45_000 < dataset.inputs.numel() < 55_000
    said = "".join(dataset.shape.classes[token] for token in dataset.inputs.flatten())
    assert " and the " in said and "\nIf the " in said


@pytest.mark.parametrize(
    ("content", "options", "option", "words"),
    [
        (b"plain text, then \xe4 in Latin-1" * 50, {}, "file", "is not UTF-8 text: byte 17 is 0xe4"),
        (b"", {}, "file", "holds nothing"),
        (b"a" * 5000, {}, "file", "holds only 1 different characters"),
        (b"ab" * 100, {}, "length", "must be at most 19: "),
        (b"ab", {}, "file", "holds 2 characters, 10 windows of 64 are needed at least"),
        (None, {}, "file", "must name a text file, there is no file at "),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    content: bytes | None, options: dict[str, Value], option: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Undescribable) as caught:
        TEXT.describe(chosen(path, **options))
    assert caught.value.option == option
    assert words in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(SpecError) as refused:
        experiment({"data": {"dataset": "text", "options": {"file": str(path), **options}}})
    assert str(refused.value).startswith(f"data.options.{option}: ")


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(Undescribable, match="must name a text file, a folder is at"):
        TEXT.describe(chosen(tmp_path))
    with pytest.raises(Undescribable, match="File name too long"):
        TEXT.describe(chosen("x" * 5000))


def test_a_path_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.txt").write_text(SENTENCE * 20)
    monkeypatch.chdir(tmp_path)
    made = experiment({"data": {"dataset": "text", "options": {"file": "text.txt"}}})
    assert made.data.options["file"] == str(tmp_path / "text.txt")
