"""Sizes, colours and settings that all figures share."""

from __future__ import annotations

WIDTH, HEIGHT = 460.8, 259.2
"""A page in points: 6.4 × 3.6 in."""
LEFT, TOP, BOTTOM = 12.0, 216.0, 56.0
"""The left margin, and the upper and lower ends of what is drawn, in points from below."""
SHADES = (
    "#0060a8", "#b84400", "#00513c", "#5926be", "#945981", "#607948", "#6b156b", "#59616b",
)  # fmt: skip
"""The light colours of the HTML page's style sheet, safe for colour-blind readers."""
INK, MUTED, LINE, WARN = "#14181d", "#5f6975", "#e1e5ea", "#865300"
GOOD, BAD = "#1a6b2f", "#ad241b"
FONT = "DejaVu Sans"  # matplotlib brings it: every machine draws the same page
DASHES = (0, (2.4, 1.8))
DOTS = (0, (0.8, 2.0))
STYLE = {
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "font.family": [FONT],
    "font.size": 8.0,
    "text.color": INK,
    "axes.linewidth": 0.6,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.0,
    "axes.labelpad": 3.0,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0.0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
}
