"""Arrays as compiled loops get them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Item = TypeVar("_Item", bound=np.generic)


def read_only(array: NDArray[_Item]) -> NDArray[_Item]:
    """Return a view that nobody writes to.

    Numba compiles a loop for each kind of array that it is given, which takes seconds, and of those
    out of Polars some may be written to and some may not.
    """
    view = array.view()
    view.flags.writeable = False
    return view
