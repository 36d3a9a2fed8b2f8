"""A selection of elements of one weight, shared by the code that makes selections and the code that uses them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class ElementSelection:
    """Selected elements of a weight.

    Attributes:
        key: The weight, as in `explorer.catalog.weights`.
        mask: A read-only boolean array with the weight's shape that marks the elements.
        description: The selection in words, such as `input_dim 3 to 7 by units 0 to 12`.
    """

    key: str
    mask: np.ndarray
    description: str

    @property
    def count(self) -> int:
        """Number of elements."""
        return int(np.count_nonzero(self.mask))

    def __repr__(self) -> str:
        return f"<{self.count} of {self.mask.size} elements of {self.key!r}: {self.description}>"
