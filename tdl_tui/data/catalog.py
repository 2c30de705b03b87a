"""The datasets' entries: names, options, shapes. Imports no torch; loading is in the files beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tdl_tui.registry import DATASETS, DatasetEntry, DataShape, Option, Options, Value
from tdl_tui.runs.home import find_home

from .files import FILES
from .own_catalog import AUGMENTATION, OWN

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HUNDRED_THINGS = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
    snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train
    trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """.replace("_", "-").split()
)


def _whole(options: Options, name: str) -> int:
    value = options[name]
    assert isinstance(value, int)
    return value


def _same(shape: DataShape) -> Callable[[Options], DataShape]:
    return lambda options: shape


def _digits(options: Options) -> DataShape:
    size = _whole(options, "image_size")
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
DATASETS.register(
    DatasetEntry(
        name="mnist1d",
        help="4,000 + 1,000 generated sequences of 40 values, 10 classes; small, yet hard for a linear model",
        target="tdl_tui.data.mnist1d:mnist1d",
        options=(
            Option("seed", 42, "of the generator; 42 is the authors' own", low=0, high=2**32 - 1),
            Option("scale", 0.4, "width of the range of factors around 1", low=0, high=2),
            Option("translation", 48, "positions that a signal may be moved by", low=1, high=72),
            Option("correlated_noise", 0.25, "deviation of the noise that looks like signal", low=0, high=10),
            Option("noise", 0.02, "deviation of the white noise", low=0, high=10),
            Option("shear", 0.75, "width of the range of slopes", low=0, high=10),
            Option("shuffled", False, "the 40 values in one random order, so that nothing is local"),
        ),
        source="Greydanus & Kobak 2020, arXiv 2011.14439",
        describe=_same(
            DataShape("classification", "sequence", (40, 1), 10, DIGITS, ("value",), examples=5000, fixed_test=1000)
        ),
        # the authors' protocol: 6,000 steps of 100 examples with Adam at 1e-2, and the last weights
        recipe={
            "data.batch_size": 100,
            "optimizer.lr": 1e-2,
            "training.epochs": 167,
            "training.early_stopping.restore_best": False,
        },
    )
)


def _plane(classes: Callable[[Options], tuple[str, ...]]) -> Callable[[Options], DataShape]:
    def describe(options: Options) -> DataShape:
        names = classes(options)
        examples = _whole(options, "examples")
        return DataShape("classification", "table", (2,), len(names), names, ("x", "y"), examples)

    return describe


def _points(name: str, help: str, classes: Callable[[Options], tuple[str, ...]], noise: float, *more: Option) -> None:
    DATASETS.register(
        DatasetEntry(
            name=name,
            help=help,
            target=f"tdl_tui.data.synthetic:{name}",
            options=(
                Option("examples", 4000, "points in all", low=100, high=10_000_000),
                Option("noise", noise, "deviation of what is added to each coordinate", low=0, high=10),
                Option("seed", 0, "of the generator", low=0),
                *more,
            ),
            describe=_plane(classes),
        )
    )


_points("moons", "points on two half moons that reach into each other", lambda options: ("upper", "lower"), 0.2)
_points(
    "circles",
    "points on a circle and on a smaller one inside it",
    lambda options: ("outer", "inner"),
    0.1,
    Option("factor", 0.5, "radius of the inner circle; the outer one's is 1", low=0, high=1),
)
_points(
    "spirals",
    "points on arms wound around each other",
    lambda options: tuple(f"arm {i + 1}" for i in range(_whole(options, "arms"))),
    0.02,
    Option("arms", 2, "arms, each a class", low=2, high=10),
    Option("turns", 1.5, "times that an arm winds around the centre", low=0, above=True, high=10),
)
_points(
    "blobs",
    "round clouds of points, their centres on a circle",
    lambda options: tuple(f"blob {i + 1}" for i in range(_whole(options, "classes"))),
    0.3,
    Option("classes", 3, "clouds, each a class", low=2, high=100),
)

_FOLDER = Option("folder", "", "where the files are; empty: downloaded on first use, then kept")


def _pictures(name: str, help: str, shape: DataShape, source: str, *more: Option) -> None:
    files = FILES[name]
    DATASETS.register(
        DatasetEntry(
            name=name,
            help=help,
            target=f"tdl_tui.data.pictures:{name}",
            options=(_FOLDER, *more),
            source=source,
            describe=_same(shape),
            recipe={"training.epochs": 10, "data.batch_size": 128},
            missing=lambda options: files.missing(options, find_home() / "data"),
        )
    )


_pictures(
    "mnist",
    "60,000 + 10,000 handwritten digits, 28×28 grey pictures, 10 classes",
    DataShape("classification", "image", (1, 28, 28), 10, DIGITS, examples=70_000, fixed_test=10_000),
    "LeCun et al. 1998",
)
_pictures(
    "fashion_mnist",
    "60,000 + 10,000 articles of clothing, 28×28 grey pictures, 10 classes",
    DataShape("classification", "image", (1, 28, 28), 10, CLOTHES, examples=70_000, fixed_test=10_000),
    "Xiao et al. 2017, arXiv 1708.07747",
)
_pictures(
    "cifar10",
    "50,000 + 10,000 photographs, 32×32 in colour, 10 classes",
    DataShape("classification", "image", (3, 32, 32), 10, THINGS, examples=60_000, fixed_test=10_000),
    "Krizhevsky 2009",
    AUGMENTATION,
)
_pictures(
    "cifar100",
    "50,000 + 10,000 photographs, 32×32 in colour, 100 classes",
    DataShape("classification", "image", (3, 32, 32), 100, HUNDRED_THINGS, examples=60_000, fixed_test=10_000),
    "Krizhevsky 2009",
    AUGMENTATION,
)

