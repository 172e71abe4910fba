"""Where labels of arrows stand, so that none lies on another or on an account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]

_LEAST: Final = 0.12
_STEPS: Final = (0.0, 0.08, -0.08, 0.16, -0.16, 0.24, -0.24, 0.32, -0.32, 0.4, -0.4, 0.5, -0.5)


@dataclass(frozen=True)
class Box:
    """A rectangle by its middle, in pixels."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """How many square pixels both cover."""
        across = (self.width + other.width) / 2 - abs(self.x - other.x)
        down = (self.height + other.height) / 2 - abs(self.y - other.y)
        return max(0.0, across) * max(0.0, down)


@dataclass(frozen=True)
class Curve:
    """A quadratic Bezier curve."""

    start: Point
    middle: Point
    end: Point

    def at(self, share: float) -> Point:
        """The point after this share of its parameter."""
        rest = 1.0 - share
        x, y = (
            rest * rest * a + 2 * rest * share * b + share * share * c
            for a, b, c in zip(self.start, self.middle, self.end, strict=True)
        )
        return x, y


@dataclass(frozen=True)
class Label:
    """What is to be placed.

    Attributes:
        curve: Its arrow, from the middle of one account to that of another.
        share: Where it stands best, 0 to 1 of the arrow.
        width: In pixels.
        height: In pixels.
    """

    curve: Curve
    share: float
    width: float
    height: float


def placed(labels: Sequence[Label], taken: Iterable[Box]) -> list[Box]:
    """A place for each label, in their order: the nearest to its best that is free.

    Where none is free, the one that covers least.

    Args:
        labels: What is placed, the more important first.
        taken: Where no label may stand.
    """
    obstacles = list(taken)
    found = []
    for label in labels:
        # Of equal ones `min` takes the first, which is the nearest.
        best = min(_candidates(label), key=lambda box: round(sum(map(box.overlap, obstacles)), 3))
        obstacles.append(best)
        found.append(best)
    return found


def _candidates(label: Label) -> Iterable[Box]:
    for step in _STEPS:
        share = min(1.0 - _LEAST, max(_LEAST, label.share + step))
        yield Box(*label.curve.at(share), label.width, label.height)
