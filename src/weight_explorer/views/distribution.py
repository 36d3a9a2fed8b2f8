"""The distribution: how many elements have which value, now against the start."""

from __future__ import annotations

import math

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import Choice, quantity_label
from weight_explorer.views.numbers import exact, grouped
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.views.reading import kept_steps, read, value_of

# The name of what is on screen, which need not be the newest.
SHOWN = "this record"

FEWEST_BINS, MOST_BINS = 8, 64


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw the histogram of all finite elements; of the value also the one at the start, over the same bins."""
    reading = read(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    shown = {SHOWN: reading.values}
    if choice.quantity == "value":
        first = kept_steps(weight, history)[0]
        start = value_of(weight, history, first)
        if start is not None and start[0].shape == reading.values.shape and reading.step.number != first:
            shown["at the start"] = start[0].astype(np.float32, copy=False)
    finite = {name: values[np.isfinite(values)] for name, values in shown.items()}
    if not finite[SHOWN].size:
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*finite.values())
    marks = tuple(
        Mark("steps", name, "now" if name == SHOWN else "start", edges, np.histogram(values, edges)[0].astype(np.float64))
        for name, values in finite.items()
    )
    label = "weight" if choice.quantity == "value" else f"change {quantity_label(choice).lower()}"
    left_out = reading.values.size - finite[SHOWN].size
    caption = f"{reading.words} {grouped(finite[SHOWN].size)} elements in {len(edges) - 1} bins." + (
        f" {grouped(left_out)} are not finite and are left out." if left_out else ""
    )
    if edges[0] == edges[-1] or np.ptp(finite[SHOWN]) == 0:
        caption += f" All are {exact(float(finite[SHOWN][0]))}."
    return ChartPicture((Chart("", label, "elements", marks),), caption)


def bin_edges(*samples: np.ndarray) -> np.ndarray:
    """Return edges of equal bins over all samples together, of a single value with room to each side.

    There are as many as the square root of the elements, the usual rule, between 8 and 64.
    """
    present = [sample for sample in samples if sample.size]
    low = min(float(sample.min()) for sample in present)
    high = max(float(sample.max()) for sample in present)
    if not high - low > 4 * np.finfo(np.float32).eps * max(abs(low), abs(high)):
        margin = max(abs(low), abs(high)) * 0.1 or 1.0
        low, high = low - margin, high + margin
    num_bins = math.isqrt(max(sample.size for sample in present))
    return np.linspace(low, high, min(max(num_bins, FEWEST_BINS), MOST_BINS) + 1)
