"""A ring as a drawing: its accounts, and who paid whom, how much and when."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from fraud_assets import svg
from fraud_assets.label_places import Box, Curve, Label, Point, placed
from fraud_assets.ring_layout import Place, ring_layout
from gpu_ops.masking import masked

RINGS_DRAWN: Final = 20
"""How many of the strongest rings have a drawing in the lake."""

RINGS_SHOWN: Final = 4
"""How many of them the UI shows with a version."""

_ACCOUNTS_DRAWN: Final = 21
_WIDTH: Final = 760.0
_HEAD: Final = 52.0
_MARGIN: Final = 70.0
_LINE: Final = 30.0
_LEAST_HEIGHT: Final = 260.0
_LABEL: Final = 10.5
_LABEL_HEIGHT: Final = 13.0
_NODE_HEIGHT: Final = 22.0
_BEND: Final = 26.0
_LEGEND: Final = "each arrow: place in time, amount, when (UTC)"
_ROUNDS_TO_ONE: Final = 0.9995
_ROUNDS_TO_TEN: Final = 9.95
_NEAR: Final = 0.24
_LESS_NEAR: Final = 0.36
_ON_A_CIRCLE: Final = frozenset({"cycle", "chain", "cluster"})


@dataclass(frozen=True)
class _Arrow:
    """All payments of one pair within a ring."""

    payer: str
    payee: str
    order: int
    n: int
    amount: float
    first_at: datetime
    last_at: datetime

    @property
    def label(self) -> str:
        times = f"{self.n}x " if self.n > 1 else ""
        when = f"{self.first_at:%d %b %H:%M}"
        if self.n > 1 and self.first_at.date() != self.last_at.date():
            when = f"{self.first_at:%d %b} to {self.last_at:%d %b}"
        return f"{self.order}: {times}{short_amount(self.amount)}, {when}"


def ring_picture(ring: Mapping[str, object], transactions: pl.DataFrame) -> bytes:
    """One ring as SVG.

    An arrow is all payments from one account to another; its label tells the place of the first
    among the ring's payments, their sum and when they were made (UTC). Accounts are masked as in
    the alerts. Of a large ring the first accounts are drawn, and the head says so.

    Args:
        ring: A row of `gpu_ops.ring_params.RING_SCHEMA`.
        transactions: transaction_id, occurred_at, amount, payer, payee of that ring at least.
    """
    names = ring["accounts"]
    accounts = [str(name) for name in names] if isinstance(names, list) else []
    drawn = accounts[:_ACCOUNTS_DRAWN]
    pattern = str(ring["pattern"])
    arrows = [
        arrow
        for arrow in _arrows(ring, transactions)
        if arrow.payer in drawn and arrow.payee in drawn
    ]
    places = ring_layout(pattern, drawn, [(arrow.payer, arrow.payee) for arrow in arrows])
    height = _height(pattern, places)
    head = _head(ring, pattern, len(accounts))
    picture = svg.Drawing(_WIDTH, height, head[0])
    picture.text(14, 20, head[0], size=13)
    picture.text(14, 38, head[1], size=11, colour=svg.FAINT)
    at = {name: _pixels(place, height) for name, place in places.items()}
    pairs = {(arrow.payer, arrow.payee) for arrow in arrows}
    nodes = {name: Box(*place, _node_width(name), _NODE_HEIGHT) for name, place in at.items()}
    labels = []
    for arrow in arrows:
        bend = _BEND if (arrow.payee, arrow.payer) in pairs else 0.0
        curve = _draw_arrow(picture, nodes[arrow.payer], nodes[arrow.payee], bend)
        width = svg.text_width(arrow.label, _LABEL) + 4
        share = _label_share(curve, places, arrow, pattern)
        labels.append(Label(curve, share, width, _LABEL_HEIGHT))
    # Over all arrows, so that none crosses a number.
    for arrow, box in zip(arrows, placed(labels, nodes.values()), strict=True):
        x, y = box.x, box.y
        left, top = x - box.width / 2, y - box.height / 2
        picture.box(left, top, box.width, box.height, fill="white", opacity=0.88)
        picture.text(x, y + 4, arrow.label, size=_LABEL, colour=svg.MONEY, anchor="middle")
    has_key = pattern not in _ON_A_CIRCLE
    for name, node in nodes.items():
        x, y, width = node.x, node.y, node.width
        fill = svg.CENTRE if has_key and name == drawn[0] else svg.NODE
        picture.box(
            x - width / 2, y - _NODE_HEIGHT / 2, width, _NODE_HEIGHT, fill=fill, edge=svg.INK
        )
        picture.text(x, y + 4, masked(name), size=11, anchor="middle")
    return picture.to_bytes()


def short_amount(amount: float) -> str:
    """An amount in a few characters: 940, 1.2k, 35k, 1.1M; a reversed one as -1.2k."""
    if amount < 0:
        return f"-{short_amount(-amount)}"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        scaled = amount / size
        # What rounds to 1000 of one unit is 1.0 of the next.
        if scaled >= _ROUNDS_TO_ONE:
            return f"{scaled:.0f}{unit}" if scaled >= _ROUNDS_TO_TEN else f"{scaled:.1f}{unit}"
    return f"{amount:.0f}"


def _arrows(ring: Mapping[str, object], transactions: pl.DataFrame) -> list[_Arrow]:
    members = pl.DataFrame({"transaction_id": ring["transaction_ids"]}).with_row_index("order", 1)
    pairs = (
        members.join(transactions, on="transaction_id", how="inner")
        .group_by("payer", "payee")
        .agg(
            pl.col("order").min(),
            pl.len().alias("n"),
            pl.col("amount").sum(),
            pl.col("occurred_at").min().alias("first_at"),
            pl.col("occurred_at").max().alias("last_at"),
        )
        .sort("order")
    )
    return [_Arrow(**row) for row in pairs.iter_rows(named=True)]


def _head(ring: Mapping[str, object], pattern: str, n_accounts: int) -> tuple[str, str]:
    name = pattern.replace("_", "-")
    drawn = f"{n_accounts} accounts"
    if n_accounts > _ACCOUNTS_DRAWN:
        drawn = f"{_ACCOUNTS_DRAWN} of {n_accounts} accounts"
    first, last = f"{ring['first_at']:%d %b %Y}", f"{ring['last_at']:%d %b %Y}"
    days = first if first == last else f"{first} to {last}"
    return (
        f"{name}: {drawn}, {ring['n_transactions']} payments, {days}",
        f"{ring['ring_id']}, score {ring['score']:.2f}; {_LEGEND}",
    )


def _height(pattern: str, places: Mapping[str, Place]) -> float:
    """As high as the longest column, or the circle, needs."""
    if pattern in _ON_A_CIRCLE:
        return max(_LEAST_HEIGHT, _HEAD + 110.0 + 42.0 * len(places))
    columns: dict[float, int] = {}
    for x, _ in places.values():
        columns[round(x, 3)] = columns.get(round(x, 3), 0) + 1
    return max(_LEAST_HEIGHT, _HEAD + 60.0 + _LINE * max(columns.values(), default=1))


def _pixels(place: Place, height: float) -> tuple[float, float]:
    across, down = _WIDTH - 2 * _MARGIN, height - _HEAD - 60.0
    x, y = place
    return _MARGIN + across * (x + 1) / 2, _HEAD + 30.0 + down * (1 - y) / 2


def _node_width(name: str) -> float:
    return svg.text_width(masked(name), 11) + 14


def _draw_arrow(picture: svg.Drawing, payer: Box, payee: Box, bend: float) -> Curve:
    """Draw one arrow from box to box; what it runs along, from middle to middle."""
    dx, dy = payee.x - payer.x, payee.y - payer.y
    length = math.hypot(dx, dy) or 1.0
    start, end = _edge(payer, payee), _edge(payee, payer)
    middle = (
        (payer.x + payee.x) / 2 - 2 * bend * dy / length,
        (payer.y + payee.y) / 2 + 2 * bend * dx / length,
    )
    picture.arrow(
        f"M{start[0]:.1f} {start[1]:.1f}Q{middle[0]:.1f} {middle[1]:.1f} {end[0]:.1f} {end[1]:.1f}"
    )
    return Curve((payer.x, payer.y), middle, (payee.x, payee.y))


def _label_share(curve: Curve, places: Mapping[str, Place], arrow: _Arrow, pattern: str) -> float:
    """Where along the arrow its label stands best."""
    if pattern in _ON_A_CIRCLE:
        return 0.5
    # Near the end where arrows lie apart; on a short one far enough from the box there.
    near = _NEAR if abs(curve.end[0] - curve.start[0]) > _WIDTH / 2 else _LESS_NEAR
    spread_at_payer = abs(places[arrow.payer][1]) >= abs(places[arrow.payee][1])
    return near if spread_at_payer else 1 - near


def _edge(box: Box, towards: Box) -> Point:
    """Where the line from a box's middle leaves the box."""
    half_width, half_height = box.width / 2 + 2, box.height / 2 + 2
    dx, dy = towards.x - box.x, towards.y - box.y
    if not dx and not dy:
        return box.x, box.y
    share = min(
        half_width / abs(dx) if dx else math.inf, half_height / abs(dy) if dy else math.inf, 1.0
    )
    return box.x + share * dx, box.y + share * dy


def pictures_of(rings: pl.DataFrame, transactions: pl.DataFrame) -> dict[str, bytes]:
    """File name to drawing of the first rings of a table; the strongest come first there."""
    shown: Sequence[dict[str, object]] = list(rings.head(RINGS_DRAWN).iter_rows(named=True))
    return {f"{ring['ring_id']}.svg": ring_picture(ring, transactions) for ring in shown}
