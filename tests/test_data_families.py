"""What each family of scenes says of itself: what decides it, chance, ceiling; and that a rule solves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import pi

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from suite.data import observer
from suite.data.dice import Dice
from suite.data.families import acuity, contour, cue, grating, legend, parts, relation, repeat
from suite.data.noise import FIRST, SECOND, STEP, Noise, hashed, normal
from suite.data.scene import FADING, FINEST, Scene, draw
from suite.data.source import load
from suite.data.sources.scenes import Scenes
from suite.data.things import SHADE
from suite.data.told import captions
from suite.data.words import HUES, SHAPES
from suite.training import score
from variants.contract import Grid

SMALL = Grid(64, 64)


def counted(answers: Tensor, targets: Tensor, classes: int) -> tuple[float, float]:
    """mIoU, and the share of the foreground that is right."""
    counts = score.counts(answers, targets, classes)
    return score.miou(counts).value, score.foreground(counts, 0)


# ------------------------------------------------------------------------------------------------------------ grating


@pytest.mark.parametrize(("side", "expected"), [(224, 0.749), (512, 0.877), (1024, 0.984), (8, 0.25), (4096, 1.0)])
def test_the_ceiling_of_grating(side: int, expected: float) -> None:
    source = load("scenes:grating", "classification")
    assert source.ceiling(Grid(side, side)) == pytest.approx(expected, abs=5e-4)
    assert source.ceiling(Grid(2 * side, side)) == source.ceiling(Grid(side, side))
    assert source.chance(SMALL) == 0.25


def test_the_ceiling_of_grating_is_the_share_of_visible_stripes() -> None:
    waves = Scenes("grating", 5).scene("test", range(4000)).layers[0].stripes.wave.norm(dim=1)
    seen = (waves < FINEST * 224).float().mean().item()
    assert seen + (1 - seen) / 4 == pytest.approx(grating.ceiling(Grid(224, 224)), abs=0.025)


def test_stripes_too_fine_for_the_pixels_leave_no_trace() -> None:
    scene = Scenes("grating", 0).scene("test", range(64))
    layer = scene.layers[0]
    hidden = layer.stripes.wave.norm(dim=1) > FINEST * 64
    image, mask = draw(scene, SMALL)
    plain = layer.colour[:, :, None, None].expand_as(image)
    inside = -functional.max_pool2d(-mask.float(), 5, 1, 2) == 1
    error = ((image - plain).abs().amax(1) * inside).flatten(1).amax(1)
    assert 10 < hidden.sum() < 54
    assert (error[hidden] < 1e-6).all()
    assert (error[layer.stripes.wave.norm(dim=1) < FADING * 64] > 0.1).all()


def test_a_spectrum_tells_grating() -> None:
    """The rule: the strongest wave of the middle of the image, as far as it can be seen."""
    source = load("scenes:grating", "classification")
    scene = Scenes("grating", 0).scene("test", range(400))
    image, _ = draw(scene, Grid(128, 128))
    middle = image.mean(1)[:, 40:88, 40:88]
    window = torch.hann_window(48, periodic=False)
    power = torch.fft.rfft2((middle - middle.mean((1, 2), keepdim=True)) * window[:, None] * window).abs()
    down = torch.fft.fftfreq(48)[:, None]
    right = torch.fft.rfftfreq(48)[None]
    turn = torch.atan2(down, right)
    found = ((turn / (pi / 4)).round().long() % 4).flatten()[power.flatten(1).argmax(1)]
    assert (found == scene.label).float().mean() > source.ceiling(Grid(128, 128)) - 0.05


# ---------------------------------------------------------------------------------------------------------------- cue


def test_masks_of_cue_agree_with_the_image() -> None:
    scene = Scenes("cue", 3).scene("test", range(32))
    image, mask = draw(scene, Grid(128, 128))
    cue_colour = image[:, :, 2, 2]
    around = functional.pad(mask.float(), (1, 1, 1, 1))
    inner = -functional.max_pool2d(-around, 3, 1) == functional.max_pool2d(around, 3, 1)
    far = (image - cue_colour[:, :, None, None]).abs().amax(1)
    assert (far[inner & (mask == 1)] < SHADE + 1e-4).all()
    assert (far[inner & (mask == 2)] > 2 * SHADE).all()
    patch = round(cue.PATCH * 128)
    assert (mask[:, :patch, :patch] == 0).all() and (far[:, :patch, :patch] < 1e-5).all()
    rest = functional.max_pool2d(mask.float(), 9, 1, 4) == 0
    rest[:, : patch + 1, : patch + 1] = False
    assert (image.amax(1) - image.amin(1))[rest].max() < 1e-6  # the ground is grey
    assert (image.amax(1) - image.amin(1))[mask > 0].min() > 0.05


def test_the_chance_of_cue_is_what_a_coin_scores() -> None:
    source = load("scenes:cue", "segmentation")
    _, mask = source.batch("test", range(1000), Grid(32, 32))
    coin = torch.randint(1, 3, mask.shape, generator=torch.Generator().manual_seed(0))
    miou, right = counted(torch.where(mask > 0, coin, 0), mask, 3)
    assert miou == pytest.approx(source.chance(SMALL), abs=0.01)
    assert right == pytest.approx(0.5, abs=0.01)


# ----------------------------------------------------------------------------------------------------------- relation


def step(scene: Scene) -> Tensor:
    """`b 2`: from the red object to the blue one."""
    red, blue = scene.layers[:2]
    return blue.centre - red.centre


def test_the_direction_tells_relation() -> None:
    """The rule: the angle from the red to the blue, which are told by colour."""
    source = Scenes("relation", 0)
    for split in ("train", "test", *source.further):
        scene = source.scene(split, range(1000))
        colour = torch.stack([layer.name.colour for layer in scene.layers], 1)  # b m
        assert (colour[:, 0] == relation.RED).all() and (colour[:, 1] == relation.BLUE).all()
        assert not torch.isin(colour[:, 2:], torch.tensor([relation.RED, relation.BLUE])).any()
        turn = torch.atan2(*step(scene).unbind(1)) / (2 * pi) * 8
        assert torch.equal(turn.round().long() % 8, scene.label)
        assert (turn - turn.round()).abs().max() < 8 * relation.TILT / (2 * pi) + 1e-4  # 1/3 of the way to the border


def test_objects_of_relation_neither_touch_nor_leave_their_half() -> None:
    source = Scenes("relation", 1)
    moves = {"train": 0, "test": 0, "moved25": 0.125, "moved50": 0.25, "moved100": 0.5}
    assert set(moves) == {"train", "test", *source.further}
    for split, move in moves.items():
        scene = source.scene(split, range(500))
        centre = torch.stack([layer.centre for layer in scene.layers], 1)  # b m 2
        present = torch.stack([layer.is_present for layer in scene.layers], 1)
        radius = torch.stack([layer.shape.radius.flatten() for layer in scene.layers], 1)
        low, high = centre - radius[..., None], centre + radius[..., None]
        assert low[..., 0].min() >= 0 and high[..., 0].max() <= 1
        assert low[..., 1].min() >= move - 1e-6 and high[..., 1].max() <= move + 0.5 + 1e-6
        apart = (centre[:, :, None] - centre[:, None]).norm(dim=3) - radius[:, :, None] - radius[:, None]
        both = present[:, :, None] & present[:, None] & ~torch.eye(5, dtype=torch.bool)
        assert apart[both].min() > 0.008
        assert present[:, :2].all() and 0.4 < present[:, 2:].float().mean() <= 0.5


def test_the_moved_splits_are_the_test_split_moved() -> None:
    source = load("scenes:relation", "classification")
    size = Grid(64, 64)
    still, labels = source.batch("test", range(20), size)
    for split, columns in (("moved25", 8), ("moved50", 16), ("moved100", 32)):
        moved, same = source.batch(split, range(20), size)
        assert torch.equal(labels, same)
        torch.testing.assert_close(moved[..., columns:], still[..., : 64 - columns], rtol=0, atol=1e-4)
        assert (moved[..., :columns] == moved[..., :1, :1]).all()  # nothing but the ground


def test_what_the_place_of_one_object_tells_of_relation() -> None:
    """A table of the best answer by place, from 20,000 scenes, is right as often as the family says."""
    places = torch.tensor([12, 24])  # 12 x 12 over the half

    def cell(scene: Scene) -> Tensor:
        y, x = (scene.layers[1].centre * places).long().clamp(max=11).unbind(1)
        return y * 12 + x

    assert best_by(cell, 12**2) == pytest.approx(0.37, abs=0.03)


def test_what_the_places_in_their_patches_tell_of_relation() -> None:
    """The same of where both objects lie within patches of an eighth: what tokens without positions know."""
    digits = torch.tensor([64, 16, 4, 1])

    def cell(scene: Scene) -> Tensor:
        centres = torch.cat([layer.centre for layer in scene.layers[:2]], 1)  # b 4
        return ((8 * centres % 1 * 4).long().clamp(max=3) * digits).sum(1)

    assert best_by(cell, 4**4) == pytest.approx(0.20, abs=0.03)


def best_by(cell: Callable[[Scene], Tensor], cells: int) -> float:
    """How often the most frequent class of a scene's cell, among 20,000 scenes of `train`, is right on `test`."""
    source = Scenes("relation", 0)
    seen, asked = source.scene("train", range(20_000)), source.scene("test", range(4000))
    count = torch.zeros(cells, 8).index_put_((cell(seen), seen.label), torch.ones(20_000), accumulate=True)
    return (count.argmax(1)[cell(asked)] == asked.label).float().mean().item()


