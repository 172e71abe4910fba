"""What is compiled is never that of an older source."""

from importlib import import_module
from pathlib import Path

import polars as pl

from gpu_ops.compiled import source_digest
from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known, hindsight
from tests.graph.payments import ordinary, rings_in, table


def modules(folder: Path, **sources: str) -> Path:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder / "loops.py"


def test_a_digest_changes_with_every_module_that_a_loop_is_compiled_of(tmp_path: Path) -> None:
    loops = modules(
        tmp_path,
        loops="from gpu_ops.helpers import one\nimport numpy\n",
        helpers="from gpu_ops.constants import (\n    A,\n)\n",
        constants="from gpu_ops.loops import circle\nA = 1\n",
        unrelated="B = 1\n",
    )
    before = source_digest(loops)
    modules(tmp_path, unrelated="B = 2\n")
    assert source_digest(loops) == before
    modules(tmp_path, constants="from gpu_ops.loops import circle\nA = 2\n")
    changed = source_digest(loops)
    assert changed != before
    modules(tmp_path, helpers="from gpu_ops.constants import A\nC = 3\n")
    assert source_digest(loops) not in {before, changed}


def test_loops_are_kept_in_a_folder_of_their_sources() -> None:
    from gpu_ops import pattern_fan_kernels as kernels

    kept = kernels.beats_before.stats.cache_path  # type: ignore[attr-defined] # Numba's
    digest = source_digest(Path(kernels.__file__))
    assert f"pattern_fan_kernels-{digest}" in str(kept)


def test_a_loop_is_compiled_once_however_its_arrays_came() -> None:
    whole = table([*ordinary(), *((60 + k / 10, f"p{3 * k}", "p50", 900.0 + k) for k in range(7))])
    names = [
        "grouping_kernels", "pattern_fan_kernels", "pattern_flow_kernels", "pattern_habit_kernels",
        "pattern_path_kernels", "pattern_peer_kernels",
    ]  # fmt: skip
    loops = [
        loop
        for name in names
        for loop in vars(import_module(f"gpu_ops.{name}")).values()
        if hasattr(loop, "signatures")
    ]
    # Columns of several pieces are copied, and such a copy may be written to.
    pieces = pl.concat([whole[:300], whole[300:]], rechunk=False)
    assert pieces["amount"].to_numpy().flags.writeable
    assert not whole["amount"].to_numpy().flags.writeable
    compiled = []
    for rows in (whole, pieces):
        state, _ = as_known(RingState.empty("f"), rows.lazy())
        assert hindsight(state).rings.height == 1
        assert rings_in(rows).height == 1
        compiled.append(sum(len(loop.signatures) for loop in loops))
    assert compiled[0] == compiled[1] > len(names)
    assert {len(loop.signatures) for loop in loops if loop.__name__ == "fan_windows"} == {1}
