"""An order that places similar rows next to each other."""

from __future__ import annotations

import numpy as np

# Finding the optimal order of a clustering's leaves takes 30 ms for 128 rows, and 9 s for 1,024.
MAX_OPTIMAL_ROWS = 128


def similar_order(vectors: np.ndarray, *, is_quick: bool = False) -> np.ndarray:
    """Return an order of rows that places similar ones side by side: the leaves of an average-linkage clustering.

    The distance between two rows is that between their directions. The length of a row does not matter.

    Args:
        vectors: One row for each entry.
        is_quick: Whether to take the first order that the clustering allows, not the optimal one, because training waits.

    >>> similar_order(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.1]])).tolist()
    [1, 2, 0]
    """
    if len(vectors) < 3:
        return np.arange(len(vectors))
    from scipy.cluster import hierarchy  # noqa: PLC0415 - takes half a second, and only this function needs it
    from scipy.spatial.distance import squareform  # noqa: PLC0415

    vectors = np.nan_to_num(vectors.astype(np.float64), posinf=0, neginf=0)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    lengths = np.einsum("ij,ij->i", units, units)
    squares = np.maximum(lengths[:, None] + lengths - 2 * (units @ units.T), 0)
    np.fill_diagonal(squares, 0)
    distances = squareform(np.sqrt(squares), checks=False)
    is_best = not is_quick and len(vectors) <= MAX_OPTIMAL_ROWS
    return hierarchy.leaves_list(hierarchy.linkage(distances, "average", optimal_ordering=is_best)).astype(np.int64)