# ------------------------------------------------------------------------------------------------------------- legend


def keys(scene: Scene) -> tuple[Tensor, Tensor]:
    """Of each key `b k`: its slot, and whether it is there."""
    layers = [layer for layer in scene.layers if layer.name is None]
    slot = torch.stack([(layer.centre[:, 1] * legend.SLOTS).long() for layer in layers], 1)
    return slot, torch.stack([layer.is_present for layer in layers], 1)


def test_the_nearest_colour_in_the_legend_tells_legend() -> None:
    """The rule, on the image alone: the slot whose light at its middle is nearest to the pixel's."""
    source = load("scenes:legend", "segmentation")
    image, mask = draw(Scenes("legend", 0).scene("test", range(100)), SMALL)
    middle = [round((slot + 0.5) / legend.SLOTS * 64) for slot in range(legend.SLOTS)]
    key = image[:, :, round(legend.LEGEND / 2 * 64), middle]  # b 3 k
    nearest = (image[:, :, None] - key[..., None, None]).norm(dim=1).argmin(1)  # b Y X
    miou, right = counted(torch.where(mask > 0, nearest + 1, 0), mask, source.classes)
    assert right > 0.99 and miou > 0.98


def test_the_chance_of_legend_is_what_a_guess_scores() -> None:
    source = load("scenes:legend", "segmentation")
    scene = Scenes("legend", 0).scene("test", range(1000))
    _, mask = draw(scene, Grid(32, 32))
    guess = torch.randint(1, 5, mask.shape, generator=torch.Generator().manual_seed(0))
    miou, right = counted(torch.where(mask > 0, guess, 0), mask, 5)
    assert miou == pytest.approx(source.chance(SMALL), abs=0.01)
    assert right == pytest.approx(0.25, abs=0.01)
    slot, there = keys(scene)
    some = 1 + slot[:, :1, None].expand_as(mask)  # the slot of the first key, which is always there
    assert counted(torch.where(mask > 0, some, 0), mask, 5)[1] == pytest.approx(
        (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, abs=0.02
    )


def test_legends_have_one_to_four_keys_of_different_colours_and_say_how_many() -> None:
    scene = Scenes("legend", 2).scene("train", range(2000))
    slot, there = keys(scene)
    assert legend.GROUPS == ("keys1", "keys2", "keys3", "keys4")
    assert torch.equal(there.sum(1) - 1, scene.group)
    assert (slot.sort(1).values == torch.arange(4)).all()
    colours = torch.stack([layer.colour for layer in scene.layers[:4]], 1)  # b k 3
    apart = (colours[:, :, None] - colours[:, None]).norm(dim=3) + 9 * torch.eye(4)
    assert apart.min() > 0.3
    for layer in scene.layers[4:]:
        own = torch.tensor(HUES)[layer.name.colour]
        place = (layer.label - 1)[:, None] == slot
        assert there[place].all()
        torch.testing.assert_close(colours[place], own)
        assert layer.centre[:, 0].min() > legend.LEGEND + legend.RADII[0]


# ------------------------------------------------------------------------------------------------------------- acuity


def test_the_ceiling_of_acuity_is_the_score_of_its_observer() -> None:
    assert sorted(acuity.CEILING) == [side for side in observer.SIDES if side <= 128]
    for side in (16, 32):
        assert observer.score(side, scenes=1000) == pytest.approx(acuity.CEILING[side], abs=0.02)


def test_the_ceiling_of_acuity_between_and_beyond_the_table() -> None:
    assert acuity.ceiling(Grid(16, 64)) == acuity.CEILING[16]
    assert acuity.ceiling(Grid(15, 64)) is None, "an observer sees less than at 16 pixels; how much less is not known"
    assert acuity.ceiling(Grid(128, 128)) == acuity.ceiling(Grid(2048, 1024)) == 1
    assert acuity.ceiling(Grid(45, 45)) == pytest.approx((acuity.CEILING[32] + acuity.CEILING[64]) / 2, abs=0.03)


def test_templates_tell_acuity_as_often_as_its_ceiling_says() -> None:
    """The rule, on the noisy image: the nearest of the four images that there may be."""
    scene = Scenes("acuity", 0).scene("test", range(400))
    seen, _ = draw(scene, Grid(24, 24))
    clean = [draw(observer.opened(scene, turn), Grid(24, 24))[0] for turn in range(4)]
    far = torch.stack([(seen - image).square().flatten(1).sum(1) for image in clean], 1)
    assert (far.argmin(1) == 0).float().mean().item() == pytest.approx(acuity.ceiling(Grid(24, 24)), abs=0.06)


def test_noise_is_normal_and_depends_on_key_and_place_alone() -> None:
    noise = Noise(0.2, torch.arange(50)).of(SMALL) / 0.2
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01 and abs((noise**4).mean() - 3) < 0.1
    flat = noise.flatten(1)
    for one, other in ((flat[1:], flat[:-1]), (flat[:, 1:], flat[:, :-1]), (flat[:, 64:], flat[:, :-64])):
        assert abs((one * other).mean()) < 0.01  # of the next key, column and row
    assert torch.equal(Noise(1.0, torch.tensor([7])).of(SMALL)[0], Noise(1.0, torch.arange(9)).of(SMALL)[7])


def test_noise_is_finite_whatever_the_bits() -> None:
    """One image in 4000 became infinite, and one training not a number, when the largest share rounded to 1."""
    low, high, above, below = normal(torch.tensor([0, -1, -(2**31), 2**31 - 1], dtype=torch.int32)).tolist()
    assert high == -low == pytest.approx(5.29, abs=0.02)
    assert above == -below and 0 < above < 1e-6


def test_the_bits_of_noise_are_those_of_whole_numbers() -> None:
    def bits(place: int, key: int) -> int:
        h, end = (place * STEP % 2**32) ^ key, 2**32
        h = ((h ^ h >> 16) * FIRST) % end
        h = ((h ^ h >> 13) * SECOND) % end
        return h ^ h >> 16

    places, keys = [0, 1, 63, 70_000, 2**22], [0, 3, 2**24 - 1, 2**32 - 1]
    found = hashed(torch.tensor(places), torch.tensor(keys)).long() % 2**32
    assert found.tolist() == [[bits(place, key) for place in places] for key in keys]


# ------------------------------------------------------------------------------------------------------------ contour


def dashes(scene: Scene) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of all dashes `b n`: places `b n 2`, angles, whether they are there, and labels."""
    layers = scene.layers[:-1]
    return (
        torch.stack([layer.centre for layer in layers], 1),
        torch.stack([layer.shape.angle.flatten() for layer in layers], 1),
        torch.stack([layer.is_present for layer in layers], 1),
        torch.stack([layer.label for layer in layers], 1),
    )


def followed(place: Tensor, angle: Tensor, start: Tensor, steps: int) -> Tensor:
    """Which of the dashes `n` good continuation finds: from the dot the nearest, then what is best in line."""
    line = torch.stack([angle.sin(), angle.cos()], 1)  # n 2
    here, heading, found = start, torch.zeros(2), torch.zeros(len(place), dtype=torch.bool)
    for _ in range(steps):
        away = place - here - contour.STEP * heading  # n 2: from where the last dash points
        best = int((away.norm(dim=1) - 0.1 * (line @ heading).abs() + 9 * found).argmin())
        heading = line[best] * torch.sign(line[best] @ (place[best] - here))
        here, found[best] = place[best], True
    return found


def test_good_continuation_tells_contour() -> None:
    """The rule, from places and angles of all dashes: from the dot on, the dash that goes on best."""
    scene = Scenes("contour", 0).scene("test", range(200))
    right, near = [], []
    for i, (place, angle, there, label) in enumerate(zip(*dashes(scene), strict=True)):
        place, angle, label = place[there], angle[there], label[there]
        start, steps = scene.layers[-1].centre[i], contour.LENGTHS[scene.group[i]]
        right.append((followed(place, angle, start, steps) == (label == 1)).float().mean())
        nearest = (place - start).norm(dim=1).argsort()[:steps]
        near.append((label[nearest] == 1).float().mean())
    assert torch.stack(right).mean() > 0.95
    assert torch.stack(near).mean() < 0.8


@pytest.mark.parametrize(("family", "share"), [("contour", 1 / 5), ("repeat", 25 / 89)])
def test_the_chance_of_contour_and_of_repeat_is_what_the_best_coin_scores(family: str, share: float) -> None:
    source = load(f"scenes:{family}", "segmentation")
    _, mask = source.batch("test", range(600), SMALL)
    thrown = torch.rand(mask.shape, generator=torch.Generator().manual_seed(0))
    found = []
    for q in (share, share - 0.15, share + 0.15):
        answer = torch.where(thrown < q, 1, 2)
        found.append(counted(torch.where(mask > 0, answer, 0), mask, 3)[0])
    assert found[0] == pytest.approx(source.chance(SMALL), abs=0.01) and found[0] == max(found)


@pytest.mark.parametrize(("side", "chance"), [(16, 1), (22, 1), (23, 4 / 7)])
def test_chance_is_certain_where_dashes_of_contour_are_too_thin_for_the_mask(side: int, chance: float) -> None:
    source, size = load("scenes:contour", "segmentation"), Grid(side, side)
    _, mask = source.batch("test", range(100), size)
    assert (source.chance(size), source.boundary_chance(size)) == (chance, chance)
    assert mask.any() == (chance < 1)


def test_curves_keep_apart_within_the_image_and_are_as_long_as_they_say() -> None:
    scene = Scenes("contour", 1).scene("train", range(400))
    place, _, there, label = dashes(scene)
    assert ((place > 0.04) & (place < 0.96))[there].all()
    length = torch.tensor(contour.LENGTHS)[scene.group]
    assert torch.equal((there & (label == 1)).sum(1), length) and torch.equal(there.sum(1), 3 * length)
    curve = torch.arange(place.shape[1]) // max(contour.LENGTHS)
    apart = torch.cdist(place, place) + 9.0 * ~(there[:, :, None] & there[:, None] & (curve[:, None] != curve))
    assert (apart.flatten(1).amin(1) < contour.GAP - 1e-6).float().mean() < 0.08  # where no candidate was clear
    step = (place[:, 1:] - place[:, :-1]).norm(dim=2)[:, curve[1:] == curve[:-1]]
    torch.testing.assert_close(step, torch.full_like(step, contour.STEP), rtol=0, atol=1e-5)


# -------------------------------------------------------------------------------------------------------------- parts


def test_names_tell_parts() -> None:
    """The rule, from places and names: a pixel is of the shape that is nearest to it, measured in its radius."""
    scene = Scenes("parts", 0).scene("test", range(50))
    _, mask = draw(scene, SMALL)
    pixel = (torch.stack(torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij"), 2) + 0.5) / 64  # Y X 2
    centre = torch.stack([layer.centre for layer in scene.layers], 1)  # b m 2
    radius = torch.stack([layer.shape.one.radius.flatten() for layer in scene.layers], 1)
    nearest = ((pixel - centre[:, :, None, None]).norm(dim=4) / radius[..., None, None]).argmin(1)  # b Y X
    names = torch.stack([layer.name.shape for layer in scene.layers], 1)
    shapes = torch.tensor([list(SHAPES).index(name) for name in parts.CLASSES])
    kind = 1 + (names[..., None] == shapes).long().argmax(2)  # b m
    answer = kind.gather(1, nearest.flatten(1)).view_as(mask)
    miou, right = counted(torch.where(mask > 0, answer, 0), mask, 6)
    assert right > 0.99 and miou > 0.98


@pytest.mark.parametrize("side", [14, 16, 24, 96])
def test_the_chance_of_parts_is_what_a_guess_by_area_scores(side: int) -> None:
    """Also where bars, or rings too, are too thin for the mask."""
    source, size = load("scenes:parts", "segmentation"), Grid(side, side)
    _, mask = source.batch("test", range(400), size)
    count = mask.flatten().bincount(minlength=6)[1:]
    assert count.count_nonzero() == {14: 3, 16: 4}.get(side, 5)
    thrown = torch.rand(mask.shape, generator=torch.Generator().manual_seed(0))
    share = count.cumsum(0).double()
    guess = 1 + torch.bucketize(thrown, share / share[-1])
    assert counted(torch.where(mask > 0, guess, 0), mask, 6)[0] == pytest.approx(source.chance(size), abs=0.01)


def test_novel_scenes_of_parts_are_those_of_test_in_colours_that_training_never_saw() -> None:
    source = Scenes("parts", 0)
    for split, held_out in (("train", False), ("test", False), ("novel", True)):
        for layer in source.scene(split, range(300)).layers:
            kind = torch.tensor([parts.CLASSES.index(list(SHAPES)[shape]) for shape in layer.name.shape.tolist()])
            assert (parts.held_out(kind, layer.name.colour) == held_out).all()
    (_, mask), (_, same) = (source.batch(split, range(20), SMALL) for split in ("test", "novel"))
    assert torch.equal(mask, same)


def test_one_object_has_a_caption_of_shape_and_colour() -> None:
    scene = parts.describe(Dice("one", range(400)), objects=1)
    told = Counter(captions(scene, places=False))
    assert len(told) == 20 and "a red triangle" in told and "a red disc" not in told  # 5 of 25 are held out
    assert set(captions(parts.describe(Dice("one", range(99)), novel=True, objects=1), places=False)) == {
        "a red disc", "a yellow triangle", "a green square", "a cyan ring", "a blue bar",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- repeat


def test_counting_combinations_tells_repeat_and_counting_colours_does_not() -> None:
    """The rule, from names: an object is repeated where another one has its outer and its inner colour."""
    scene = Scenes("repeat", 0).scene("test", range(300))
    outer, inner = (torch.stack([getattr(d.name, n) for d in scene.layers[::2]], 1) for n in ("colour", "core"))  # b m
    label, there = (torch.stack([getattr(d, n) for d in scene.layers[::2]], 1) for n in ("label", "is_present"))
    assert torch.equal(there.sum(1), torch.tensor(repeat.NUMBERS)[scene.group])

    def seen(colour: Tensor) -> Tensor:
        """How many objects of its scene have an object's colour: `b m`."""
        return ((colour[:, :, None] == colour[:, None]) & there[:, None]).sum(2)

    assert torch.equal(seen(outer * len(HUES) + inner).clamp(max=2)[there], label[there])
    assert (seen(outer)[scene.group == 2] == 3).all() and (seen(inner)[scene.group == 2] == 3).all()
    assert (outer[:, :, None] != inner[:, None]).all()


def test_cores_of_repeat_lie_within_their_discs_and_no_discs_touch() -> None:
    scene = Scenes("repeat", 1).scene("train", range(300))
    assert len(scene.layers) == 2 * len(repeat.OBJECTS)
    for disc, core in zip(scene.layers[::2], scene.layers[1::2], strict=True):
        assert torch.equal(disc.centre, core.centre) and torch.equal(disc.label, core.label) and core.name is None
        assert (core.colour - torch.tensor(HUES)[disc.name.core]).abs().max() < SHADE + 1e-6
        torch.testing.assert_close(core.shape.radius, repeat.CORE * disc.shape.radius)
    centre = torch.stack([layer.centre for layer in scene.layers[::2]], 1)
    radius = torch.stack([layer.shape.radius.flatten() for layer in scene.layers[::2]], 1)
    apart = torch.cdist(centre, centre) - radius[:, :, None] - radius[:, None] + 9 * torch.eye(len(repeat.OBJECTS))
    assert apart.min() > 0