# few examples: many passes, and a learning rate that ends low, so that what is found does not depend on when it ends
_SMALL: Mapping[str, Value] = {
    "data.batch_size": 16,
    "optimizer.lr": 1e-2,
    "schedule.name": "cosine",
    "training.epochs": 100,
}
# under 200 examples a tenth says nothing
_SMALLEST: Mapping[str, Value] = {**_SMALL, "data.split": (0.6, 0.2, 0.2)}


def _table(name: str, help: str, source: str, shape: DataShape, recipe: Mapping[str, Value]) -> None:
    shape = replace(shape, input=(len(shape.features),))
    DATASETS.register(
        DatasetEntry(
            name=name,
            help=help,
            target=f"tdl_tui.data.bundled:{name}",
            source=source,
            describe=_same(shape),
            recipe=recipe,
        )
    )


_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
_table(
    "iris",
    "150 flowers, 4 measures, 3 species",
    "scikit-learn; Fisher 1936, UCI",
    DataShape(
        "classification",
        "table",
        (),
        3,
        ("setosa", "versicolor", "virginica"),
        ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
        examples=150,
    ),
    {**_SMALLEST, "optimizer.lr": 2e-2},
)
_table(
    "wine",
    "178 wines, 13 chemical measures, 3 growers",
    "scikit-learn; Aeberhard & Forina 1991, UCI",
    DataShape(
        "classification",
        "table",
        (),
        3,
        ("grower 1", "grower 2", "grower 3"),
        (
            "alcohol",
            "malic acid",
            "ash",
            "alcalinity of ash",
            "magnesium",
            "total phenols",
            "flavanoids",
            "nonflavanoid phenols",
            "proanthocyanins",
            "color intensity",
            "hue",
            "OD280/OD315 of diluted wines",
            "proline",
        ),
        examples=178,
    ),
    _SMALLEST,
)
_table(
    "breast_cancer",
    "569 tumours, 30 measures of their cells, malignant or benign",
    "scikit-learn; Wolberg et al. 1995, UCI",
    DataShape(
        "classification",
        "table",
        (),
        2,
        ("malignant", "benign"),
        tuple(f"{which} {measure}" for which in ("mean", "error of", "worst") for measure in _MEASURES),
        examples=569,
    ),
    _SMALL,
)
_table(
    "diabetes",
    "442 patients, 10 measures, progression of the disease after a year (regression)",
    "scikit-learn; Efron et al. 2004",
    DataShape(
        "regression",
        "table",
        (),
        1,
        features=(
            "age",
            "sex",
            "body mass index",
            "blood pressure",
            "total cholesterol",
            "LDL",
            "HDL",
            "cholesterol / HDL",
            "log triglycerides",
            "blood sugar",
        ),
        examples=442,
    ),
    {**_SMALL, "data.batch_size": 64},
)

_MADE = (
    Option("examples", 10_000, "sequences in all", low=100, high=10_000_000),
    Option("seed", 0, "of the generator", low=0),
)


def _adding(options: Options) -> DataShape:
    steps = (_whole(options, "length"), 2)
    return DataShape("regression", "sequence", steps, 1, (), ("value", "marker"), _whole(options, "examples"))


DATASETS.register(
    DatasetEntry(
        name="adding",
        help="sequences of numbers of which two are marked; their sum is to be told (regression)",
        target="tdl_tui.data.memory_tasks:adding",
        options=(Option("length", 100, "steps of a sequence", low=2, high=100_000), *_MADE),
        source="Hochreiter & Schmidhuber 1997, experiment 4; Le et al. 2015, arXiv 1504.00941",
        describe=_adding,
        # 2,000 steps; the error is told of targets as they are: 1/6 for who remembers nothing, under 0.01 when solved
        recipe={
            "data.normalize": False,
            "data.batch_size": 64,
            "model.architecture": "lstm",
            "optimizer.lr": 1e-2,
            "training.epochs": 16,
            "training.gradient_clip_norm": 1.0,
        },
    )
)


def _copy_memory(options: Options) -> DataShape:
    steps = _whole(options, "length") + 20
    classes = (*"abcdefgh", "·", ">")  # eight symbols, the blank, the delimiter
    return DataShape("classification", "text", (steps,), 10, classes, (), _whole(options, "examples"), steps=steps)


DATASETS.register(
    DatasetEntry(
        name="copy_memory",
        help="ten symbols, a long wait, a sign: then the ten are to be said again (a target at every step)",
        target="tdl_tui.data.memory_tasks:copy_memory",
        options=(Option("length", 100, "steps to wait; a sequence has 20 more", low=1, high=100_000), *_MADE),
        source="Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, arXiv 1511.06464",
        describe=_copy_memory,
        recipe={
            "model.architecture": "lstm",
            "optimizer.lr": 1e-2,
            "training.gradient_clip_norm": 1.0,
        },
    )
)

DATASETS.register(
    DatasetEntry(
        name="karate",
        help="34 members of a club that broke in two, and who met whom; only the two leaders' sides are known",
        target="tdl_tui.data.karate:karate",
        options=(Option("weighted", True, "an edge weighs in how many places two met; false: 1 each"),),
        source="Zachary 1977",
        describe=_same(
            DataShape(
                "classification",
                "graph",
                (1,),
                2,
                ("Mr. Hi", "Officer"),
                examples=34,
                fixed_test=32,
                fixed_train=2,
                graph=(34, 34),
            )
        ),
        recipe={
            "data.batch_size": 2,
            "model.architecture": "gcn",
            "optimizer.lr": 1e-2,
            "training.epochs": 200,
            "training.early_stopping.restore_best": False,
        },
    )
)

for _entry in OWN:
    DATASETS.register(_entry)
