"""A matplotlib figure -> files that stand alone (SVG, PNG), and SVG for a page whose colours follow the page's theme.

The colours of a figure are those of the light theme. In the page's copy each of them becomes a CSS variable, every id
carries the figure's name so that two figures of one page do not meet, and a group of a series carries its class.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from html import escape
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

DPI = 180
RC = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9.0, "axes.linewidth": 0.7}


def save(figure: Figure, folder: Path, name: str, colours: Mapping[str, str], alt: str) -> str:
    """Writes name.svg and name.png, and returns the SVG to put into a page.

    `colours` maps a colour of the figure, as #rrggbb, to the CSS variable that stands for it. ValueError if the folder
    cannot be written.
    """
    with warnings.catch_warnings(), mpl.rc_context(RC | {"svg.hashsalt": name}):
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")  # a name in a script that no font here has
        buffer, picture = io.BytesIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
        figure.set_dpi(DPI)
        FigureCanvasAgg(figure).print_png(picture)
    text = buffer.getvalue().decode()
    (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    (folder / f"{name}.png").write_bytes(picture.getvalue())
    return themed(text, name, colours, alt)


def themed(text: str, name: str, colours: Mapping[str, str], alt: str) -> str:
    """The `<svg>` element of a file of matplotlib's, for a page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'style="([^"]*)"', lambda m: f'style="{_style(m[1], colours)}"', text)
    text = re.sub(r'id="series-(\d+)-[^"]*"', r'class="series" data-series="\1"', text)
    text = re.sub(r'\b(id="|href="#|url\(#)(?=[\w.-])', rf"\g<1>{name}-", text)
    size = re.search(r'width="([\d.]+)pt" height="[\d.]+pt" ', text)
    assert size, "matplotlib states the size of an SVG in points"
    label = f'role="img" aria-label="{escape(alt)}" style="max-width:{float(size[1]) * 4 / 3 * 1.4:.0f}px" '
    return text.replace(size[0], label, 1)


def _style(style: str, colours: Mapping[str, str]) -> str:
    style = re.sub(r"font-family:[^;]*;?|(font:[^;]*?px) [^;]*", r"\1", style)
    return re.sub(r"#[0-9a-f]{6}", lambda m: f"var({colours[m[0]]})" if m[0] in colours else m[0], style)
