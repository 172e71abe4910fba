"""Compiled loops, kept on disk and compiled anew whenever their source changes.

Numba looks at the source of the function's own module alone: with a helper in another module
changed, it would go on with what was compiled of the old one.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, ParamSpec, TypeVar, cast

from numba import njit
from numba.core import config

_P = ParamSpec("_P")
_R = TypeVar("_R")

_IMPORT: Final = re.compile(r"^from gpu_ops\.(\w+) import", re.MULTILINE)


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function when it is called first; it lets go of Python's lock."""
    with _own_cache(function):
        return cast("Callable[_P, _R]", njit(cache=True, nogil=True)(function))


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a small function into each loop that calls it: a call costs more than it does."""
    with _own_cache(function):
        return cast("Callable[_P, _R]", njit(cache=True, inline="always")(function))


@contextmanager
def _own_cache(function: Callable[_P, _R]) -> Iterator[None]:
    """Let Numba keep what it compiles in a folder that is named after the sources."""
    before: str = config.CACHE_DIR  # type: ignore[attr-defined] # made when Numba reads its settings
    module = Path(inspect.getfile(function))
    folder = Path(before) if before else module.parent / "__pycache__"
    own = folder / f"{module.stem}-{source_digest(module)}"
    config.CACHE_DIR = str(own)  # type: ignore[attr-defined] # as above
    try:
        yield
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined] # as above


def source_digest(module: Path) -> str:
    """Return a digest of a module's source and of all that it imports from its own package."""
    found: dict[str, bytes] = {}
    waiting = [module.stem]
    while waiting:
        name = waiting.pop()
        path = module.with_name(f"{name}.py")
        if name not in found and path.is_file():
            found[name] = path.read_bytes()
            waiting += _IMPORT.findall(found[name].decode())
    text = b"\0".join(name.encode() + b"\0" + found[name] for name in sorted(found))
    return sha256(text).hexdigest()[:16]
