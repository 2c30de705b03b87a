"""The entries of datasets that read a person's own files. Imports no torch."""

from __future__ import annotations

from tdl_tui.registry import DatasetEntry, Option

from .folder_reading import describe_folder, read_folder
from .npz_reading import describe_npz, read_npz
from .own_files import wanted
from .series_reading import describe_series, read_series
from .table_reading import describe_table, read_table
from .table_rows import DELIMITERS
from .text_reading import describe_text, read_text

AUGMENTATION = Option(
    "augmentation",
    "none",
    "what changes in training pictures, anew in each epoch",
    choices=("none", "flip", "crop", "flip_crop", "flip_crop_colour"),
)
TASKS = ("auto", "classification", "regression")

OWN: tuple[DatasetEntry, ...] = (
    DatasetEntry(
        name="csv",
        help="a table of yours: numbers and categories in columns, one of them the target",
        target="tdl_tui.data.table:csv",
        options=(
            Option("file", "", "the table, a row a line, as UTF-8 text", path=True),
            Option("target", "", "the column to predict; empty: the last"),
            Option("task", "auto", "auto: regression for numbers, unless whole and few", choices=TASKS),
            Option("delimiter", "auto", "between cells", choices=("auto", *DELIMITERS)),
            Option("header", "auto", "whether the first line names the columns", choices=("auto", "yes", "no")),
            Option("decimal", "point", "in numbers", choices=("point", "comma")),
            Option(
                "missing",
                "drop",
                "drop the row; fill in the mean, or the most frequent category; or a category of its own",
                choices=("drop", "fill", "own_category"),
            ),
            Option("categories", "", "columns of numbers that stand for categories, with commas between them"),
            Option("leave_out", "", "columns not to look at, with commas between them"),
            Option("most_categories", 50, "largest number of categories of a column", low=2, high=10_000),
        ),
        describe=describe_table,
        takes_time=read_table.takes_time,
        missing=wanted("csv", "file", "a table"),
        recipe={
            "data.batch_size": 32,
            "optimizer.lr": 5e-3,
            "schedule.name": "cosine",
            "training.epochs": 50,
        },
        own=True,
    ),
    DatasetEntry(
        name="image_folder",
        help="pictures of yours: a folder, with a folder of pictures in it for each class",
        target="tdl_tui.data.image_folder:image_folder",
        options=(
            Option("folder", "", "of the classes' folders; or of train, test, and val if you like, of such", path=True),
            Option("image_size", 64, "the middle square of each picture is brought to this side", low=8, high=1024),
            Option("colour", True, "red, green and blue; false: grey"),
            AUGMENTATION,
        ),
        describe=describe_folder,
        takes_time=read_folder.takes_time,
        missing=wanted("image_folder", "folder", "pictures"),
        recipe={"data.batch_size": 32, "model.architecture": "cnn", "training.epochs": 20},
        own=True,
    ),
    DatasetEntry(
        name="npz",
        help="arrays of yours: a table, sequences, or pictures as bytes, and their targets",
        target="tdl_tui.data.npz:npz",
        options=(
            Option("file", "", "x and y, as numpy.savez writes them; x_test and y_test, where there, too", path=True),
            Option("task", "auto", "auto: classification for whole numbers and text", choices=TASKS),
        ),
        describe=describe_npz,
        takes_time=read_npz.takes_time,
        missing=wanted("npz", "file", "arrays"),
        own=True,
    ),
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
        takes_time=read_text.takes_time,
        recipe={
            "data.batch_size": 16,
            "model.architecture": "lstm",
            "optimizer.lr": 5e-3,
            "training.gradient_clip_norm": 1.0,
        },
        own=True,
    ),
    DatasetEntry(
        name="ucr",
        help="time series of yours, or of the UCR and UEA archives: .ts, or a class and its series a line",
        target="tdl_tui.data.series:ucr",
        options=(
            Option("file", "", "the series to learn from", path=True),
            Option("test", "", "those for the test; empty: taken from the file, as data.split says", path=True),
            Option("fill", False, "interpolate missing values, continue shorter series; false: refuse them"),
        ),
        source="Dau et al. 2018, arXiv 1810.07758; Löning et al. 2019, arXiv 1909.07872",
        describe=describe_series,
        takes_time=read_series.takes_time,
        missing=wanted("ucr", "file", "time series"),
        recipe={
            "data.batch_size": 16,
            "model.architecture": "cnn1d",
            "schedule.name": "cosine",
            "training.epochs": 100,
        },
        own=True,
    ),
)
