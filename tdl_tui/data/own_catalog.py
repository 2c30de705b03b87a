"""The entries of datasets that read a person's own files. Imports no torch."""

from __future__ import annotations

from tdl_tui.registry import DatasetEntry, Option

from .text_reading import describe_text

OWN: tuple[DatasetEntry, ...] = (
    DatasetEntry(
        name="text",
        help="a text file of yours, or a small one that comes along: which character, or word, is next?",
        target="tdl_tui.data.text:text",
        options=(
            Option("file", "", "UTF-8 text; empty: 50,000 characters made by a grammar, to try things out", path=True),
            Option("unit", "characters", "what a token is", choices=("characters", "words")),
            Option("length", 64, "tokens of an example; the text is cut into so long windows", low=1, high=100_000),
            Option(
                "vocabulary", 5000, "most different tokens; rarer ones become one of their own", low=2, high=100_000
            ),
        ),
        describe=describe_text,
        recipe={
            "data.batch_size": 16,
            "model.architecture": "lstm",
            "optimizer.lr": 5e-3,
            "training.gradient_clip_norm": 1.0,
        },
        own=True,
    ),
)
