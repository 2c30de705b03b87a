"""`tdl doctor`: what this machine, terminal and home folder offer, and what would be right. Imports no torch."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tdl_tui.cli import DONE, FAILED
from tdl_tui.runs.home import HomeError, find_home, run_folders
from tdl_tui.widgets.numbers import size

from .doctor_machine import LEAST_FREE, machine
from .findings import BAD, CAUTION, GOOD, Finding
from .options import Json
from .reports import print_json, say

PACKAGES = ("textual", "rich", "pillow", "numpy", "scikit-learn", "pydantic", "typer")
NETWORK_FILESYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "lustre", "afs", "beegfs", "gpfs")
LEAST_COLUMNS, LEAST_LINES = 80, 24


def doctor(as_json: Json = False) -> int:
    """Look at devices, terminal, home folder and versions."""
    findings = examine()
    if as_json:
        print_json({"findings": [finding.document() for finding in findings]})
    else:
        say("\n".join(finding.line for finding in findings))
    return FAILED if any(finding.mark == BAD for finding in findings) else DONE


def examine() -> list[Finding]:
    """Everything, in the order in which it is told."""
    return [*_versions(), *machine(), *terminal(os.environ, sys.stdout.isatty()), *_home()]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> Iterator[Finding]:
    yield Finding("tdl", GOOD, _installed("tdl-tui") or "from source")
    yield Finding("python", GOOD, f"{platform.python_version()} at {sys.executable}")
    torch = _installed("torch")
    if torch is None:
        yield Finding("torch", BAD, "not installed", "make run installs it, or pip install torch")
    else:
        beside = _installed("torchvision")
        text = f"{torch}{f', torchvision {beside}' if beside else ''}"
        advice = "" if beside else "downloaded data sets need torchvision"
        yield Finding("torch", GOOD if beside else CAUTION, text, advice)
    missing = [package for package in PACKAGES if _installed(package) is None]
    text = ", ".join(f"{package} {_installed(package)}" for package in PACKAGES if package not in missing)
    advice = f"pip install {' '.join(missing)}" if missing else ""
    yield Finding("packages", BAD if missing else GOOD, f"{text}, SQLite {sqlite3.sqlite_version}", advice)


def terminal(environment: Mapping[str, str], is_terminal: bool) -> Iterator[Finding]:
    """Size, colours, Unicode and pictures, from what the terminal says of itself in the environment."""
    if not is_terminal:
        yield Finding("terminal", CAUTION, "standard output is none", "the workbench needs one")
        return
    columns, lines = shutil.get_terminal_size()
    kind = environment.get("TERM", "")
    text = f"{columns}×{lines}, TERM={kind or 'not set'}{_inside(environment)}"
    if columns < LEAST_COLUMNS or lines < LEAST_LINES:
        yield Finding("terminal", CAUTION, text, f"at least {LEAST_COLUMNS}×{LEAST_LINES} shows everything")
    elif kind in ("", "dumb"):
        yield Finding("terminal", BAD, text, "set TERM to what the terminal is, as xterm-256color")
    else:
        yield Finding("terminal", GOOD, text)
    colours = colours_of(environment)
    advice = {
        0: "NO_COLOR is set or TERM has none; everything is marked by signs too",
        16: "TERM=xterm-256color, if it can",
    }
    yield Finding("colours", CAUTION if colours in advice else GOOD, _colour_words(colours), advice.get(colours, ""))
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    utf8 = encoding == "utf8"
    text = "can be shown" if utf8 else f"the encoding is {encoding or 'unknown'}"
    yield Finding("unicode", GOOD if utf8 else BAD, text, "" if utf8 else "export LANG=C.UTF-8")
    yield Finding("pictures", GOOD, graphics_of(environment))


def colours_of(environment: Mapping[str, str]) -> int:
    """How many colours the terminal says it has: 0, 16, 256 or 2²⁴."""
    kind = environment.get("TERM", "")
    if environment.get("NO_COLOR") or kind in ("", "dumb", "vt100", "vt220"):
        return 0
    direct = kind.endswith("-direct") or re.search("kitty|ghostty|foot|alacritty|wezterm", kind)
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or direct:
        return 1 << 24
    return 256 if "256" in kind else 16


def _colour_words(colours: int) -> str:
    return {0: "none", 1 << 24: "16 million"}.get(colours, str(colours))


def graphics_of(environment: Mapping[str, str]) -> str:
    """What the terminal is likely to draw pictures with."""
    kind, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or kind.startswith(("screen", "tmux")):
        return "half blocks (tmux and screen pass no graphics on)"
    if "KITTY_WINDOW_ID" in environment or "kitty" in kind or "ghostty" in kind or program == "ghostty":
        return "Kitty's graphics"
    if program in ("WezTerm", "iTerm.app") or kind.startswith(("foot", "mlterm", "contour")):
        return "Sixel graphics"
    return "half blocks, unless the terminal says that it can do more"


def _inside(environment: Mapping[str, str]) -> str:
    within = [word for name, word in (("TMUX", "tmux"), ("SSH_CONNECTION", "SSH")) if name in environment]
    return f", over {' and '.join(within)}" if within else ""


def _home() -> Iterator[Finding]:
    try:
        home = find_home()
        runs = len(run_folders(home))
    except (HomeError, OSError) as error:
        yield Finding("home", BAD, str(error), "set TDL_HOME to a folder that can be written")
        return
    why = "TDL_HOME" if os.environ.get("TDL_HOME") else ".tdl here or above" if home.name == ".tdl" else "the default"
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    made = f"{runs} runs" if there == home else "made at the first training"
    text = f"{home} ({why}), {made}"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding("home", BAD, f"{text}; {there} cannot be written", "set TDL_HOME to a folder that can be")
        return
    yield Finding("home", GOOD, text)
    free = shutil.disk_usage(there).free
    short = free < LEAST_FREE
    yield Finding("space", CAUTION if short else GOOD, f"{size(free)} free", "remove runs: tdl rm" if short else "")
    kind = filesystem_of(there)
    if kind in NETWORK_FILESYSTEMS:
        advice = "writing is slower there; TDL_HOME on a local disk is better"
        yield Finding("filesystem", CAUTION, f"{kind}, over the network", advice)
    elif kind:
        yield Finding("filesystem", GOOD, kind)


def filesystem_of(folder: Path) -> str:
    """The kind of the filesystem that holds a folder; "" where it cannot be told."""
    import psutil

    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((mounts[place] for place in (folder, *folder.resolve().parents) if place in mounts), "")
