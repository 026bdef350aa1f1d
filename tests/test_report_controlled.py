"""Controlled comparisons: networks that differ in one part, read from their recipes."""

from __future__ import annotations

from dataclasses import fields, replace

from report_fakes import document, made, network, section, table
from report_sweeps import whole

from avbench.find import find, names
from reports.anatomy import Anatomy, anatomy, short
from reports.document import Part
from reports.sections.controlled import VIEWS
from suite.record import Metric, Record


def costs(name: str, recipe: str, time: float) -> list[Record]:
    start = network(name, recipe=recipe)
    rounds = [replace(start, quantity="latency", round=r) for r in (0, 1)]
    timed = [made(c, {"latency_ms": Metric(time + c.round / 10, "ms")}) for c in rounds]
    return [*timed, made(replace(start, quantity="memory"), {"peak_bytes": Metric(time * 1e6, "bytes")})]


def recipe(stem: str = "Patches(patch=16)", where: str = "Learned() Position()", mixer: str = "Attention()") -> str:
    """A canonical text like that of vit, of widths of its own, with some parts exchanged."""
    width = 8 * len(mixer)
    return f"isotropic[{stem} Transformer() None widths=({width},) depths=(12,)] {where} [{mixer}] Mean() Linear()"


def test_networks_that_differ_in_one_part_are_compared_and_no_others() -> None:
    records = [
        *costs("vit", recipe(), 10),
        *costs("linear", recipe(mixer="Linear(epsilon=1e-06)"), 8),
        *costs("conv_stem", recipe("Convolutions()"), 12),
        *costs("pixel", recipe("Patches(patch=1)", "SinCos() Position()"), 90),
        *costs("rotary", recipe(where="Nowhere() Rotary()"), 11),
        *costs("alone", recipe("Other()", mixer="Other()"), 5),
        *costs("timm:vgg11", "timm vgg11", 5),
    ]
    found = section(document(records), "controlled")
    assert found is not None
    views = {part.title: [inner.title for inner in part.blocks] for part in found.blocks if isinstance(part, Part)}  # type: ignore[union-attr]
    assert views == {
        "Only the mixer changed · classification": ["isotropic, Learned: 2 designs"],
        "Only the position changed · classification": ["isotropic, Attention: 2 designs"],
        "Only the stem changed · classification": ["isotropic, Attention: 3 designs"],
    }
    rows = table(document(records), "controlled-2-0")["224 pixels"]
    stems = {series: cells["Stem"].text for series, cells in rows.items()}
    assert stems == {
        "conv_stem": "Convolutions (and Learned)",
        "pixel": "Patches, patch 1 (and SinCos)",
        "vit": "Patches, patch 16 (and Learned)",
    }


def test_the_anatomy_of_every_design_is_read_from_its_recipe() -> None:
    assert anatomy("timm vgg11") is None and anatomy("") is None
    bodies = {name: anatomy(str(find(name))) for name in names()}
    assert all(bodies.values())
    vit, swin, pixel = (bodies[name] for name in ("vit", "swin", "pixel"))
    assert vit and swin and pixel
    assert (vit.layout, vit.stem, vit.place, vit.mixers) == (
        "isotropic",
        "Patches(patch=16)",
        "Learned()",
        "Attention()",
    )
    assert short(swin.mixers) == "Window + ShiftedWindow" and short(pixel.stem) == "Patches, patch 1"
    assert "widths" not in vit.sizes and "depths=(12,)" in vit.sizes
    for view in VIEWS:
        assert set(view.free) <= {f.name for f in fields(Anatomy)}


def test_native_layouts_stand_side_by_side_where_there_are_several() -> None:
    records = whole(("vit", "linear", "swin", "conv"), sides=(128, 224), modes=("inference",), rounds=2, seeds=2)
    found = section(document(records), "controlled")
    assert found is not None
    parts = [p for p in found.blocks if isinstance(p, Part) and p.title.startswith("Native layouts")]
    assert [p.task for p in parts] == ["classification", "segmentation"]
    figures = parts[0].blocks[0].figures  # type: ignore[union-attr]  # a gallery
    assert [row[0] for row in figures[0].data] == ["conv", "linear", "vit", "swin"]
