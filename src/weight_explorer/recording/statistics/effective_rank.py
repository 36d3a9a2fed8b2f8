"""The effective rank of a matrix: how many directions it uses."""

from __future__ import annotations

import numpy as np


def effective_rank(singular_values: np.ndarray) -> float:
    """Return the exponential of the entropy of the singular values, normalized to a sum of 1; 0 if all of them are zero.

    After Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.

    >>> round(effective_rank(np.ones(3)), 9), effective_rank(np.zeros(2))
    (3.0, 0.0)
    """
    shares = singular_values[singular_values > 0] / max(singular_values.sum(), np.finfo(float).tiny)
    return float(np.exp(-(shares * np.log(shares)).sum())) if shares.size else 0.0
