"""Which files the downloaded datasets consist of, and where they are looked for. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tdl_tui.registry import Options

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class Files:
    """A dataset's files: `archives` are what is downloaded, `names` what is read; `torchvision` is its class there."""

    dataset: str
    torchvision: str
    archives: tuple[str, ...]
    names: tuple[str, ...]
    subfolder: str = ""

    def folders(self, options: Options, data_folder: Path) -> list[Path]:
        """Where the files may stand: in the folder that the options name, else in the dataset's own; in it, or
        where torchvision or the unpacked archive would have them."""
        chosen = options.get("folder")
        base = Path(str(chosen)).expanduser() if chosen else data_folder / self.dataset
        inside = [base / self.subfolder] if self.subfolder else [base / "raw", base / self.torchvision / "raw"]
        return [base, *inside]

    def find(self, options: Options, data_folder: Path) -> dict[str, Path] | None:
        """The path of each of `names`, packed (.gz) or not, all in one folder; None where one is missing."""
        for folder in self.folders(options, data_folder):
            found = {name: path for name in self.names if (path := _plain_or_packed(folder, name))}
            if len(found) == len(self.names):
                return found
        return None

    def missing(self, options: Options, data_folder: Path) -> str | None:
        """What to put where, in one line, when the files are not on this machine; None when they are."""
        if self.find(options, data_folder):
            return None
        fetched = "is not there" if options.get("folder") else "is downloaded on first use; without a network"
        return f"{self.dataset} {fetched}: {self.wanted(options, data_folder)}"

    def wanted(self, options: Options, data_folder: Path) -> str:
        """What to put where, in words. A tar archive has to be unpacked."""
        folder = self.folders(options, data_folder)[0]
        elsewhere = "" if options.get("folder") else ", or name a folder that holds them in data.options.folder"
        if self.subfolder:
            return f"unpack {self.archives[0]} in {folder}{elsewhere}"
        return f"put {', '.join(self.archives[:-1])} and {self.archives[-1]} into {folder}{elsewhere}"


def _plain_or_packed(folder: Path, name: str) -> Path | None:
    dotted = name.replace("-idx", ".idx")  # as some archives name them
    return next((p for n in (name, dotted) for p in (folder / n, folder / f"{n}.gz") if p.is_file()), None)


def _idx(dataset: str, torchvision: str) -> Files:
    return Files(dataset, torchvision, tuple(f"{name}.gz" for name in IDX_FILES), IDX_FILES)


FILES: dict[str, Files] = {
    files.dataset: files
    for files in (
        _idx("mnist", "MNIST"),
        _idx("fashion_mnist", "FashionMNIST"),
        Files(
            "cifar10",
            "CIFAR10",
            ("cifar-10-python.tar.gz",),
            (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
            "cifar-10-batches-py",
        ),
        Files("cifar100", "CIFAR100", ("cifar-100-python.tar.gz",), ("train", "test", "meta"), "cifar-100-python"),
    )
}
