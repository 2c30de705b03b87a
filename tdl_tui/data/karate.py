"""Zachary's karate club: who met whom outside of it, and which side each took when it broke in two.

Members and weights are those of W. W. Zachary, An Information Flow Model for Conflict and Fission in Small Groups,
Journal of Anthropological Research 33 (1977): an edge where two met outside of lessons, its weight in how many of eight
kinds of places (figure 3 there). The paper counts members from 1, this file from 0: 0 is the instructor, "Mr. Hi", 33
the club's president, "the Officer".
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from tdl_tui.registry import DATASETS, Options

from .dataset import Dataset, Report, ignore

LEADERS = (0, 33)
WITH_MR_HI = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21)
# of each member, those that come after them, and the weight
EDGES: dict[int, dict[int, int]] = {
    0: {1: 4, 2: 5, 3: 3, 4: 3, 5: 3, 6: 3, 7: 2, 8: 2, 10: 2, 11: 3, 12: 1, 13: 3, 17: 2, 19: 2, 21: 2, 31: 2},
    1: {2: 6, 3: 3, 7: 4, 13: 5, 17: 1, 19: 2, 21: 2, 30: 2},
    2: {3: 3, 7: 4, 8: 5, 9: 1, 13: 3, 27: 2, 28: 2, 32: 2},
    3: {7: 3, 12: 3, 13: 3},
    4: {6: 2, 10: 3},
    5: {6: 5, 10: 3, 16: 3},
    6: {16: 3},
    8: {30: 3, 32: 3, 33: 4},
    9: {33: 2},
    13: {33: 3},
    14: {32: 3, 33: 2},
    15: {32: 3, 33: 4},
    18: {32: 1, 33: 2},
    19: {33: 1},
    20: {32: 3, 33: 1},
    22: {32: 2, 33: 3},
    23: {25: 5, 27: 4, 29: 3, 32: 5, 33: 4},
    24: {25: 2, 27: 3, 31: 2},
    25: {31: 7},
    26: {29: 4, 33: 2},
    27: {33: 4},
    28: {31: 2, 33: 2},
    29: {32: 4, 33: 2},
    30: {32: 3, 33: 3},
    31: {32: 4, 33: 4},
    32: {33: 5},
}


def karate(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """34 members, each an example: first the two leaders, whose side is known, then all others.

    An input is a member's number. The context holds "adjacency" (34, 34), the weights of edges or, without `weighted`,
    1 for each, and "features", the identity: nothing is known of a member but whom they met.
    """
    shape = DATASETS["karate"].describe(options)
    nodes, _ = shape.graph
    members = torch.tensor([*LEADERS, *(member for member in range(nodes) if member not in LEADERS)])
    sides = torch.ones(nodes, dtype=torch.int64)
    sides[list(WITH_MR_HI)] = 0
    context = {"adjacency": _adjacency(nodes, bool(options["weighted"])), "features": torch.eye(nodes)}
    return Dataset(members[:, None], sides[members], shape, shape.fixed_test, context)


def _adjacency(nodes: int, weighted: bool) -> Tensor:
    adjacency = torch.zeros(nodes, nodes)
    for member, others in EDGES.items():
        for other, weight in others.items():
            adjacency[member, other] = adjacency[other, member] = weight if weighted else 1
    return adjacency
