"""How many examples a part has and how many steps an epoch: plain arithmetic, so that forms can show it. No torch."""

from __future__ import annotations

from typing import NamedTuple


class PartSizes(NamedTuple):
    """Numbers of examples."""

    train: int
    validation: int
    test: int


def part_sizes(
    examples: int, shares: tuple[float, float, float], fixed_test: int = 0, fixed_train: int = 0
) -> PartSizes:
    """The nearest whole numbers to the shares (training, validation, test), at least 1 where a share is above 0.

    With a test part of its own (`fixed_test` examples) the first two shares divide the rest; with a training part of
    its own (`fixed_train`) too, what neither takes is for validation. Raises ValueError, with one line, where too few
    examples are left for training.
    """
    if fixed_train:
        return PartSizes(fixed_train, examples - fixed_train - fixed_test, fixed_test)
    train_share, validation_share, test_share = shares
    test = fixed_test or _part(examples, test_share)
    divided = train_share + validation_share if fixed_test else 1.0
    validation = _part(examples - fixed_test, validation_share / divided)
    train = examples - test - validation
    if train < 1:
        raise ValueError(
            f"{examples} examples are too few for shares of {train_share:g}, {validation_share:g} and {test_share:g}"
        )
    return PartSizes(train, validation, test)


def _part(examples: int, share: float) -> int:
    return max(1, round(examples * share)) if share > 0 else 0


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches in a pass over the training part; with a `batch_size` of 0 the whole part is one.

    The last one is smaller, but never of one example alone where the one before can take it along: normalisation over
    a batch needs two.
    """
    steps = -(-examples // (batch_size or examples))
    return steps - 1 if steps > 1 and batch_size > 1 and examples % batch_size == 1 else steps
