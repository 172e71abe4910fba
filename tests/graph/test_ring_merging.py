"""Which rings are one, and under whose id: hand-made rings of letters for transactions."""

from collections.abc import Iterable
from datetime import timedelta

from gpu_ops.ring_building import Ring, built
from gpu_ops.ring_log import RingLog
from tests.graph.payments import START


def ring(name: str, surprise: float, day: float, transactions: str, known: float = 21) -> Ring:
    """A ring that began on a day and is known at another."""
    return Ring(
        ring_id=name,
        feed="f",
        pattern="fan_in",
        horizon="burst",
        score=0.5,
        accounts=("a",),
        transaction_ids=tuple(transactions),
        first_at=START + timedelta(days=day),
        last_at=START + timedelta(days=20),
        known_at=START + timedelta(days=known),
        amount=1.0,
        exposure=1.0,
        n_accounts=1,
        n_transactions=len(transactions),
        centre=None,
        surprise=surprise,
        surprise_of_habit=surprise,
        surprise_of_order=0.0,
        surprise_of_amounts=0.0,
        shape=1.0,
        coherence=1.0,
        probability=None,
    )


def told(rings: Iterable[Ring]) -> list[tuple[str, str | None, str]]:
    return [(one.ring_id, one.merged_into, "".join(one.transaction_ids)) for one in rings]


def test_the_stronger_takes_in_the_weaker_and_tells_its_id() -> None:
    weak, strong = ring("weak", 10, 5, "cdxy"), ring("strong", 20, 1, "abcd")
    assert told(built([weak, strong])) == [
        ("strong", None, "abcd"),
        ("weak", "strong", "abcd"),
    ]


def test_the_stronger_goes_by_the_id_of_the_older() -> None:
    weak, strong = ring("weak", 10, 1, "cdxy"), ring("strong", 20, 5, "abcd")
    assert told(built([weak, strong])) == [
        ("weak", None, "abcd"),
        ("strong", "weak", "abcd"),
    ]


def test_less_than_half_of_the_smaller_are_two_rings() -> None:
    one, other = ring("one", 20, 1, "abcdef"), ring("other", 10, 2, "efxyz")
    assert told(built([one, other])) == [("one", None, "abcdef"), ("other", None, "efxyz")]


def test_what_two_rings_might_take_in_becomes_part_of_the_stronger() -> None:
    first, second = ring("first", 30, 1, "abcdef"), ring("second", 20, 2, "ghijkl")
    between = ring("between", 10, 3, "defghi")
    assert told(built([between, second, first])) == [
        ("first", None, "abcdef"),
        ("second", None, "ghijkl"),
        ("between", "first", "abcdef"),
    ]


def test_an_id_that_was_given_up_does_not_come_back() -> None:
    """A weaker ring begins with the same transactions as the strong one: it bears the same id."""
    strong, older = ring("strong", 30, 5, "abcdef"), ring("older", 20, 1, "abcx")
    again = ring("strong", 10, 4, "abcuvwxyz")
    assert told(built([strong, older, again])) == [
        ("older", None, "abcdef"),
        ("strong", "older", "abcdef"),
    ]


def test_a_ring_of_the_same_beginning_is_the_same_ring_even_with_less_than_half_in_common() -> None:
    strong, again = ring("A", 30, 1, "abcdefgh"), ring("A", 20, 1, "abcstuvwx")
    assert told(built([strong, again])) == [("A", None, "abcdefgh")]


def test_a_ring_that_grows_is_told_anew_under_its_id_and_day() -> None:
    log = RingLog([])
    assert told(log.add([ring("A", 10, 1, "abcd", known=21)])) == [("A", None, "abcd")]
    (grown,) = log.add([ring("B", 12, 0, "abcde", known=22)])
    # It is known by the id that was told first, as it stands with the later day.
    assert told([grown]) == [("A", None, "abcde")]
    assert grown.known_at == START + timedelta(days=22)
    assert log.standing == [grown]


def test_a_day_that_tells_nothing_new_of_a_ring_says_nothing() -> None:
    log = RingLog([ring("A", 10, 1, "abcd", known=21)])
    assert log.add([ring("A", 10, 1, "abcd", known=22), ring("B", 5, 1, "bcd", known=22)]) == []
    assert [one.known_at for one in log.standing] == [START + timedelta(days=21)]


def test_two_rings_that_become_one_keep_the_id_of_the_older_and_their_last_day() -> None:
    log = RingLog([ring("A", 10, 2, "abcd"), ring("B", 20, 1, "efgh"), ring("C", 5, 0, "wxyz")])
    said = log.add([ring("D", 30, 1, "abcdefgh", known=25)])
    assert told(said) == [("A", "B", "abcd"), ("B", None, "abcdefgh")]
    assert {one.known_at for one in said} == {START + timedelta(days=25)}
    assert told(log.standing) == [("C", None, "wxyz"), ("B", None, "abcdefgh")]


def test_a_single_payment_in_common_makes_no_two_rings_one() -> None:
    log = RingLog([ring("A", 10, 1, "abcd")])
    assert told(log.add([ring("B", 20, 2, "dxyz")])) == [("B", None, "dxyz")]
    assert told(log.standing) == [("A", None, "abcd"), ("B", None, "dxyz")]


def test_what_a_ring_no_longer_holds_is_free_for_others() -> None:
    log = RingLog([ring("A", 10, 1, "abcd")])
    # The stronger view of the ring leaves out a and b.
    assert told(log.add([ring("B", 20, 2, "cdefgh")])) == [("A", None, "cdefgh")]
    assert told(log.add([ring("C", 5, 3, "abxy")])) == [("C", None, "abxy")]


def test_the_same_beginning_replaces_a_weaker_ring_and_not_a_stronger_one() -> None:
    log = RingLog([ring("A", 10, 1, "abcdefgh")])
    assert log.add([ring("A", 5, 1, "abcstuvwx", known=22)]) == []
    assert told(log.add([ring("A", 15, 1, "abcstuvwx", known=23)])) == [("A", None, "abcstuvwx")]
    assert told(log.standing) == [("A", None, "abcstuvwx")]


def test_candidates_of_a_day_come_by_strength_and_only_the_last_word_is_told() -> None:
    log = RingLog([ring("old", 1, 0, "abcd")])
    weak, strong = ring("weak", 10, 1, "abcd", 22), ring("strong", 20, 1, "abcdef", 22)
    assert told(log.add([weak, strong])) == [("old", None, "abcdef")]
    # A part of the strong one is no ring of its own, and gives it no id.
    part, whole = ring("part", 10, 1, "uvwx", 23), ring("whole", 20, 2, "uvyz", 23)
    assert told(log.add([part, whole])) == [("whole", None, "uvyz")]
