"""The colours of charts by what they stand for, on light and on dark paper.

Okabe and Ito's palette, which colour-blind readers can tell apart, lightened for dark paper. No colour is the only
carrier of a meaning: shapes, signs and words say the same.
"""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ink": "#1b1f24",
    "muted": "#57606a",
    "grid": "#d8dee4",
    "paper": "#ffffff",
    "shipped": "#0060a0",
    "candidate": "#a85000",
    "reference": "#6e7781",
    "better": "#0060a0",
    "worse": "#b03a00",
    "heat": "#e08000",
}
DARK: Mapping[str, str] = {
    "ink": "#e6edf3",
    "muted": "#9da7b3",
    "grid": "#30363d",
    "paper": "#161b22",
    "shipped": "#6cb8f0",
    "candidate": "#f0a050",
    "reference": "#8b949e",
    "better": "#6cb8f0",
    "worse": "#ff9060",
    "heat": "#d97d10",
}
STAND_INS: Mapping[str, str] = {name: f"#0101{number:02x}" for number, name in enumerate(LIGHT, start=1)}
"""Colours that nobody means, which are drawn with and then replaced by references to the page's own colours."""


def css_variables(colours: Mapping[str, str]) -> str:
    """Declarations of the colours as `--chart-…`."""
    return " ".join(f"--chart-{name}: {colour};" for name, colour in colours.items())
