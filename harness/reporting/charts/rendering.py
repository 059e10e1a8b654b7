"""Figures as SVG for a page and as PNG for markdown, with the same bytes for the same chart."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from harness.reporting.charts.chart import WIDTH, Chart
from harness.reporting.charts.palette import LIGHT, STAND_INS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INSTALL = "pip install 'holdfast[charts]'"
_DPI = 160
_HEAD = re.compile(r"<svg [^>]*viewBox=\"([^\"]*)\"[^>]*>")
_ID = re.compile(r' id="([^"]*)"')
_STYLE = re.compile(r"<defs>\s*<style.*?</style>\s*</defs>\s*", re.DOTALL)
_FONT = re.compile(r" ?font-family: [^;\"]*;?")
_UPRIGHT = re.compile(r' transform="rotate\(-0 [^"]*\)"')
_COLOURS = {stand_in: f"var(--chart-{name})" for name, stand_in in STAND_INS.items()}
_COLOUR = re.compile("|".join(_COLOURS))


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def svg(chart: Chart, prefix: str) -> str:
    """The chart as an `<svg>` element for a page that declares the palette's colours; its ids begin with `prefix`."""
    with _figure(chart, STAND_INS) as figure:
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        text = StringIO()
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _for_a_page(text.getvalue(), chart, prefix)


def png(chart: Chart) -> bytes:
    """The chart as a picture on white."""
    with _figure(chart, LIGHT) as figure:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure.set_facecolor(LIGHT["paper"])
        data = BytesIO()
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(data, metadata={"Software": None, "Title": chart.title})
    return data.getvalue()


@contextmanager
def _figure(chart: Chart, colours: Mapping[str, str]) -> Iterator[Figure]:
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {
        "axes.facecolor": "none",
        "axes.edgecolor": colours["muted"],
        "axes.labelcolor": colours["muted"],
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.family": ["DejaVu Sans"],
        "font.size": 9.0,
        "svg.fonttype": "none",
        "svg.hashsalt": "holdfast",
        "text.color": colours["ink"],
        "text.parse_math": False,
        "xtick.color": colours["muted"],
        "ytick.color": colours["muted"],
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(style)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(WIDTH, chart.height), dpi=_DPI)
        figure.patch.set_alpha(0)
        chart.draw(figure, colours)
        yield figure


def _for_a_page(text: str, chart: Chart, prefix: str) -> str:
    """The element alone, with the page's colours and fonts, ids of its own, and its words for screen readers."""
    body = _STYLE.sub("", text[text.index("<svg ") :])
    used = set(re.findall(r"#([\w.-]+)", " ".join(re.findall(r'(?:href="|url\()[^")]*', body))))
    body = _ID.sub(lambda match: f' id="{prefix}-{match[1]}"' if match[1] in used else "", body)
    body = body.replace('xlink:href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    body = _UPRIGHT.sub("", _FONT.sub("", body))
    body = _COLOUR.sub(lambda match: _COLOURS[match[0]], body)
    named = (
        f'<title id="{prefix}-title">{escape(chart.title)}</title><desc id="{prefix}-desc">{escape(chart.words)}</desc>'
    )
    head = f'role="img" aria-labelledby="{prefix}-title" aria-describedby="{prefix}-desc"'
    return _HEAD.sub(
        lambda match: f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{match[1]}" {head}>\n{named}', body
    )
