"""Tick labels with the full number. A shared factor for the axis, such as "1e10", would overlap the legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import ScalarFormatter

# Numbers between these magnitudes are written without an exponent.
SMALLEST_PLAIN, LARGEST_PLAIN = 1e-3, 1e5


class FullFormatter(ScalarFormatter):
    """Formats each tick separately, with enough digits to tell it from its neighbors.

    >>> FullFormatter().format_ticks([0.0, 150000.0, 300000.0])
    ['0', '1.5e5', '3.0e5']
    """

    def __init__(self) -> None:
        super().__init__(useOffset=False)
        self.set_scientific(False)

    def format_ticks(self, values: list[float]) -> list[str]:
        """Return the labels of all ticks."""
        largest = float(np.abs(values).max(initial=0))
        if largest == 0 or SMALLEST_PLAIN <= largest < LARGEST_PLAIN:
            return super().format_ticks(list(values))
        written = ([_with_exponent(value, digits) for value in values] for digits in range(17))
        return [self.fix_minus(label) for label in next(labels for labels in written if _are_exact_enough(labels, values))]


def _with_exponent(value: float, digits: int) -> str:
    if not value:
        return "0"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _are_exact_enough(labels: Sequence[str], values: Sequence[float]) -> bool:
    """Return whether labels are precise enough for the spacing of the values. With 16 digits they always are."""
    numbers = np.array(values, np.float64)
    distance = np.diff(np.unique(numbers)).min(initial=np.abs(numbers).max())
    return bool((np.abs(np.array(labels, np.float64) - numbers) <= distance / 100).all())
