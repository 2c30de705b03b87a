"""Each verb as it is called: what it prints, what it leaves, and how it ends."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import MakeRun, Tdl, tree

from tdl_tui.registry import ARCHITECTURES, DATASETS, LOSSES, OPTIMIZERS, SCHEDULES, Registry
from tdl_tui.runs import lock
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import experiment
from tdl_tui.verbs import ls
from tdl_tui.verbs.app import VERBS
from tdl_tui.worker import launch as launcher
from tdl_tui.worker import steer

# what is wrong, and in which words it is said


WRONG: list[tuple[list[str], str]] = [
    (["trian"], 'no verb "trian"; nearest: "train"'),
    (["train", "--datset", "digits"], "No such option: --datset"),
    (["train", "--set"], "requires an argument"),
    (["train", "one.toml", "two.toml"], "unexpected extra argument"),
    (["train", "--dataset", "digts"], 'data.dataset: no dataset "digts" (nearest: "digits")'),
    (["train", "--model", "mpl"], 'model.architecture: no architecture "mpl" (nearest: "mlp")'),
    (["train", "--model", "lenet5"], "model.architecture: lenet5 needs images of at least 28×28"),
    (["train", "--set", "optimizer.lr"], "--set takes path=value"),
    (["train", "--set", "optimizer.lr=-1"], "optimizer.lr: must be a number above 0, got -1"),
    (["train", "--set", "optimizer.lr=fast"], 'optimizer.lr: must be a number above 0, got "fast"'),
    (["train", "--set", "optimizer.momentum=0.9"], '"optimizer.options.momentum" (of momentum)'),
    (["train", "--set", "data.split=[0.0001,0.5,0.4999]", "--set", "data.dataset=iris"], "data.split: "),
    (["train", "--seed", "x"], 'seed: must be a whole number 0 to 4294967295, got "x"'),
    (["train", "--seed", "1.5"], "seed: must be a whole number"),
    (["train", "--device", "gpu"], "training.device: must be auto, cpu, mps, cuda or cuda:N"),
    (["train", "--device", "cuda:99"], "training.device: cuda:99 is not there"),
    (["train", "--name", "a\nb"], "name: must be printable text on one line"),
    (["train", "--name", "last"], "name: must be another name"),
    (["train", "missing.toml"], "missing.toml: cannot be read: No such file or directory"),
    (["new", "missing.toml"], "missing.toml: cannot be read"),
    (["new"], "the workbench needs a terminal"),
    ([], "the workbench needs a terminal"),
    (["show", "nothing"], 'no run "nothing"'),
    (["show"], "Missing argument"),
    (["open", "nothing"], 'no run "nothing"'),
    (["tail", "last"], 'no run "last"'),
    (["metrics", ""], 'no run ""'),
    (["stop", "../.."], 'no run "../.."'),
    (["rm"], "Missing argument"),
    (["rm", "a\x1b[2Jb"], "no run"),
    (["set", "last", "momentum=1"], '"momentum" cannot be changed while a run trains; there are lr, weight_decay'),
    (["set", "last", "lr=-1"], "optimizer.lr: must be above 0, got -1"),
    (["set", "last", "lr=nan"], "optimizer.lr: must be above 0, got nan"),
    (["models", "mpl"], 'no architecture "mpl" (nearest: "mlp")'),
    (["datasets", "x"], 'no dataset "x"'),
    (["summary", "--model", "mlp"], "summary takes --dataset D, or --input"),
    (["summary", "--dataset", "digits"], "Missing option '--model'"),
    (["summary", "--model", "mlp", "--input", "3x4"], "--input and --classes go together"),
    (["summary", "--model", "mlp", "--input", "0x4", "--classes", "2"], "--input: must be like 3x224x224"),
    (["summary", "--model", "mlp", "--input", "1x2x3x4", "--classes", "2"], "--input: must be like 3x224x224"),
    (["summary", "--model", "mlp", "--input", "9999999999x4", "--classes", "2"], "--input: must be like"),
    (["summary", "--model", "mlp", "--input", "a", "--classes", "2"], "--input: must be like 3x224x224"),
    (["summary", "--model", "mlp", "--input", "3", "--classes", "0"], "--classes"),
    (["summary", "--model", "mpl", "--input", "3", "--classes", "2"], 'no architecture "mpl"'),
    (["lr-find", "--model", "mpl"], 'model.architecture: no architecture "mpl" (nearest: "mlp")'),
    (["lr-find", "--set", "optimizer.name=lbfgs"], "optimizer.name: lbfgs computes the loss several times a step"),
    (["lr-find", "--device", "cuda:99"], "training.device: cuda:99 is not there"),
    (["lr-find", "--steps", "1"], "--steps"),
    (["data"], "Missing command"),
    (["data", "shwo"], "No such command 'shwo'"),
    (["data", "show"], "Missing argument"),
    (["data", "show", "dgits"], 'data.dataset: no dataset "dgits" (nearest: "digits")'),
    (["data", "show", "digits", "--set", "data.options.image_size=x"], "data.options.image_size: must be"),
    (["data", "show", "digits", "--count", "0"], "--count"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(a) or "nothing" for a, _ in WRONG])
def test_a_wrong_request_ends_with_2_and_one_line_and_changes_nothing(
    tdl: Tdl, home: Path, arguments: list[str], words: str
) -> None:
    result = tdl(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("tdl: ")
    assert words in result.err
    assert result.err.count("\n") == 1
    assert result.err.strip().isprintable()
    assert not home.exists()


@pytest.mark.parametrize("content", [b"seed = \n", b"\xff", b"[" * 5000], ids=["syntax", "encoding", "depth"])
def test_a_malformed_file_ends_with_2(tdl: Tdl, home: Path, tmp_path: Path, content: bytes) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_bytes(content)
    result = tdl("train", str(spec))
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"tdl: {spec}: ")
    assert not home.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_home_that_cannot_be_written_ends_with_2(tdl: Tdl, home: Path) -> None:
    home.parent.chmod(0o500)
    try:
        result = tdl("train", "--detach")
    finally:
        home.parent.chmod(0o700)
    assert (result.status, result.out) == (2, "")
    assert "cannot be written" in result.err


def test_a_home_that_is_a_file_ends_with_2(tdl: Tdl, home: Path) -> None:
    home.write_text("not a folder")
    for arguments in (["train", "--detach"], ["ls"], ["show", "last"]):
        result = tdl(*arguments)
        assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert home.read_text() == "not a folder"


def test_a_damaged_run_is_told_and_can_be_removed(tdl: Tdl, make_run: MakeRun) -> None:
    folder = make_run()
    (folder / "run.db").write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        (folder / f"run.db{suffix}").unlink(missing_ok=True)
    before = tree(folder)
    for verb in (["show"], ["tail"], ["metrics"], ["pause"]):
        result = tdl(*verb, folder.name)
        assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
        assert result.err.startswith("tdl: ")
    assert tdl("show", folder.name, "--json").status == 2
    assert tree(folder) == before
    listed = tdl("ls")
    assert listed.status == 0
    assert "damaged" in listed.out
    assert tdl("rm", folder.name).status == 0
    assert not folder.exists()


def test_a_fault_of_our_own_is_one_line_and_a_report(tdl: Tdl, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("something\nunforeseen")

    monkeypatch.setattr(ls, "RunTable", fail)
    result = tdl("ls")
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    assert str(home / "tdl.log") in result.err
    assert "Traceback" in (home / "tdl.log").read_text()
    assert "unforeseen" in (home / "tdl.log").read_text()


# experiments


def test_a_dry_run_prints_the_whole_experiment_and_touches_nothing(tdl: Tdl, home: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text('name = "mine"\n[model]\narchitecture = "lenet5"\n[data.options]\nimage_size = 28\n')
    arguments = ["train", str(spec), "--seed", "7", "--set", "optimizer.lr=3e-4", "--set", "training.epochs=2"]
    printed = tdl(*arguments, "--dry-run")
    assert printed.status == 0
    made = experiment(tomllib.loads(printed.out))
    assert (made.name, made.seed, made.optimizer.lr) == ("mine", 7, 3e-4)
    assert (made.model.architecture, made.data.options["image_size"]) == ("lenet5", 28)
    document = tdl(*arguments, "--dry-run", "--json").document
    assert experiment(document["experiment"]) == made
    examples = document["examples"]
    assert sum(examples.values()) == made.shape.examples
    assert document["steps_per_epoch"] == -(-examples["train"] // made.data.batch_size)
    assert document["total_steps"] == 2 * document["steps_per_epoch"]
    assert not home.exists()


def test_another_dataset_or_model_than_the_files_leaves_the_files_options(tdl: Tdl, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text("[data.options]\nimage_size = 28\n[data]\ndataset = 'digits'\n[model]\narchitecture = 'lenet5'\n")
    kept = tdl("train", str(spec), "--dataset", "digits", "--dry-run", "--json").document["experiment"]
    assert kept["data"]["options"] == {"image_size": 28}
    changed = tdl("train", str(spec), "--dataset", "iris", "--model", "mlp", "--dry-run", "--json")
    assert changed.document["experiment"]["data"]["options"] == DATASETS["iris"].defaults()


def test_a_detached_training_is_launched_from_what_was_asked(
    tdl: Tdl, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def launch(made: Any, where: Path, **_: object) -> launcher.Launched:
        asked.append((made, where))
        return launcher.Launched(where / "runs" / "abcdefgh", 123)

    monkeypatch.setattr(launcher, "launch", launch)
    result = tdl("train", "--detach", "--json", "--name", "5", "--device", "cpu")
    assert result.document == {"run": "abcdefgh", "pid": 123}
    ((made, where),) = asked
    assert (made.name, made.training.device, where) == ("5", "cpu", home)
    assert "abcdefgh" in tdl("train", "--detach").out


def test_what_a_launch_refuses_ends_with_2(tdl: Tdl, monkeypatch: pytest.MonkeyPatch) -> None:
    def launch(*_: object, **__: object) -> None:
        raise launcher.LaunchError("the home is full")

    monkeypatch.setattr(launcher, "launch", launch)
    result = tdl("train", "--json")
    assert (result.status, result.out, result.err) == (2, "", "tdl: the home is full\n")


# looking


def test_ls_without_runs(tdl: Tdl, home: Path) -> None:
    assert tdl("ls").out == ""
    assert tdl("ls", "--json").document == []
    assert not home.exists()


def test_forks_stand_below_what_they_were_forked_from(tdl: Tdl, make_run: MakeRun) -> None:
    elder = make_run("elder")
    other = make_run("other")
    parent = {"run": elder.name, "name": "elder", "step": 3, "checkpoint": "step-3.pt"}
    child = make_run("child", parent=parent)
    lines = tdl("ls").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [elder.name, child.name, other.name]
    assert "└─ child" in lines[1]
    assert f"{elder.name} (elder) at step 3, step-3.pt" in tdl("show", "child").out
    assert tdl("show", "child", "--json").document["parent"] == parent


def test_values_that_were_changed_are_shown(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("changed", settings={"training.epochs": 9, "optimizer.lr": 0.5})
    assert "training.epochs 4 → 9, optimizer.lr 0.001 → 0.5" in tdl("show", "changed").out
    assert tdl("show", "changed", "--json").document["settings"] == {"training.epochs": 9, "optimizer.lr": 0.5}


def test_ls_and_show(tdl: Tdl, make_run: MakeRun) -> None:
    first, second = make_run("first"), make_run(state="failed", message="out of memory", test=None, best=None)
    listed = tdl("ls").out.splitlines()
    assert [line.split()[0] for line in listed] == ["RUN", second.name, first.name]
    documents = tdl("ls", "--json").document
    assert [document["run"] for document in documents] == [second.name, first.name]
    shown = tdl("show", "first", "--json").document
    unknown = dict.fromkeys(("classes", "time", "energy", "gpus"))
    assert shown == {**documents[1], "settings": {}, "checkpoints": [], **unknown}
    assert shown.keys() >= {"run", "name", "state", "pid", "host", "device", "experiment", "progress", "best", "test"}
    assert (shown["name"], shown["state"], shown["pid"]) == ("first", "finished", 4242)
    assert shown["best"] == {"series": "val/loss", "step": 4, "value": 0.5}
    assert "out of memory" in tdl("show", second.name[:6]).out
    text = tdl("show", "first").out
    assert "test loss" not in text.splitlines()[0]
    assert "loss 0.25, accuracy 0.9" in text


def test_metrics_are_every_point_as_it_was_recorded(tdl: Tdl, make_run: MakeRun) -> None:
    folder = make_run()
    document = tdl("metrics", "last", "--json").document
    assert document["run"] == folder.name
    assert document["series"]["train/loss"] == {
        "step": [1, 2, 3, 4],
        "time": [100.0, 101.0, 102.0, 103.0],
        "value": [2.0, 1.5, None, None],
    }
    assert document["series"]["val/loss"] == {"step": [4], "time": [104.0], "value": [0.5]}
    assert list(tdl("metrics", "last", "val/loss", "--json").document["series"]) == ["val/loss"]
    lines = tdl("metrics", "last", "train/loss").out.splitlines()
    assert [line.split("\t") for line in lines[1:3]] == [
        ["train/loss", "2", "101.0", "1.5"],
        ["train/loss", "3", "102.0", "nan"],
    ]
    wrong = tdl("metrics", "last", "train/los")
    assert (wrong.status, wrong.out) == (2, "")
    assert 'nearest: "train/loss"' in wrong.err


def test_a_training_that_was_stopped_early_says_why(tdl: Tdl, make_run: MakeRun) -> None:
    reason = "val/loss has not improved for 3 validations: no further epoch"
    with RunWriter(make_run("early")) as writer:
        writer.event("early_stopping", "val/loss has not improved for 2 validations: no further epoch", 3)  # resumed
        writer.event("early_stopping", reason, 4)
        writer.event("state", "finished after 4 epochs", 4)
    make_run("whole")
    assert f"state     finished: {reason}\n" in tdl("show", "early").out
    assert tdl("tail", "early").out.rstrip().endswith(f" · {reason}")
    assert "state     finished\n" in tdl("show", "whole").out


def test_tail_of_an_ended_run_says_how_it_ended(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("well")
    ended = tdl("tail", "well")
    assert ended.status == 0
    assert "finished · 4 epochs, 4 steps in 2.5 s · best val/loss 0.5 at step 4" in ended.out
    document = tdl("tail", "well", "--json").document
    assert document["state"] == "finished"
    assert document["final"] == {"train/loss": None, "val/loss": 0.5}
    assert (document["steps"], document["epochs"], document["seconds"]) == (4, 4, 2.5)
    assert document["test"] == {"loss": 0.25, "accuracy": 0.9}
    make_run("badly", state="failed", message="out of memory")
    failed = tdl("tail", "badly")
    assert (failed.status, failed.err.count("\n")) == (1, 1)
    assert "out of memory" in failed.err


def test_a_run_whose_worker_died_is_lost(tdl: Tdl, make_run: MakeRun) -> None:
    folder = make_run(state="running")
    lost = tdl("tail", folder.name)
    assert (lost.status, lost.err.count("\n")) == (1, 1)
    assert f"tdl resume {folder.name}" in lost.err
    assert tdl("show", folder.name, "--json").document["state"] == "lost"


# steering


def test_steering_a_run_that_has_ended_says_so(tdl: Tdl, make_run: MakeRun) -> None:
    folder = make_run()
    before = tree(folder / "commands")
    for arguments in (["pause"], ["stop"], ["checkpoint"], ["resume"]):
        result = tdl(*arguments, folder.name)
        assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
        assert folder.name in result.err
    assert tdl("set", folder.name, "lr=0.1").status == 1
    assert tree(folder / "commands") == before


def test_a_command_returns_what_the_run_answered(tdl: Tdl, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run()
    told: list[Any] = []
    monkeypatch.setattr(steer, "set_value", lambda run, values: told.append((run, values)) or "learning rate 0.1")
    assert tdl("set", "last", "lr=0.1").out == "learning rate 0.1\n"
    document = tdl("set", "last", "optimizer.lr=1e-1", "--json").document
    assert document == {"run": folder.name, "state": "finished", "message": "learning rate 0.1"}
    assert told == [(folder, {"optimizer.lr": 0.1})] * 2


def test_rm_removes_all_or_none(tdl: Tdl, home: Path, make_run: MakeRun) -> None:
    done, live = make_run("done"), make_run("live", state="running")
    descriptor = lock.acquire(live)
    try:
        refused = tdl("rm", "done", "live")
        assert (refused.status, refused.out) == (2, "")
        assert f"tdl stop {live.name}" in refused.err
        assert done.exists()
        assert live.exists()
        assert tdl("rm", "done", done.name, "--json").document == {"removed": [done.name]}
    finally:
        os.close(descriptor)
    assert tdl("rm", "live").status == 0
    assert not list((home / "runs").iterdir())


def test_rm_leaves_a_run_that_is_at_work_elsewhere_unless_forced(tdl: Tdl, make_run: MakeRun) -> None:
    folder = make_run(state="running", host="far", worker={"host": "far", "boot": "another", "lock": 0})
    refused = tdl("rm", folder.name)
    assert (refused.status, refused.out) == (2, "")
    assert "--force" in refused.err
    assert tdl("rm", "--force", folder.name).status == 0


# what there is


def test_the_catalogs_list_every_entry_with_every_option(tdl: Tdl) -> None:
    catalogs: dict[str, Registry[Any]] = {
        "models": ARCHITECTURES,
        "datasets": DATASETS,
        "losses": LOSSES,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
    }
    for verb, registry in catalogs.items():
        text, documents = tdl(verb).out, tdl(verb, "--json").document
        assert [document["name"] for document in documents] == list(registry.names())
        for entry, document in zip(registry, documents, strict=True):
            assert entry.name in text
            assert [option["name"] for option in document["options"]] == [option.name for option in entry.options]
            for option in entry.options:
                assert f".options.{option.name} " in text
    (only,) = tdl("models", "mlp", "--json").document
    assert only["options"][0] == {
        "name": "widths",
        "default": [128, 64],
        "kind": "whole numbers in brackets",
        "low": 1,
        "high": 65536,
        "above": False,
        "choices": None,
        "help": only["options"][0]["help"],
    }


def test_summary_counts_the_layers(tdl: Tdl) -> None:
    document = tdl("summary", "--model", "mlp", "--dataset", "digits", "--json").document
    assert document["parameters"] == 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    assert document["macs"] == 64 * 128 + 128 * 64 + 64 * 10
    assert document.keys() >= {"parameters", "macs", "receptive_field", "layers"}
    given = ["summary", "--model", "mlp", "--input", "1x8x8", "--classes", "10"]
    assert tdl(*given, "--json").document == document
    assert "8,320" in tdl(*given).out
    wide = tdl(*given, "--set", "model.options.widths=[16]", "--json").document
    assert wide["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    for assignment, words in (
        ("model.options.widths=0", "widths must be whole numbers"),
        ("training.epochs=3", "--set takes model.options.NAME=VALUE here"),
    ):
        refused = tdl(*given, "--set", assignment)
        assert (refused.status, refused.out) == (2, "")
        assert words in refused.err


def test_lr_find_gives_the_curve_and_what_to_take(tdl: Tdl, home: Path) -> None:
    chosen = ["lr-find", "--dataset", "blobs", "--device", "cpu", "--set", "training.threads=1", "--steps", "60"]
    document = tdl(*chosen, "--json").document
    assert document.keys() == {"lr", "loss", "suggestion"}
    assert len(document["lr"]) == len(document["loss"]) <= 60
    assert document["suggestion"] in document["lr"]
    shown = tdl(*chosen)
    assert shown.status == 0
    assert f"--set optimizer.lr={document['suggestion']:.1e}\n" in shown.out
    assert shown.out.count("← steepest descent") == 1
    assert not home.exists()


def test_lr_find_says_what_cannot_fit(tdl: Tdl) -> None:
    refused = tdl("lr-find", "--device", "cpu", "--set", "model.options.widths=[60000,60000,60000,60000,60000,60000]")
    assert (refused.status, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert "too little memory" in refused.err


def test_data_show_draws_examples_and_counts_classes(tdl: Tdl, home: Path) -> None:
    document = tdl("data", "show", "digits", "--count", "5", "--json").document
    assert (document["dataset"], document["kind"], document["input"]) == ("digits", "image", [1, 8, 8])
    assert len(document["samples"]) == 5
    assert len(document["samples"][0]["input"]) == 64
    assert sum(document["counts"]) == document["examples"] == 1797
    pictures = tdl("data", "show", "digits", "--count", "2").out
    assert pictures.startswith("classification, image 1×8×8, 10 classes, 1,797 examples\n")
    assert "█" in pictures
    assert "\x1b" not in pictures  # no terminal, no colours
    assert "Examples a class" in pictures
    table = tdl("data", "show", "iris").out
    assert "petal" in table
    assert "versicolor" in table
    assert "Examples a class" not in tdl("data", "show", "diabetes").out
    larger = tdl("data", "show", "digits", "--set", "data.options.image_size=16", "--json").document
    assert larger["input"] == [1, 16, 16]
    assert not home.exists()


@pytest.mark.parametrize("name", ["mnist1d", "moons", "karate", "text"])
def test_data_of_every_kind_is_shown(tdl: Tdl, name: str) -> None:
    shown = tdl("data", "show", name, "--count", "4")
    assert shown.status == 0, shown.err
    assert len(shown.out.splitlines()) > 4


def test_version_and_help(tdl: Tdl) -> None:
    assert tdl("--version").out.startswith("tdl ")
    shown = tdl("--help")
    assert shown.status == 0
    for name in VERBS:
        assert f"\n  {name} " in shown.out
        assert tdl(name, "--help").status == 0


def test_every_verb_but_the_workbenchs_takes_json(tdl: Tdl) -> None:
    for name in VERBS.keys() - {"data"}:
        assert ("--json" in tdl(name, "--help").out) == (name not in ("new", "open"))


# completion


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tdl tr", {"train"}),
        ("tdl train --dataset dig", {"digits"}),
        ("tdl train --model lst", {"lstm"}),
        ("tdl models rn", {"rnn"}),
        ("tdl train --device cu", {"cuda", "cuda:0"}),
        ("tdl lr-", {"lr-find"}),
        ("tdl lr-find --dataset dig", {"digits"}),
        ("tdl data sh", {"show"}),
        ("tdl data show mo", {"moons"}),
        ("tdl show som", {"some"}),
        ("tdl rm la", {"last"}),
    ],
)
def test_the_shell_completes_names(
    tdl: Tdl, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, line: str, expected: set[str]
) -> None:
    make_run("some")
    monkeypatch.setenv("_TDL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    assert set(tdl().out.split()) >= expected
    assert all(word.startswith(line.rsplit(maxsplit=1)[-1]) for word in tdl().out.split())


def test_doctor_gives_each_finding_a_mark(tdl: Tdl, home: Path) -> None:
    result = tdl("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(result.out)["findings"]}
    assert findings.keys() >= {"tdl", "python", "torch", "packages", "cpu", "memory", "terminal", "home", "space"}
    assert {finding["mark"] for finding in findings.values()} <= {"ok", "!", "✗"}
    assert all(finding["advice"] for finding in findings.values() if finding["mark"] != "ok")
    assert str(home) in findings["home"]["text"]
    assert not home.exists()
    home.write_text("a file")
    broken = tdl("doctor")
    assert broken.status == 1
    assert "\n✗  home" in broken.out
