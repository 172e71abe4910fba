"""What preflight finds out about a lake that steps could not share."""

from pathlib import Path

import pytest

from resources.batch.preflight import _lake_problems
from resources.lake import Lake


class _LaxLake(Lake):
    """A store that lets two writers create one object, as some S3-compatible ones do."""

    def put(self, key: str, data: bytes, *, create: bool = False) -> bool:
        super().put(key, data)
        return create


class _ForgetfulLake(Lake):
    def get(self, key: str) -> bytes:
        return super().get(key)[:1]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (_LaxLake, "lets two writers create one object; publishing needs a store that refuses"),
        (_ForgetfulLake, "gives back other bytes than were written"),
    ],
)
def test_a_lake_that_steps_could_not_share_is_told(
    tmp_path: Path, kind: type[Lake], told: str
) -> None:
    lake = kind.open(str(tmp_path / "lake"))
    (problem,) = _lake_problems(lake)
    assert told in problem
    assert lake.list("") == []
