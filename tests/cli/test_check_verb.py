"""`tdl check`: what it says, its exit status, and its document."""

from __future__ import annotations

from pathlib import Path

from command_line import MakeRun, Tdl


def test_a_home_whose_runs_are_whole(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("one")
    make_run("two")
    result = tdl("check")
    assert (result.status, result.out, result.err) == (0, "", "2 runs looked at, all well\n")
    assert tdl("check", "--json").document["home"] == []


def test_what_is_wrong_is_a_line_each_and_mended_when_asked(tdl: Tdl, make_run: MakeRun) -> None:
    run, other = make_run("one"), make_run("two")
    (run / "log.txt").chmod(0o644)
    (run / "checkpoints" / ".last.pt.part").touch(0o600)
    lines = [
        f"{run.name}: checkpoints/.last.pt.part: was left behind by a program that was killed",
        f"{run.name}: log.txt: others may get at it (mode 644, not 600)",
    ]
    result = tdl("check")
    assert (result.status, sorted(result.out.splitlines())) == (1, lines)
    assert result.err == "2 runs looked at, 2 findings, 2 not mended\n"
    assert tdl("check", other.name).status == 0
    result = tdl("check", "one", "--repair")
    assert (result.status, sorted(result.out.splitlines())) == (0, [f"{line} (mended)" for line in lines])
    assert result.err == "1 run looked at, 2 findings, all mended\n"
    assert tdl("check").status == 0


def test_its_document(tdl: Tdl, make_run: MakeRun, home: Path) -> None:
    run = make_run("one")
    (run / "run.db").write_bytes(b"nothing" * 100)
    home.chmod(0o755)
    result = tdl("check", "--json")
    assert result.status == 1
    document = result.document
    assert document["home"][0]["text"] == "others may get at it (mode 755, not 700)"
    ((entry,), text) = document["runs"], "is damaged or cannot be read: file is not a database"
    assert entry == {"run": run.name, "findings": [{"place": "run.db", "text": text, "mended": False}]}
    assert tdl("check", run.name, "--repair").status == 1


def test_no_such_run(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("one")
    result = tdl("check", "nothing")
    assert (result.status, result.out) == (2, "")
    assert 'no run "nothing"' in result.err
