"""What is compiled is never that of an older source."""

from pathlib import Path

from gpu_ops.compiled import source_digest


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
