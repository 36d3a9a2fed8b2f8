"""Over time: the weight's statistics from record to record."""

from __future__ import annotations

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.history import Past, Series
from weight_explorer.views.choice import Choice
from weight_explorer.views.numbers import grouped, rough
from weight_explorer.views.pictures import Chart, ChartPicture, Mark, Picture
from weight_explorer.views.reading import missing, series_of

MOST_POINTS = 1000


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw minimum, mean with standard deviation and maximum; below it the norm and the size of each change."""
    series = series_of(weight, history, choice.quantity)
    changes = series_of(weight, history, "since_last")
    if not series.steps:
        return missing(weight, history)
    thinned = _thin(len(series.steps))
    epochs = np.array([step.position for step in series.steps])[thinned]
    label = "weight" if choice.quantity == "value" else "change"
    spread = Chart("", "", label, _spread(series, epochs, thinned))
    sizes = Chart("", "epochs trained", "L2 norm", _sizes(series, changes, choice, epochs, thinned), log=True)
    missed = len(history.recorded(weight.whole)) - len(series.steps)
    note = f" A part is known from kept values only, which {grouped(missed)} records do not have any more." if missed else ""
    return ChartPicture((spread, sizes), _caption(series, changes) + note)


def _spread(series: Series, epochs: np.ndarray, thinned: np.ndarray) -> tuple[Mark, ...]:
    mean, std = series["mean"][thinned], series["std"][thinned]
    return (
        Mark("band", "mean ± standard deviation", "now", epochs, mean - std, mean + std),
        Mark("line", "maximum", "maximum", epochs, series["maximum"][thinned]),
        Mark("line", "mean", "now", epochs, mean),
        Mark("line", "minimum", "minimum", epochs, series["minimum"][thinned]),
    )


def _sizes(series: Series, changes: Series, choice: Choice, epochs: np.ndarray, thinned: np.ndarray) -> tuple[Mark, ...]:
    change = Mark("line", "size of the change since the record before", "change", epochs, _positive(changes["norm"][thinned]))
    if choice.quantity == "since_last":
        return (change,)
    name = "size of the weight" if choice.quantity == "value" else "size of the change since the start"
    return (Mark("line", name, "now", epochs, _positive(series["norm"][thinned])), change)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _thin(count: int) -> np.ndarray:
    """Return which points to draw: no screen has room for more, and each one is a node of the page."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))


def _caption(series: Series, changes: Series) -> str:
    count = len(series.steps)
    if count == 1:
        return "There is one record so far: train, and the lines grow from left to right."
    moved, size = changes["moved"][1:], float(changes["norm"][-1])
    thinned = f" {MOST_POINTS} of them are drawn." if count > MOST_POINTS else ""
    if not moved.any():
        return f"{count} records, and not one element has moved between them.{thinned}"
    if np.isnan(moved[-1]):
        return f"{count} records.{thinned} How far the last change went is not known: the record before it is not kept."
    gaps = np.diff([step.position for step in series.steps])
    uneven = " Records are not equally far apart, and a change grows with the time between two." if np.ptp(gaps) > 0.01 else ""
    not_finite = changes["nans"][-1] + changes["infs"][-1]
    beside = f" in its finite elements, and {grouped(not_finite)} not finite" if not_finite else ""
    return f"{count} records.{thinned} The last change has the size {rough(size)}{beside}.{uneven}"
