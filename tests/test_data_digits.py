"""The digits: an honest split, and light that survives resizing."""

from __future__ import annotations

import pytest
import torch

from suite.data.source import MEAN, STD, load
from suite.data.split import divided
from variants.contract import Grid


def test_a_fifth_of_each_digit_is_held_out() -> None:
    source = load("digits", "classification")
    train, test = source.count("train"), source.count("test")
    assert train + test == 1797 and test / 1797 == pytest.approx(0.2, abs=0.002)
    _, labels = source.batch("test", range(test), Grid(8, 8))
    assert labels.bincount().tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    assert source.chance(Grid(8, 8)) == 37 / test
    assert source.ceiling(Grid(8, 8)) is None


def test_digits_have_eight_pixels_a_side() -> None:
    source = load("digits", "classification")
    assert source.native("test") == 8
    assert [source.upsampled("test", size) for size in (Grid(8, 8), Grid(4, 9), Grid(16, 16))] == [1, 1.125, 2]


def test_the_split_knows_no_seed() -> None:
    first, second = (load("digits", "classification", seed).batch("test", range(9), Grid(8, 8)) for seed in (0, 1))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_light_is_normalised_and_its_mean_survives_resizing() -> None:
    source = load("digits", "classification")
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    small, large = (source.batch("train", range(20), size)[0] * std + mean for size in (Grid(8, 8), Grid(48, 64)))
    assert large.shape == (20, 3, 48, 64)
    assert -1e-6 < large.min() and large.max() < 1 + 1e-6
    torch.testing.assert_close(small[:, 0], small[:, 2], rtol=0, atol=1e-6)
    torch.testing.assert_close(small.mean((1, 2, 3)), large.mean((1, 2, 3)), rtol=0.05, atol=0)


def test_train_and_test_share_nothing_and_lose_nothing() -> None:
    names = [f"{group}/{place}" for group in range(3) for place in range(10 + group)]
    groups = [int(name[0]) for name in names]
    train, test = divided(names, groups)
    assert sorted(train + test) == list(range(len(names)))
    assert [sum(groups[place] == group for place in test) for group in range(3)] == [2, 2, 2]
    backwards = divided(names[::-1], groups[::-1])[1]
    assert {names[::-1][place] for place in backwards} == {names[place] for place in test}


def test_a_class_of_one_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match=r"^b/only\.png is the only image of its class: add another"):
        divided(["a/1.png", "a/2.png", "b/only.png"], [0, 0, 1])
