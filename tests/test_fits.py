"""What a memory holds: found by bisection and by arithmetic, and so that the next size or image is too much."""

from __future__ import annotations

from dataclasses import replace

import fakes
import pytest
from sweeps import axes, pretend

from suite.fits import MOST, STEP, Fit, fits, largest
from suite.simulate import Simulated, simulate
from variants.contract import Grid

TINY = fakes.find("tiny")


def found(memory: int, *sides: int, design: fakes.Fake = TINY, **changes: object) -> list[Fit]:
    return fits([design], replace(axes(*sides), **changes), memory, pretend)  # type: ignore[arg-type]  # as named


def needed(side: int, images: int = 1) -> int:
    """What `pretend` says of inference."""
    return 100 * side**2 * images + 1000


@pytest.mark.parametrize("side", [STEP, 224, 1024, MOST])
def test_the_largest_square_fits_and_one_byte_less_does_not_hold_it(side: int) -> None:
    (exact,), (less,) = found(needed(side), 32), found(needed(side) - 1, 32)
    assert (exact.largest, less.largest) == (side, side - STEP)


def test_the_largest_batch_fits_and_one_byte_less_does_not_hold_it() -> None:
    (exact,), (less,) = found(needed(64, 7), 64, 512), found(needed(64, 7) - 1, 64, 512)
    assert exact.batches == {"64": 7, "512": 0}
    assert less.batches["64"] == 6


def test_every_mode_backend_and_decoder_is_a_row() -> None:
    tasks = ("classification", "segmentation")
    rows = found(
        10**8, 32, tasks=tasks, modes=("inference", "train"), backends=("sdpa", "math"), decoders=("", "naive", "pup")
    )
    assert len(rows) == 4 + 3 * 4
    assert len(found(10**8, 32, memory_formats=("contiguous", "channels_last"))) == 2
    assert {r.case.decoder for r in rows if r.reason} == {"pup"}
    sides = {r.case.mode: r.largest for r in rows if not r.reason}
    assert sides["train"] < sides["inference"]


@pytest.mark.parametrize("most", [1, 2, 3, 64, 1000])
def test_a_batch_is_found_where_the_need_bends(most: int) -> None:
    """As in training: few images need most beside the gradients, many need most before there are any."""

    def bent(n: int) -> int:
        return max(1000 + 3 * n, 7 * n - 20)

    assert largest(bent, bent(most)) == most
    assert largest(bent, bent(most) - 1) == most - 1


@pytest.mark.parametrize("memory", range(1, 12))
def test_where_the_need_falls_what_is_found_fits_and_the_next_does_not(memory: int) -> None:
    """As that of `nystrom`, which in training needs less at 160 pixels than at 128."""
    needs = {1: 2, 2: 4, 3: 3, 4: 7, 5: 9, 6: 8, 7: 10}
    found = largest(lambda n: needs[n], memory, (1, 7), 7, power=2)
    assert found == 0 or needs[found] <= memory
    assert found == 7 or needs[found + 1] > memory


@pytest.mark.parametrize("power", [1, 2, 4])
def test_few_are_looked_at_on_the_way(power: int) -> None:
    looked: list[int] = []

    def needed(n: int) -> int:
        looked.append(n)
        return 10**6 + 1000 * n**power

    assert largest(needed, needed(100) + 1, (7, 32), 256, power=2) == 100
    assert len(looked) < 16
    assert largest(needed, 10**15, (7, 32), 256, power=2) == 256
    assert largest(needed, 10**6, (7, 32), 256, power=2) == 0


def test_real_networks_are_simulated_as_they_are_asked_for() -> None:
    asked = replace(axes(32), modes=("train",))
    (row,) = fits([TINY], asked, 30_000_000)
    sides = [simulate(TINY, "classification", 4, Grid(n, n), mode="train") for n in (row.largest, row.largest + STEP)]
    assert sides[0].needed_bytes <= 30_000_000 < sides[1].needed_bytes
    images = row.batches["32"]
    many = [simulate(TINY, "classification", 4, Grid(32, 32), n, "train") for n in (images, images + 1)]
    assert many[0].needed_bytes <= 30_000_000 < many[1].needed_bytes


def test_what_does_not_go_has_its_reason_and_the_others_go_on() -> None:
    rows = found(10**8, 32, layouts=("pyramid", "bottleneck"))
    assert [bool(r.reason) for r in rows] == [False, True]
    assert rows[1].case.layout == "bottleneck" and "choose isotropic or pyramid" in rows[1].reason

    def broken(design: fakes.Fake, mode: str, **work: object) -> Simulated:
        if mode == "train":
            raise RuntimeError("no such kernel")
        return pretend(design, mode=mode, **work)  # type: ignore[arg-type]  # passed on as it came

    sound, row = fits([TINY], replace(axes(32), modes=("inference", "train")), 10**8, broken)
    assert "no such kernel" in row.reason and not sound.reason


def test_nothing_that_applies_is_an_error() -> None:
    with pytest.raises(ValueError, match="choose none"):
        found(10**8, 32, positions=("rotary",))


@pytest.mark.parametrize(
    ("flag", "asked"),
    [("scope", {"scopes": ("mixer",)}), ("batch", {"batches": (8,)}), ("batch", {"batches": ("max",)}),
     ("compile", {"compiles": (True,)}), ("compile", {"compiles": (False, True)})],
)  # fmt: skip
def test_what_a_fit_cannot_be_of_is_refused(flag: str, asked: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"leave out --{flag}$"):
        found(10**8, 32, **asked)
