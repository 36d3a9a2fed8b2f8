"""Some elements of one weight, for whoever picks them out and for whoever does something to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class ElementSelection:
    """Elements of a weight.

    Attributes:
        key: The weight, as in `explorer.catalog.weights`.
        mask: Which they are: a boolean array of its shape, read-only.
        description: The same in words, such as `input_dim 3 to 7 by units 0 to 12`.
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
