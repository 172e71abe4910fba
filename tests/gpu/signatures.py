"""The signatures of the GPU libraries, from what is installed.

`python -m tests.gpu.signatures` writes them to `signatures.json`, in the environment of
`make test-gpu-plans`.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from gpu_ops.gpu_calls import CALLS, Call
from tests.gpu.stand_ins import SIGNATURES

Parameter = list[str | bool]
"""Name, kind, and whether it may be left out."""


def installed_signature(call: Call[object]) -> list[Parameter]:
    """The parameters of a call's target; of a Cython class those in its installed source."""
    target = call.target()
    try:
        found = inspect.signature(target)
    except ValueError:
        found = inspect.Signature(list(_in_cython_source(target)))
    return [
        [one.name, one.kind.name, one.default is not inspect.Parameter.empty or _is_open(one)]
        for one in found.parameters.values()
    ]


def _is_open(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _in_cython_source(target: object) -> Iterator[inspect.Parameter]:
    """The parameters of `__cinit__`, without `self` and types.

    A class compiled by Cython keeps no signature; its package ships the source.
    """
    if not isinstance(target, type):
        raise TypeError(f"{target} has no signature and is no class")
    library = import_module(target.__module__).__file__
    assert library is not None
    compiled = Path(library)
    source = compiled.with_name(f"{compiled.name.split('.')[0]}.pyx").read_text()
    body = source[re.search(rf"^cdef class {target.__name__}\b", source, re.MULTILINE).start() :]  # type: ignore[union-attr] # the class is there
    listed = re.search(r"def __cinit__\(self,?(.*?)\):", body, re.DOTALL)
    assert listed is not None
    plain = re.sub(r"#.*", "", listed[1])
    # A parameter may be led by its C type.
    plain = re.sub(r"(^|,)\s*\w+ +(\w+)", r"\1 \2", plain)
    arguments = ast.parse(f"def f({plain}): pass").body[0].args  # type: ignore[attr-defined] # a function
    first_default = len(arguments.args) - len(arguments.defaults)
    for place, one in enumerate(arguments.args):
        yield inspect.Parameter(
            one.arg,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None if place >= first_default else inspect.Parameter.empty,
        )


def installed() -> dict[str, list[Parameter]]:
    """All of them by path."""
    return {call.path: installed_signature(call) for call in CALLS}


def stored() -> dict[str, list[Parameter]]:
    """Those in the file."""
    found: dict[str, list[Parameter]] = json.loads(SIGNATURES.read_text())
    return found


if __name__ == "__main__":
    lines = (f"  {json.dumps(path)}: {json.dumps(shape)}" for path, shape in installed().items())
    SIGNATURES.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    sys.stdout.write(f"{len(CALLS)} signatures in {SIGNATURES}\n")
