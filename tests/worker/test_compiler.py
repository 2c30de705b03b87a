"""The compiler stack is put off: nothing trains differently, and whoever needs it gets the real one."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAIN = """
import sys
import torch
if {put_off}:
    from tdl_tui.worker import compiler
    compiler.put_off()
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
for make in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
    optimizer = make(model.parameters(), lr=0.1, fused=True)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.linspace(0, 1, 12).reshape(3, 4)).square().sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
"""


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def weights() -> str:
    return run(TRAIN.format(put_off=False) + "print([p.tolist() for p in model.parameters()])")


def test_training_is_the_same_and_imports_no_compiler(weights: str) -> None:
    program = TRAIN.format(put_off=True) + "print([p.tolist() for p in model.parameters()])\n"
    program += "assert not any(name.startswith(('torch._dynamo.', 'sympy')) for name in sys.modules)"
    assert run(program) == weights


def test_compiling_brings_the_real_one_in() -> None:
    program = TRAIN.format(put_off=True)
    program += "print(torch.compile(lambda x: x + 1, backend='eager')(torch.zeros(1)).item())\n"
    program += "import torch._dynamo.config\n"
    program += "print(sys.modules['torch._dynamo'] is torch._dynamo, hasattr(torch._dynamo, '__path__'))\n"
    program += "optimizer.step()"
    assert run(program).split() == ["1.0", "True", "True"]


def test_importing_a_part_of_it_brings_the_real_one_in() -> None:
    program = TRAIN.format(put_off=True)
    program += "from torch._dynamo.utils import counters\nprint(type(sys.modules['torch._dynamo']).__name__)"
    assert run(program).strip() == "module"
