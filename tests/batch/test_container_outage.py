"""A container that cannot reach the lake for a moment is worth another try."""

from pathlib import Path

import pytest

from resources.batch import entry
from resources.batch.mail import Address, MailReader
from resources.batch.payload import Fingerprint
from resources.errors import LakeUnavailableError
from resources.lake import Lake
from tests.batch.batch_location import LOCATION

ADDRESS = Address("steps/run/step/0", "job")


class _AwayLake(Lake):
    """Its objects cannot be read for now; what is written arrives."""

    def get(self, key: str) -> bytes:
        raise LakeUnavailableError(f"S3 asks to slow down: {key}")


def test_an_outage_while_the_step_is_read_is_no_refusal(tmp_path: Path) -> None:
    """A refusal would be final, whatever the asset's retry policy says."""
    folder = str(tmp_path / "lake")
    start = entry.Start(_AwayLake.open(folder), ADDRESS, 1, "0" * 64)
    with pytest.raises(LakeUnavailableError, match="slow down"):
        entry.run(start, LOCATION, Fingerprint.of(LOCATION, None))
    assert MailReader(Lake.open(folder), ADDRESS).new(0) == []
