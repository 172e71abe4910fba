"""What a person decides over models: approve one that was held, go back to the one before."""

from typing import Final

from gpu_ops.gate import Status, Verdict
from resources.errors import LakeError
from resources.registry import PROGRAMS, ModelRegistry, ModelVersion, RegistryEntry

_LONGEST: Final = 500


class DecisionRefusedError(LakeError):
    """A decision that the registry does not take; the message says why and what would do."""


def approve(
    registry: ModelRegistry,
    model: ModelVersion,
    by: str,
    reason: str,
    *,
    despite_rejection: bool = False,
) -> RegistryEntry:
    """Makes a model the champion by a person's decision.

    Args:
        registry: Whose log is written.
        model: The model.
        by: Who decides.
        reason: Why.
        despite_rejection: Also a model that the gate or a person rejected; the log keeps it.

    Raises:
        DecisionRefusedError: It is the champion already, was rejected, is damaged, or name or
            reason are missing.
    """
    told = _told(by, reason)
    approved = registry.approved(model.feed)
    if approved and approved[-1] == model.version:
        raise DecisionRefusedError(f"{_name(model)} is the champion already; nothing was changed")
    standing = registry.standing(model.feed).get(model.version)
    rejected = standing if standing is not None and standing.status is Status.REJECTED else None
    if rejected is not None and not despite_rejection:
        raise DecisionRefusedError(
            f"{_name(model)} was rejected by {rejected.by}: {'; '.join(rejected.reasons)}. "
            "Whoever wants it all the same says so with --despite-rejection, which is logged"
        )
    _refuse_damaged(model)
    verdict = Verdict(
        Status.APPROVED, (told,), overrides=None if standing is None else standing.status
    )
    return registry.register(model.feed, model.version, verdict, by=by.strip())


def rollback(
    registry: ModelRegistry, feed: str, by: str, reason: str, *, allow_none: bool = False
) -> tuple[RegistryEntry, ModelVersion | None]:
    """Withdraws the champion, so that the one before scores again.

    Args:
        registry: Whose log is written.
        feed: Whose champion.
        by: Who decides.
        reason: Why.
        allow_none: Also where no champion was before: then no model scores.

    Returns:
        The entry in the log, and the champion of now; None where there is none any more.

    Raises:
        DecisionRefusedError: There is no champion, none before it, or that one is damaged.
    """
    told = _told(by, reason)
    approved = registry.approved(feed)
    if not approved:
        raise DecisionRefusedError(f"no model of {feed} is approved; there is nothing to take back")
    before = registry.get(feed, approved[-2]) if len(approved) > 1 else None
    if before is None and not allow_none:
        raise DecisionRefusedError(
            f"there is no champion before {feed}-{approved[-1]}; with --allow-none it is withdrawn "
            "all the same, and anomaly scores and rules alone remain"
        )
    if before is not None:
        _refuse_damaged(before)
    verdict = Verdict(Status.REJECTED, (f"rolled back: {told}",), overrides=Status.APPROVED)
    return registry.register(feed, approved[-1], verdict, by=by.strip()), before


def _told(by: str, reason: str) -> str:
    """The reason, once both texts are such as a log can keep."""
    for what, text in (("name", by), ("reason", reason)):
        if not text.strip() or not text.isprintable() or len(text) > _LONGEST:
            raise DecisionRefusedError(
                f"the {what} must be 1 to {_LONGEST} printable characters on one line"
            )
    if by.strip().lower() in PROGRAMS:
        raise DecisionRefusedError(f"{by.strip()!r} is no person; give the name of who decides")
    return reason.strip()


def _refuse_damaged(model: ModelVersion) -> None:
    damage = model.versions.damage(model.manifest, hashes=True)
    if damage:
        raise DecisionRefusedError(f"{_name(model)} is damaged and cannot score: {damage[0]}")


def _name(model: ModelVersion) -> str:
    return f"{model.feed}-{model.version}"
