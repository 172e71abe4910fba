"""SVG drawings of a few shapes: the same calls give the same bytes, and text stays text.

Drawn by hand since that is all the pictures of rings and cases need, and it takes no time.
"""

import unicodedata
from base64 import b64encode
from html import escape
from typing import Final, Literal

INK: Final = "#1f2937"
FAINT: Final = "#9ca3af"
MONEY: Final = "#b45309"
NODE: Final = "#dbeafe"
CENTRE: Final = "#fde68a"
ACCENT: Final = "#2563eb"

_ARROW: Final = (
    '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
    'markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" '
    f'fill="{FAINT}"/></marker></defs>'
)
_NARROW: Final = frozenset("fijlrtI.,:;'|!()[] ")
_WIDE: Final = frozenset("mwMW@%\u2026")
_WIDTHS: Final = {"narrow": 0.36, "usual": 0.58, "capital": 0.74, "wide": 1.0}
"""Of the font size, in a sans-serif face: to place boxes, no more."""

Anchor = Literal["start", "middle", "end"]


def text_width(text: str, size: float) -> float:
    """About how many pixels a text is wide."""
    return size * sum(_WIDTHS[_kind_of(letter)] for letter in text)


def shortened(text: str, size: float, width: float) -> str:
    """A text that is about so wide at most; what is cut off is told by `…`."""
    if text_width(text, size) <= width:
        return text
    kept = len(text)
    while kept and text_width(f"{text[:kept]}…", size) > width:
        kept -= 1
    return f"{text[:kept].rstrip()}…"


def _kind_of(letter: str) -> str:
    if letter in _NARROW:
        return "narrow"
    if letter in _WIDE or unicodedata.east_asian_width(letter) in {"W", "F"}:
        return "wide"
    return "capital" if letter.isupper() or not letter.isascii() else "usual"


class Drawing:
    """A picture that is drawn shape by shape, later ones over earlier ones.

    Args:
        width: In pixels, from the left.
        height: In pixels, from the top.
        title: What it shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        box = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
        self._shapes = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" role="img">',
            f"<title>{escape(title)}</title>",
            _ARROW,
            f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
        ]

    def arrow(self, path: str) -> None:
        """An arrow along an SVG path."""
        self._shapes.append(
            f'<path d="{path}" fill="none" stroke="{FAINT}" stroke-width="1.4" '
            'marker-end="url(#arrow)"/>'
        )

    def line(self, x0: float, y0: float, x1: float, y1: float, *, colour: str = FAINT) -> None:
        """A thin straight line."""
        self._shapes.append(
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}"/>'
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str,
        edge: str = "none",
        opacity: float = 1.0,
    ) -> None:
        """A rectangle with rounded corners, by its upper left one."""
        self._shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" '
            f'fill="{fill}" stroke="{edge}" fill-opacity="{opacity:g}"/>'
        )

    def dot(self, x: float, y: float, radius: float, *, fill: str) -> None:
        """A filled circle."""
        self._shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 11,
        colour: str = INK,
        anchor: Anchor = "start",
    ) -> None:
        """Words on a base line."""
        self._shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" '
            f'text-anchor="{anchor}">{escape(words)}</text>'
        )

    def to_bytes(self) -> bytes:
        """The SVG file."""
        return "\n".join([*self._shapes, "</svg>\n"]).encode()


def as_markdown(svg: bytes, alt: str) -> str:
    """A Markdown image that holds the drawing itself."""
    return f"![{alt}](data:image/svg+xml;base64,{b64encode(svg).decode('ascii')})"
