"""Over time: the weight's statistics from record to record."""

from __future__ import annotations

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past, Series
from weight_explorer.views.choice import Choice
from weight_explorer.views.numbers import grouped, rough
from weight_explorer.views.pictures import Chart, ChartPicture, Mark, Picture
from weight_explorer.views.reading import kept_steps, missing, series_of

MOST_POINTS = 1000


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw minimum, mean with standard deviation and maximum; below it the norm and the size of each change."""
    series = series_of(weight, history, choice, most=MOST_POINTS)
    changes = series_of(weight, history, choice, "since_last", most=MOST_POINTS)
    if not len(series):
        return missing(weight, history)
    label = "weight" if choice.quantity == "value" else "change"
    spread = Chart("", "", label, _spread(series))
    sizes = Chart("", "epochs trained", "L2 norm", _sizes(series, changes, choice.quantity), log=True)
    count = len(history.recorded(weight.whole))
    return ChartPicture((spread, sizes), _caption(series, changes, count) + _note(weight, history, series, changes, choice))


def _note(weight: Weight, history: Past, series: Series, changes: Series, choice: Choice) -> str:
    """Say where the numbers are not those of every element of every record."""
    notes = []
    missed = len(history.recorded(weight.whole)) - len(kept_steps(weight, history))
    if missed and (weight.source or choice.quantity == "since_record"):
        what = "A part" if weight.source else "The change since a chosen record"
        notes.append(f" {what} is known from kept values only, which {grouped(missed)} records do not have any more.")
    column = history.column(weight.whole)
    if column and column.sample and (series.estimated or changes.estimated):
        what = "All" if series.estimated else "Changes"
        notes.append(f" {what} are estimated from {column.sample.words} elements.")
    return "".join(notes)


def _spread(series: Series) -> tuple[Mark, ...]:
    mean, std, epochs = series["mean"], series["std"], series.positions
    return (
        Mark("band", "mean ± standard deviation", "now", epochs, mean - std, mean + std),
        Mark("line", "maximum", "maximum", epochs, series["maximum"]),
        Mark("line", "mean", "now", epochs, mean),
        Mark("line", "minimum", "minimum", epochs, series["minimum"]),
    )


def _sizes(series: Series, changes: Series, quantity: str) -> tuple[Mark, ...]:
    change = Mark("line", "size of the change since the record before", "change", changes.positions, _positive(changes["norm"]))
    if quantity == "since_last":
        return (change,)
    name = "size of the weight" if quantity == "value" else "size of the change"
    return (Mark("line", name, "now", series.positions, _positive(series["norm"])), change)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _caption(series: Series, changes: Series, count: int) -> str:
    if count == 1:
        return "There is one record so far: train, and the lines grow from left to right."
    moved = changes["moved"][1:]
    thinned = f" {MOST_POINTS} of them are drawn." if count > MOST_POINTS else ""
    if not moved.any():
        return f"{count} records, and not one element has moved between them.{thinned}"
    if np.isnan(moved[-1]):
        return f"{count} records.{thinned} How far the last change went is not known: the record before it is not kept."
    uneven = " Records are not equally far apart, and a change grows with the time between two."
    is_uneven = np.ptp(np.diff(series.positions)) > 0.01
    return f"{count} records.{thinned} {_last_change(changes)}{uneven if is_uneven else ''}"


def _last_change(changes: Series) -> str:
    """Say how far the last change went, and in how many elements that cannot be told."""
    last = {name: float(changes[name][-1]) for name in ("norm", "count", "nans", "positive_infs", "negative_infs")}
    left_out = last["nans"] + last["positive_infs"] + last["negative_infs"]
    if left_out and left_out >= last["count"]:
        return "The last change has no size: it is NaN or infinite in every element."
    elements = "one element" if left_out == 1 else f"{grouped(left_out)} elements"
    beside = f", not counting {elements} where it is NaN or infinite" if left_out else ""
    return f"The last change has the size {rough(last['norm'])}{beside}."
