"""Text as numbers of tokens: characters, or words. Imports no torch."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from tdl_tui.registry import DataShape, Options, Undescribable

from .own_files import Remembered, decode, named_file, named_paths, read_bytes, text, whole
from .story import story

UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # stands for what the vocabulary leaves out
FEWEST = 10  # windows
_WORDS = re.compile(r" ?\w+| ?[^\w\s]+|\s")

Unit = Literal["characters", "words"]


@dataclass(frozen=True, eq=False)
class TextReading:
    """`tokens` are indices into `vocabulary`, 32 bits each. Joined, the vocabulary's words are the text again, but for
    those that became UNKNOWN."""

    tokens: array[int]
    vocabulary: tuple[str, ...]


def divide(content: str, unit: str) -> list[str]:
    """Characters, or words and runs of signs, each with the blank before it, and other white space one by one.

    Joined they are the content again.
    """
    return list(content) if unit == "characters" else _WORDS.findall(content)


def encode(pieces: list[str], limit: int) -> TextReading:
    """Numbers the pieces. Of more than `limit` different ones the most frequent stay; the others become UNKNOWN, the
    last of the vocabulary, which counts too."""
    counts = Counter(pieces)
    kept = sorted(counts)
    if len(kept) > limit:
        kept = sorted(sorted(counts, key=lambda piece: (-counts[piece], piece))[: limit - 1])
        kept.append(UNKNOWN)
    number = {piece: index for index, piece in enumerate(kept)}
    return TextReading(array("i", (number.get(piece, len(kept) - 1) for piece in pieces)), tuple(kept))


def _read(options: Options) -> TextReading:
    if text(options, "file"):
        path = named_file(options, "file", "a text file")
        content = decode(path, "file", read_bytes(path, "file"))
        name = str(path)
    else:
        content, name = story(), "the text that comes with tdl"
    unit, length = text(options, "unit"), whole(options, "length")
    reading = encode(divide(content, unit), whole(options, "vocabulary"))
    if len(reading.vocabulary) < 2:
        found = f"only {len(reading.vocabulary)} different {unit}" if reading.tokens else "nothing"
        raise Undescribable("file", f"{name} holds {found}; a text to learn from is needed")
    if (len(reading.tokens) - 1) // length < FEWEST:
        most = (len(reading.tokens) - 1) // FEWEST
        needed = f"{name} holds {len(reading.tokens)} {unit}, {FEWEST} windows of {length} are needed at least"
        if most < 1:
            raise Undescribable("file", needed)
        raise Undescribable("length", f"must be at most {most}: {needed}")
    return reading


read_text = Remembered(_read, named_paths("file"))
"""The text that the options name, in numbers. Raises Undescribable."""


def describe_text(options: Options) -> DataShape:
    """Windows that follow one another; at each step the next token is the target. Raises Undescribable."""
    reading, length = read_text(options), whole(options, "length")
    return DataShape(
        "classification",
        "text",
        (length,),
        len(reading.vocabulary),
        reading.vocabulary,
        examples=(len(reading.tokens) - 1) // length,
        steps=length,
    )
