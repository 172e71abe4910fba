"""A waiting host asks seldom while nothing happens, and often again as soon as something does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from resources.batch.pace import Pace

GROWING = (2.0, 3.0, 4.5, 6.75, 10.125, 15.0, 15.0)


@given(st.integers(0, 6))
@settings(deadline=None, max_examples=20)
def test_pauses_grow_to_the_longest_and_start_anew_with_news(quiet: int) -> None:
    pace = Pace(2.0, 15.0)
    pauses = [pace.pause(changed=False) for _ in range(quiet)] + [pace.pause(changed=True)]
    for pause, middle in zip(pauses, (*GROWING[:quiet], 2.0), strict=True):
        assert 0.8 * middle <= pause <= 1.2 * middle


def test_runs_that_start_together_do_not_ask_together() -> None:
    assert len({Pace(2.0, 15.0).pause(changed=False) for _ in range(20)}) > 1
