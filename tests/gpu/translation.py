"""The GPU's translator for Polars plans, which runs without a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

import polars as pl
import pytest

from gpu_ops.engine import Engine, polars_gpu_engine

needs_translator = pytest.mark.skipif(
    find_spec("cudf_polars") is None,
    reason="needs the translator of cudf-polars: run 'make test-gpu-plans'",
)


def collected(plan: pl.LazyFrame) -> tuple[pl.DataFrame, list[str]]:
    """Run a plan on the CPU and translate for the GPU just what Polars would hand to it.

    Returns:
        The table, and what the translator refuses; empty where the GPU would run it all.
    """
    # The package is only there where the mark above lets a test run.
    from cudf_polars.dsl.translate import Translator

    refused: list[str] = []

    def translate(nodes: object, _duration: int | None) -> None:
        translator = Translator(nodes, polars_gpu_engine())
        with suppress(NotImplementedError):
            translator.translate_ir()
        refused.extend(f"{type(error).__name__}: {error}" for error in translator.errors)

    table = plan.collect(engine="in-memory", post_opt_callback=translate)  # type: ignore[call-overload] # the hook that the GPU engine uses
    return table, refused


@contextmanager
def translating() -> Iterator[list[list[str]]]:
    """Let `Engine.collect` translate each plan and run it on the CPU.

    Yields:
        What was refused of each plan, in the order in which they ran.
    """
    plans: list[list[str]] = []

    def collect(_: Engine, plan: pl.LazyFrame) -> pl.DataFrame:
        table, refused = collected(plan)
        plans.append(refused)
        return table

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "collect", collect)
        yield plans
