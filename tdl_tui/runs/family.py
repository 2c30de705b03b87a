"""Which run was forked from which: the order and the branches of a tree of runs."""

from __future__ import annotations

from collections.abc import Sequence

from .records import Summary

DEEPEST = 4
"""Levels that are drawn; what lies deeper stands at the last."""


def in_families(runs: Sequence[Summary]) -> list[Summary]:
    """The runs, each right below what it was forked from, or below an elder child's family; else they keep their order.

    A family, a run with all that came of it, stands where the first of its members stood. A run whose parent is not
    among the runs is the head of its own.
    """
    parents = _parents(runs)
    first: dict[str, int] = {}
    for at, run in enumerate(runs):
        member: str | None = run.id
        while member is not None and member not in first:
            first[member] = at
            member = parents[member]
    children: dict[str | None, list[Summary]] = {}
    for run in sorted(runs, key=lambda run: first[run.id]):
        children.setdefault(parents[run.id], []).append(run)
    ordered: list[Summary] = []
    waiting = children.get(None, [])[::-1]
    while waiting:
        run = waiting.pop()
        ordered.append(run)
        waiting += children.get(run.id, [])[::-1]
    return ordered


def branches(runs: Sequence[Summary]) -> list[str]:
    """For each of runs in such an order what is drawn before its name: "" for the head of a family, else lines that
    lead to it from its parent."""
    parents = _parents(runs)
    depths: dict[str, int] = {}
    for run in runs:
        parent = parents[run.id]
        depths[run.id] = 0 if parent is None else min(DEEPEST, depths.get(parent, 0) + 1)
    drawn: list[str] = []
    open_below = [False] * (DEEPEST + 1)  # whether another child follows at a level
    for run in reversed(runs):
        depth = depths[run.id]
        if depth:
            through = "".join("│ " if open_below[level] else "  " for level in range(1, depth))
            drawn.append(f"{through}{'├─' if open_below[depth] else '└─'}")
        else:
            drawn.append("")
        open_below[depth] = depth > 0
        open_below[depth + 1 :] = [False] * (DEEPEST - depth)
    return drawn[::-1]


def _parents(runs: Sequence[Summary]) -> dict[str, str | None]:
    """The parent of each, where it is among the runs; a run that would be its own forebear has none."""
    ids = {run.id for run in runs}
    parents = {run.id: run.parent.run if run.parent and run.parent.run in ids else None for run in runs}
    for run in runs:
        seen, member = {run.id}, parents[run.id]
        while member is not None:
            if member in seen:
                parents[run.id] = None
                break
            seen.add(member)
            member = parents[member]
    return parents
