"""What stands beside the form: what would be trained, as lines of text. Pure functions of the spare's answers.

Which parts are shown, and which of them has the most room, follows the section of the form one is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from textual.strip import Strip

from tdl_tui.registry import DataShape, LossEntry, OptimizerEntry, Options, ScheduleEntry
from tdl_tui.widgets.lines import PLAIN, Piece, blank, height_of, ink, line
from tdl_tui.widgets.numbers import grouped
from tdl_tui.widgets.palette import Palette
from tdl_tui.worker.answers import SamplesAnswer, SummaryAnswer

from .preview_lines import headed
from .preview_network import draw_network
from .preview_objective import draw_objective
from .preview_samples import draw_counts, draw_samples
from .preview_training import draw_cost, draw_schedule


@dataclass(frozen=True)
class Preview:
    """What is known now. `waiting` says what newer answers wait for; the problems say why there are none.

    `section` is the heading of the form under which the cursor stands; `top` the first layer shown of a long network.
    """

    shape: DataShape | None = None
    epochs: int = 0
    summary: SummaryAnswer | None = None
    samples: SamplesAnswer | None = None
    summary_problem: str = ""
    samples_problem: str = ""
    waiting: str = ""
    section: str = ""
    top: int = 0
    loss: LossEntry | None = None
    loss_options: Options = field(default_factory=dict)
    optimizer: OptimizerEntry | None = None
    schedule: ScheduleEntry | None = None


Part = Callable[[Preview, int, int, Palette], list[Strip]]
"""Draws in at most so many lines (width, lines, colours); nothing where there is too little room or to say."""


def _samples(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    most = 12 if height < 40 else 18
    return draw_samples(preview.samples, preview.samples_problem, preview.shape, width, min(most, height), colors)


def _counts(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    return draw_counts(preview.samples, width, min(12, height), colors)


def _network(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    return draw_network(preview.summary, preview.summary_problem, preview.top, width, height, colors)


def _objective(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    return draw_objective(preview.loss, preview.loss_options, width, min(16, height), colors)


def _schedule(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    summary, problem = preview.summary, preview.summary_problem
    return draw_schedule(summary, problem, preview.schedule, width, min(16, height), colors)


def _cost(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    return draw_cost(preview.summary, preview.summary_problem, preview.epochs, width, height, colors)


_PARTS: dict[str, tuple[Part, ...]] = {
    "Data": (_samples, _counts, _network),
    "Architecture": (_network, _samples),
    "Objective": (_objective, _network),
    "Optimizer": (_schedule, _network),
    "Schedule": (_schedule, _network),
    "Training": (_cost, _network),
}
_OTHERWISE: tuple[Part, ...] = (_cost, _network, _samples)
LEAST = 4
"""Lines below which no part is begun."""


def draw_preview(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    """The data, then what belongs to the section, then what else there is room for, in at most `height` lines."""
    out = [headed("Examples", preview.waiting, width, colors), *_data_lines(preview, width, colors)]
    for part in _PARTS.get(preview.section, _OTHERWISE):
        room = height - len(out) - 1
        if room < LEAST:
            break
        if drawn := part(preview, width, room, colors):
            out += [blank(width), *drawn]
    return out[:height]


def network_room(preview: Preview, width: int, height: int, colors: Palette) -> int:
    """Lines for the network where it comes first."""
    return height - len(_data_lines(preview, width, colors)) - 2


def shape_in_words(shape: DataShape) -> str:
    """What one example is: "pictures of 8×8, grey", "sequences of 40 × 1", "rows of 13 features"."""
    match shape.kind, shape.input:
        case "image", (channels, height, width):
            return f"pictures of {height}×{width}, {'grey' if channels == 1 else f'{channels} channels'}"
        case "sequence", (steps, features):
            return f"sequences of {steps} × {features}"
        case "text", (steps,):
            return f"texts of {steps} tokens"
        case "graph", _:
            return f"nodes with {shape.graph[1]} features each"
        case _, (features,):
            return f"rows of {features} features"
        case _:
            return "×".join(map(str, shape.input))


def _data_lines(preview: Preview, width: int, colors: Palette) -> list[Strip]:
    shape, summary = preview.shape, preview.summary
    if shape is None:
        return [blank(width), blank(width), blank(width)]
    numbers = "a number" if shape.outputs == 1 else f"{shape.outputs} numbers"
    said = [(grouped(shape.examples), shape_in_words(shape))]
    each = " at every step" if shape.steps else ""
    classes = "tokens" if shape.kind == "text" and shape.outputs == len(shape.classes) else "classes"
    said.append(
        (str(shape.outputs), f"{classes}{each}") if shape.task == "classification" else (numbers, f"to predict{each}")
    )
    if summary is not None:
        steps = summary.steps_per_epoch
        said += [(grouped(summary.training_examples), "to train on"), (grouped(steps), "steps an epoch")]
        said.append((grouped(steps * preview.epochs), "steps in all"))
    lines = _flow(said, width, colors)
    steady = 3 if width < 54 else 2 if width < 108 else 1  # so that nothing jumps when the answer comes
    return height_of(lines, width, max(steady, len(lines)))


def _flow(said: Sequence[tuple[str, str]], width: int, colors: Palette) -> list[Strip]:
    """Figures with what they are of, on as many lines as it takes to cut none."""
    rows: list[list[Piece]] = [[]]
    used = 0
    for figure, of in said:
        length = len(figure) + len(of) + 1
        if rows[-1] and used + 3 + length > width:
            rows.append([])
            used = 0
        if rows[-1]:
            rows[-1].append(("   ", PLAIN))
            used += 3
        rows[-1] += [(f"{figure} ", ink(colors.text)), (of, ink(colors.muted))]
        used += length
    return [line(row, width) for row in rows]
