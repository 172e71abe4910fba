"""What `fraud-assets models` prints: versions with their roles, and one of them whole."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fraud_assets.text_layout import paragraph, table
from gpu_ops.metrics import Figure
from gpu_ops.model_files import ModelFileError
from gpu_ops.paired_bootstrap import Interval
from resources.errors import LakeError
from resources.registry import Card, ModelRegistry, ModelVersion, RegistryEntry
from resources.versions import Versions

Role = Literal["champion", "challenger", ""]


@dataclass(frozen=True)
class Listed:
    """One version of a feed's models.

    Attributes:
        model: The version.
        role: Whether it scores, scores in shadow, or does neither.
        card: Its card; None where it cannot be read.
        verdict: The latest verdict; None if it was not judged yet.
        problem: Why the card cannot be read.
    """

    model: ModelVersion
    role: Role
    card: Card | None
    verdict: RegistryEntry | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Feed and number as the command line takes them."""
        return f"{self.model.feed}-{self.model.version}"

    @property
    def status(self) -> str:
        """The latest verdict in a word."""
        return "not judged" if self.verdict is None else str(self.verdict.status)


def listed(versions: Versions, feed: str) -> list[Listed]:
    """All versions of a feed's models, the newest first."""
    registry = ModelRegistry(versions)
    standing = registry.standing(feed)
    approved = registry.approved(feed)
    challenger = registry.challenger(feed)
    found = []
    for number in reversed(versions.all_numbers(registry.slot(feed))):
        role: Role = ""
        if approved[-1:] == (number,):
            role = "champion"
        elif challenger is not None and challenger.version == number:
            role = "challenger"
        model = registry.get(feed, number)
        try:
            found.append(Listed(model, role, model.card, standing.get(number)))
        except (LakeError, ModelFileError) as error:
            found.append(Listed(model, role, None, standing.get(number), str(error)))
    return found


def list_lines(models: Sequence[Listed]) -> Iterator[str]:
    """A table of versions."""
    rows = [
        [
            one.name,
            one.role,
            one.status,
            "" if one.verdict is None else one.verdict.by,
            f"{one.model.manifest.published_at:%Y-%m-%d %H:%M}",
            _figure(one, "average_precision"),
            _figure(one, "roc_auc"),
        ]
        for one in models
    ]
    header = ["model", "role", "verdict", "by", "trained", "average precision", "ROC AUC"]
    yield from table("Models, newest first", header, rows, numbers=2)
    for one in models:
        if one.problem:
            yield from paragraph("! ", one.problem, "  ", lines=None)


def list_json(models: Sequence[Listed]) -> str:
    """The same as one JSON object."""
    return json.dumps(
        {
            "models": [
                {
                    "version": one.name,
                    "feed": one.model.feed,
                    "role": one.role or None,
                    "status": one.status,
                    "by": None if one.verdict is None else one.verdict.by,
                    "reasons": [] if one.verdict is None else list(one.verdict.reasons),
                    "trained_at": one.model.manifest.published_at.isoformat(),
                    "content_id": one.model.manifest.content_id,
                    "problem": one.problem or None,
                }
                for one in models
            ]
        }
    )


def show_json(model: ModelVersion, log: Sequence[RegistryEntry]) -> str:
    """Card and log of one version as one JSON object."""
    return json.dumps(
        {
            "version": f"{model.feed}-{model.version}",
            "content_id": model.manifest.content_id,
            "card": model.card.model_dump(mode="json"),
            "log": [one.model_dump(mode="json") for one in log],
        }
    )


def show_lines(model: ModelVersion, log: Sequence[RegistryEntry]) -> Iterator[str]:
    """The card of a version and all that was decided on it."""
    card = model.card
    yield f"{model.feed}-{model.version}, trained by fraud-assets {card.code_version}"
    for title, text in (
        ("Use", card.intended_use),
        ("Data", card.data),
        ("Leakage", card.leakage),
        ("Limits", " ".join(card.limits)),
    ):
        if text:
            yield from paragraph(f"{title + ':':<9}", text, " " * 9, lines=None)
    yield f"Features: {len(card.features)}, catalogue {card.catalogue or 'not kept'}"
    windows = [
        [name, f"{window.start:%Y-%m-%d %H:%M}", f"{window.end:%Y-%m-%d %H:%M}", *_rows(card, name)]
        for name, window in (
            ("train", card.split.train),
            ("validation", card.split.validation),
            ("test", card.split.test),
        )
    ]
    yield from table("Windows, UTC", ["window", "from", "to", "rows", "frauds"], windows, numbers=2)
    figures = [
        [name, *(_number(one) for one in (figure.value, figure.ceiling, figure.random)), spread]
        for name, figure in card.metrics.items()
        for spread in [_spread(card.spread.get(name))]
    ]
    header = ["metric", "value", "best possible", "random", "95 % interval"]
    yield from table("Figures on the test window", header, figures, numbers=4)
    bounds = [[name, str(value)] for name, value in card.bounds.items()]
    yield from table("What the gate asks", ["bound", "value"], bounds)
    yield from table("Levels of probability", ["by", "alert", "block"], _levels(card), numbers=2)
    parts = sorted(card.content_hashes.items())
    yield from table("Parts", ["file", "SHA-256"], [[name, digest] for name, digest in parts])
    yield ""
    yield "Log"
    for one in log:
        yield from paragraph("  ", _entry(one), "    ", lines=None)


def _entry(one: RegistryEntry) -> str:
    over = "" if one.overrides is None else f" (was {one.overrides})"
    return f"{one.at:%Y-%m-%d %H:%M} {one.status}{over} by {one.by}: {'; '.join(one.reasons)}"


def _rows(card: Card, window: str) -> list[str]:
    count = card.windows.get(window)
    return ["", ""] if count is None else [f"{count.rows:,}", f"{count.frauds:,}"]


def _levels(card: Card) -> list[list[str]]:
    """The levels that were chosen on the validation window, by cost and by capacity."""
    chosen = card.thresholds
    if chosen is None:
        return []
    pairs = (("cost", chosen.by_cost), ("capacity", chosen.by_capacity))
    return [[by, *(_number(one) or "none" for one in (two.alert, two.block))] for by, two in pairs]


def _figure(one: Listed, metric: str) -> str:
    figure = Figure(None, None, None) if one.card is None else one.card.metrics.get(metric)
    return "" if figure is None else _number(figure.value)


def _spread(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.lower:.4f}..{interval.upper:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4f}"
