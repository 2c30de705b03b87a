"""Takes the pictures in the documentation: drives the workbench by keys, on a real training, and exports its screen.

Run it with `make pictures`. The training is LeNet-5 on the digits, enlarged to 28×28.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from tdl_tui.runs.home import run_folders
from tdl_tui.runs.reader import RunReader
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.run import RunScreen

FOLDER = Path(__file__).resolve().parent / "pictures"
SIZE = (120, 38)
EXPERIMENT = {
    "name": "lenet on digits",
    "data": {"dataset": "digits", "options": {"image_size": 28}},
    "model": {"architecture": "lenet5", "options": {"activation": "relu", "pooling": "max"}},
    "schedule": {"name": "cosine", "warmup_steps": 100},
    "training": {"epochs": 100},
}
SECONDS = 300.0


async def until(condition: Callable[[], bool], pilot: Pilot[None]) -> None:
    """Waits until the condition holds. Raises TimeoutError after some minutes."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await pilot.pause(0.25)


def save(pilot: Pilot[None], name: str) -> None:
    (FOLDER / f"{name}.svg").write_text(pilot.app.export_screenshot(title=f"tdl · {name}"), encoding="utf-8")
    print(f"docs/pictures/{name}.svg", file=sys.stderr)


async def take(home: Path) -> None:
    app = Workbench(home, None, EXPERIMENT)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: "working it out" not in shown(pilot) and "in all" in shown(pilot), pilot)
        save(pilot, "new")
        await pilot.press("ctrl+l")
        await until(lambda: bool(run_folders(home)), pilot)
        reader = RunReader(run_folders(home)[0])
        await until(lambda: reader.summary().progress.epoch >= 30, pilot)
        await pilot.press("n", "n", "n")
        await pilot.pause(1.5)
        save(pilot, "run")
        await pilot.press("home", "right", "right")
        await until(lambda: isinstance(pilot.app.screen, RunScreen) and looks_back(pilot.app.screen), pilot)
        await pilot.pause(1.5)
        save(pilot, "back")
        await pilot.press("end")
        await until(lambda: not reader.summary().state.live, pilot)
        reader.close()
        await pilot.press("escape")
        await pilot.pause(1.5)
        save(pilot, "runs")
    app.close_spare()


def looks_back(screen: RunScreen) -> bool:
    return screen.snapshot is not None and screen.snapshot.at is not None


def shown(pilot: Pilot[None]) -> str:
    screen = pilot.app.screen
    return "\n".join("".join(segment.text for segment in line) for line in screen._compositor.render_strips())


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(take(Path(folder)))


if __name__ == "__main__":
    main()
