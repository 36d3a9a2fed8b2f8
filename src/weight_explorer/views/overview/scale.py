"""The color scales of the overview: one for each measure."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from weight_explorer.pictures.data import HeatmapScale
from weight_explorer.views.overview.measures import OverviewMeasure

# How far colors extend to each side of the usual value, and how far below the largest value, in powers of ten.
HALF_DECADES = 3
MAX_DECADES = 5

_RELATIVE_TICKS = ((0.0, "0"), (0.5, "50 %"), (1.0, "its largest"))


def heatmap_scale(measure: OverviewMeasure, all_cells: np.ndarray, typical: float | None) -> HeatmapScale:
    """Return the color scale of a measure. Without a usual value, it ends at the power of ten above the largest value."""
    has_middle = measure.is_ratio and typical is not None
    words = HeatmapScale(measure.label, 0.0, 100.0, measure.is_log, measure.offset, has_middle, measure.unit, measure.zero_text)
    if measure.is_ratio:  # describes how cells of ratios are reduced
        words = replace(words, aggregate_text="the one farthest from 1e-3")
    if measure.is_ratio and typical is not None:
        return _scale_around(words, math.log10(typical) - measure.offset, typical)
    if not measure.is_log:
        return replace(words, ticks=tuple((float(value), f"{value}{measure.unit}") for value in (0, 25, 50, 75, 100)))
    known = all_cells[np.isfinite(all_cells) & (all_cells != 0)]
    low, high = (float(end) + measure.offset for end in (known.min(), known.max())) if known.size else (0.0, 1.0)
    last = math.ceil(high - 1e-4)
    first = min(max(math.floor(low + 1e-4), last - MAX_DECADES), last - 1)
    ticks = tuple((exponent - measure.offset, _power_label(exponent)) for exponent in range(first, last + 1))
    if low < first:
        ticks = ((ticks[0][0], f"≤ {ticks[0][1]}"), *ticks[1:])
    return replace(words, low=first - measure.offset, high=last - measure.offset, ticks=ticks)


def _scale_around(scale: HeatmapScale, middle: float, typical: float) -> HeatmapScale:
    """Center the scale on the usual value, with three powers of ten to each side."""
    low, high = middle - HALF_DECADES, middle + HALF_DECADES
    powers = range(math.ceil(low + scale.offset - 1e-9), math.floor(high + scale.offset + 1e-9) + 1)
    ticks = {exponent - scale.offset: _power_label(exponent) for exponent in powers}
    ends = {cell: f"{sign} {words}" for cell, words in ticks.items() for sign, end in (("≤", low), ("≥", high)) if cell == end}
    known = sorted((ticks | ends | {middle: f"{typical:.0e} usual".replace("e-0", "e-")}).items())
    apart = tuple((cell, words) for cell, words in known if cell == middle or abs(cell - middle) > 0.3)
    return replace(scale, low=low, high=high, ticks=apart)


def relative_scale(scale: HeatmapScale) -> HeatmapScale:
    """Return the scale of cells that are shares of the largest cell in their row."""
    return replace(scale, low=0.0, high=1.0, is_log=False, offset=0.0, ticks=_RELATIVE_TICKS)


def _power_label(exponent: int) -> str:
    return "1" if exponent == 0 else f"1e{exponent}"
