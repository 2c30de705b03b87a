"""How windows change the size of a picture. Imports no torch: the catalog asks it what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Sides = tuple[int, int]


def windows(side: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """At how many places a window of that length stands on a side with `padding` zeros on each edge; 0: at none."""
    return max((side + 2 * padding - kernel) // stride + 1, 0)


def scaled(channels: int, width: float) -> int:
    """That share of the published channels, at least one."""
    return max(1, round(channels * width))


@dataclass(frozen=True, slots=True)
class Stage:
    """One convolution of a free stack: the sides (height, width) that reach it, that leave it, and whether a 2×2
    pooling halves those."""

    reached: Sides
    convolved: Sides
    pooled: bool

    @property
    def left(self) -> Sides:
        """The sides that leave the stage."""
        height, width = self.convolved
        return (height // 2, width // 2) if self.pooled else self.convolved


def stages(sides: Sides, count: int, kernel: int, stride: int, padding: int, pool_every: int) -> Iterator[Stage]:
    """The stages of so many convolutions one after the other.

    A padding of -1 is half the kernel. Every `pool_every` convolutions the picture is halved where both of its sides
    are 2 at least; 0: never.
    """
    padding = kernel // 2 if padding < 0 else padding
    for number in range(1, count + 1):
        height, width = (windows(side, kernel, stride, padding) for side in sides)
        due = pool_every > 0 and number % pool_every == 0
        stage = Stage(sides, (height, width), due and min(height, width) >= 2)
        yield stage
        sides = stage.left


def written(sides: Sequence[int]) -> str:
    """A size as people write it: 8×8."""
    return "×".join(map(str, sides))
