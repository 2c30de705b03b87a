"""What is asked of a running training."""

from __future__ import annotations

from tdl_tui.runs.commands import COMMANDS
from tdl_tui.training.steering import VERBS


def test_each_command_that_can_be_sent_is_carried_out_by_something() -> None:
    assert set(VERBS) == set(COMMANDS)
