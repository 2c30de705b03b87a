"""The generator against the authors' package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mnist1d.data import get_dataset_args, make_dataset

from tdl_tui.data.mnist1d import generate


@pytest.mark.parametrize(
    ("seed", "theirs", "ours"),
    [
        (42, {}, {}),
        (
            7,
            {
                "shuffle_seq": True,
                "max_translation": 9,
                "scale_coeff": 0.9,
                "iid_noise_scale": 0.3,
                "corr_noise_scale": 0.6,
                "shear_scale": 0.1,
            },
            {
                "shuffled": True,
                "translation": 9,
                "scale": 0.9,
                "noise": 0.3,
                "correlated_noise": 0.6,
                "shear": 0.1,
            },
        ),
    ],
)
def test_gives_the_numbers_of_the_authors_package(seed: int, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    arguments = get_dataset_args()
    vars(arguments).update(theirs, seed=seed)
    expected = make_dataset(arguments)
    sequences, labels = generate(seed, **ours)
    assert np.allclose(sequences, np.concatenate([expected["x"], expected["x_test"]]), rtol=0, atol=1e-12)
    assert np.array_equal(labels, np.concatenate([expected["y"], expected["y_test"]]))


def test_leaves_numpys_own_random_state_alone() -> None:
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    generate(0)
    assert np.random.rand() == expected
