"""Verdicts of cases become labels, through the same door as every other label.

The closing notes in its own transaction that its labels have to go out. They land as one file whose
name and bytes are made of the closing alone, and only then the store notes that they did. So a
process that dies in between lands the same file again, which counts once: files of labels are
registered by name and content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from fraud_assets.label_cli import ANALYST, write_judgements
from fraud_assets.uploads import UploadError, Uploads
from gpu_ops.case_events import Closed, Event
from gpu_ops.case_model import Case, Verdict
from resources.case_store import CaseStore
from resources.errors import LakeError

WORDS: Final[Mapping[Verdict, str]] = {
    "confirmed": "fraud",
    "false": "genuine",
    "unsure": "unsure",
}
"""A case's verdict, and what it says of each of its transactions."""


@dataclass
class Landed:
    """What became of the labels that had to go out.

    Attributes:
        keys: Of the files in the lake.
        problems: A line for each closing whose labels wait on.
    """

    keys: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def land_labels(store: CaseStore, uploads: Uploads) -> Landed:
    """Land the labels of every closing that the lake does not have yet.

    Raises:
        CaseStoreError: The store cannot be used; what has landed lands once all the same.
    """
    landed = Landed()
    waiting = store.unlanded()
    if not waiting:
        return landed
    book = store.book()
    for event in waiting:
        case = book.case(event.stream)
        if case is None or not isinstance(event.change, Closed):
            raise TypeError(f"event {event.number} is no closing of a case")
        try:
            key = _land(uploads, case, event, event.change)
        except (LakeError, UploadError, OSError) as error:
            landed.problems.append(f"the labels of {case.case_id} wait: {error}")
            continue
        store.note_landed(event.number, key)
        landed.keys.append(key)
    return landed


def _land(uploads: Uploads, case: Case, event: Event, closed: Closed) -> str:
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{case.case_id}-{event.number}.csv"
        known_at = event.at.isoformat()
        word = WORDS[closed.verdict]
        write_judgements(
            file,
            (
                (name, word, known_at, ANALYST, event.by, closed.reason)
                for name in closed.transaction_ids
            ),
        )
        return uploads.land(file, case.subject.feed, labels=True)
