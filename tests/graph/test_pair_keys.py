import numpy as np

from gpu_ops.pairs import pair_keys, pairs_of


def test_keys_order_as_pairs_do_and_tell_their_sides() -> None:
    largest = 2**31 - 1
    first = np.array([0, 0, 1, 1, largest], dtype=np.int32)
    second = np.array([1, largest, 0, 7, largest], dtype=np.int32)
    keys = pair_keys(first, second)
    assert keys.tolist() == [1, 2147483647, 4294967296, 4294967303, 9223372034707292159]
    low, high = pairs_of(keys)
    assert [low.dtype.name, high.dtype.name] == ["int32", "int32"]
    assert low.tolist() == first.tolist()
    assert high.tolist() == second.tolist()
