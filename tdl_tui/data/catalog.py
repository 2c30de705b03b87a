"""The datasets' entries: names, options, shapes. Imports no torch; loading is in the files beside."""

from __future__ import annotations

from tdl_tui.registry import DATASETS, DatasetEntry, DataShape, Option, Options

DIGITS = tuple("0123456789")


def _digits(options: Options) -> DataShape:
    size = options["image_size"]
    assert isinstance(size, int)
    return DataShape("classification", "image", (1, size, size), 10, DIGITS, examples=1797)


DATASETS.register(
    DatasetEntry(
        name="digits",
        help="1,797 handwritten digits, 8×8 grey pictures, 10 classes",
        target="tdl_tui.data.bundled:digits",
        options=(Option("image_size", 8, "pictures are enlarged to this height and width", low=8, high=256),),
        source="scikit-learn; Alpaydin & Kaynak 1998, UCI",
        describe=_digits,
    )
)
