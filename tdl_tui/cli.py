"""The `tdl` program: the workbench at once, or a verb; and what a person reads when something is wrong.

Exit status: 0 done, 1 failed while running, 2 asked wrongly, 130 after Ctrl-C. Errors are one line on standard error.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tdl_tui.widgets.display import Display

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


class WrongRequest(Exception):
    """What was asked cannot be done; the message says what, where, and what would be right."""


class FailedRequest(Exception):
    """What was asked was right and failed; the message says why, in one line."""


def main() -> None:
    """Carries out the command line and exits with its status."""
    os.umask(0o077)  # what it writes is its owner's alone
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    # A shell that completes a command line calls without arguments too, and says so in the environment.
    verbless = len(sys.argv) == 1 and "_TDL_COMPLETE" not in os.environ
    try:
        status = _workbench() if verbless else _verb()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except Exception as error:  # noqa: BLE001  # the last net: a fault of ours becomes one line and a report
        status = _explain(error)
    sys.exit(status)


def workbench(
    open_folder: Path | None = None, new_document: dict[str, object] | None = None, display: Display | None = None
) -> None:
    """Opens the workbench at the table of runs, at a run, or at the form. Returns when it is left.

    Without a `display` it is shown as the environment says the terminal can.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongRequest("the workbench needs a terminal; tdl --help lists what works without one")
    import signal

    from tdl_tui.runs.folders import find_home
    from tdl_tui.screens.app import run
    from tdl_tui.widgets.display import display_of, refused

    if problem := refused(os.environ):
        raise WrongRequest(problem)
    # A terminal that goes away ends the workbench also where whoever started it ignores that, as nohup does.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    run(find_home(), open_folder, new_document, display or display_of(os.environ))


def complain(message: str) -> None:
    """Says on standard error what is wrong, in one line, whatever the message holds."""
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in message)
    sys.stderr.write(f"tdl: {shown}\n")


def _workbench() -> int:
    workbench()
    return DONE


def _verb() -> int:
    from tdl_tui.verbs.app import carry_out

    return carry_out(sys.argv[1:])


def _explain(error: Exception) -> int:
    from tdl_tui.runs.home import HomeError

    if isinstance(error, (WrongRequest, HomeError)):
        complain(str(error))
        return WRONG
    if isinstance(error, FailedRequest):
        complain(str(error))
        return FAILED
    # What only a verb can raise is known only when a verb has been imported.
    if "tdl_tui.verbs.app" in sys.modules:
        from tdl_tui.plugins.faults import fault
        from tdl_tui.verbs.refusals import FAILURES, REFUSALS, in_one_line

        if isinstance(error, REFUSALS):
            complain(in_one_line(error) + _details_of(error))
            return WRONG

        if plugins := fault(error):  # of what was built in this process
            complain(plugins + _kept("".join(traceback.format_exception(error))))
            return FAILED
        if isinstance(error, FAILURES):
            complain(str(error))
            return FAILED
    _report(error)
    return FAILED


def _report(error: Exception) -> None:
    """Keeps the traceback of a fault of ours in a file, and says where."""
    summary = f"{type(error).__name__}: {error}".splitlines()[0]
    complain(f"a fault of tdl itself: {summary}{_kept(''.join(traceback.format_exception(error)))}")


def _details_of(error: Exception) -> str:
    """Keeps the traceback of a plugin's fault, where a refusal is about one."""
    details = getattr(error, "details", "") or getattr(error.__cause__, "details", "")
    return _kept(details) if details else ""


def _kept(report: str) -> str:
    """Keeps a traceback in a file, and says where."""
    for path in _places_for_a_report():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8", errors="backslashreplace", opener=_no_link) as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(sys.argv)}\n{report}\n")
        except OSError:
            continue
        return f"; the details are in {path}"
    return ""


def _no_link(path: str, flags: int) -> int:
    """Opens what is no link: in a folder that all share, anybody can have put one there."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _places_for_a_report() -> list[Path]:
    import tempfile

    from tdl_tui.runs.home import HomeError, find_home

    elsewhere = Path(tempfile.gettempdir()) / f"tdl-{os.getuid()}.log"
    try:
        return [find_home() / "tdl.log", elsewhere]
    except (HomeError, OSError):
        return [elsewhere]
