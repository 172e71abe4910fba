from pathlib import Path

import pytest

from gpu_ops.gpu_driver import LEAST_CAPABILITY, LEAST_CUDA, LEAST_DRIVER
from gpu_ops.gpu_parity import PARITY, parity_table

PAGE = Path(__file__).parents[2] / "docs" / "gpu.md"


def test_the_page_shows_the_limits_that_the_tests_hold() -> None:
    assert parity_table() in PAGE.read_text()


def test_the_page_names_what_the_driver_is_asked_for() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"speaks CUDA {LEAST_CUDA[0]}.{LEAST_CUDA[1]}, which is {LEAST_DRIVER} or newer" in text
    assert f"compute capability {LEAST_CAPABILITY[0]}.{LEAST_CAPABILITY[1]}" in text


@pytest.mark.parametrize("name", PARITY)
def test_a_limit_fits_its_kind(name: str) -> None:
    one = PARITY[name]
    assert (one.limit == 0) == (one.kind == "exact")
    assert 0 <= one.limit < 1
