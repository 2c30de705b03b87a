"""Randomness as a function of names and numbers, not as a stream: what was drawn before never matters."""

from __future__ import annotations

from hashlib import blake2b

import torch


def generator(purpose: str, *numbers: int) -> torch.Generator:
    """A CPU generator that depends on `purpose` and `numbers` alone, such as ("order", seed, epoch).

    Equal arguments give equal draws; different ones give unrelated draws. Numbers may be of any size.
    """
    key = "/".join([purpose, *map(str, numbers)])
    seed = int.from_bytes(blake2b(key.encode(), digest_size=7).digest(), "big")
    return torch.Generator().manual_seed(seed)
