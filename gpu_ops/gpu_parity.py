"""How far an operation's result on a GPU may lie from the CPU's: one table for tests and docs."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["exact", "tolerance", "bound"]


@dataclass(frozen=True)
class Parity:
    """The agreement of one operation on both devices.

    Attributes:
        operation: What is computed.
        cpu: What computes it on the CPU.
        gpu: What computes it on a GPU.
        kind: `exact`: equal values. `tolerance`: the same mathematics, rounded otherwise.
            `bound`: another solution of the same problem, of equal worth.
        limit: Greatest distance, or for a floor the least agreement; 0 where exact.
        measure: What the limit limits.
    """

    operation: str
    cpu: str
    gpu: str
    kind: Kind
    limit: float
    measure: str


PARITY: Final = MappingProxyType(
    {
        "counts": Parity(
            "features: counts, flags, maxima, ages and times since",
            "Polars",
            "cudf-polars",
            "exact",
            0.0,
            "equal",
        ),
        "ranks": Parity(
            "features: rank of an amount",
            "compiled code",
            "the same code, on the CPU",
            "exact",
            0.0,
            "equal",
        ),
        "sums": Parity(
            "features: sums, means, shares, deviations, ratios",
            "Polars",
            "cudf-polars",
            "tolerance",
            1e-6,
            "relative difference; sums are integers inside, so float32 rounding is all",
        ),
        "edges": Parity(
            "edges: amounts, mean anomaly",
            "Polars",
            "cudf-polars",
            "tolerance",
            1e-6,
            "relative difference; counts and times are equal",
        ),
        "anomaly": Parity(
            "isolation forest: score",
            "compiled walk of the stored trees",
            "nvForest, double precision",
            "tolerance",
            1e-6,
            "absolute difference of the score, which lies in 0..1",
        ),
        "forest": Parity(
            "isolation forest: training by cuML (an option)",
            "scikit-learn",
            "cuML",
            "bound",
            0.9,
            "rank correlation of the two forests' scores, at least",
        ),
        "margin": Parity(
            "booster: score",
            "XGBoost",
            "XGBoost, cuda",
            "tolerance",
            1e-5,
            "difference of the margins over max(1, |margin|)",
        ),
        "contributions": Parity(
            "booster: SHAP values",
            "XGBoost",
            "XGBoost, cuda",
            "tolerance",
            1e-4,
            "absolute difference in log-odds",
        ),
        "booster": Parity(
            "booster: training",
            "XGBoost hist",
            "XGBoost hist, cuda",
            "bound",
            0.02,
            "difference of average precision on later rows",
        ),
        "components": Parity(
            "graph: components",
            "Numba union-find",
            "cuGraph",
            "exact",
            0.0,
            "equal: each is named by its smallest account",
        ),
        "pagerank": Parity(
            "graph: PageRank",
            "SciPy",
            "cuGraph",
            "tolerance",
            1e-4,
            "sum of absolute differences; all ranks sum to 1",
        ),
        "modularity": Parity(
            "graph: communities, quality",
            "graspologic-native Leiden",
            "cuGraph Leiden",
            "bound",
            0.02,
            "relative difference of modularity",
        ),
        "mutual_information": Parity(
            "graph: communities, members",
            "graspologic-native Leiden",
            "cuGraph Leiden",
            "bound",
            0.8,
            "adjusted mutual information on a graph with planted communities, at least",
        ),
    }
)
"""Every operation with a GPU side."""


def parity_table() -> str:
    """The table as Markdown, for the documentation."""
    rows = [
        "| operation | CPU | GPU | agreement | limit | measured as |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {one.operation} | {one.cpu} | {one.gpu} | {one.kind} | {one.limit or '-'} "
        f"| {one.measure} |"
        for one in PARITY.values()
    ]
    return "\n".join(rows)
