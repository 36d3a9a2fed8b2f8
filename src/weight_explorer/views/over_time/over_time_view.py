"""The Over time view: statistics from record to record, of one or several weights, above the loss and metrics of the fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from weight_explorer.catalog.schema import Weight, pluralize
from weight_explorer.pictures.data import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.pictures.numbers import format_count, format_rounded
from weight_explorer.recording.descriptions import describe_axis
from weight_explorer.recording.history import History, StatisticsSeries
from weight_explorer.recording.records import Record, fit_start_position
from weight_explorer.views.axis_labels import block_axis
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.options import ViewOption, switch_option
from weight_explorer.views.over_time import curves
from weight_explorer.views.over_time.curves import MAX_POINTS, STATISTICS, Curve
from weight_explorer.views.reading import explain_missing, kept_records

VIEW = "over_time"
SPREAD, THIS_WEIGHT = "spread", "this"
# The maximum number of loss and metric curves. The names of more would not fit.
MAX_METRICS = 4
# The number of recent records that are searched for names of metrics.
NUM_RECENT_RECORDS = 50
# More epoch lines than this would look like hatching.
MAX_EPOCH_LINES = 24
# Pinned elements among other lines use the second half of the colors, which is dashed.
MAX_PINS, PIN_COLORS = 6, 7
# Changes to the weights outside training steps: the text, the kinds of records, and the color.
EDIT_MARKS = (
    ("edited", ("edited",), "edited"),
    ("restored", ("restored", "reverted"), "restored"),
    ("changed outside", ("outside",), "outside"),
    ("changed when the training ended", ("ended",), "ended"),
)


# -- options -------------------------------------------------------------------------------------------------------------


def _statistic_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    no_histograms = bool(weight.source_key) or choice.quantity != "value"
    known = [
        MenuItem(name, each.label) for name, each in STATISTICS.items() if not (no_histograms and each.quantile is not None)
    ]
    lines = LINES.chosen(weight, history, choice)
    return (*((MenuItem(SPREAD, "min, mean, max"),) if lines in (THIS_WEIGHT, "") else ()), *known)


def _line_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    offers = [MenuItem(THIS_WEIGHT, "this weight")]
    blocks = block_axis(weight)
    offers += [MenuItem("blocks", f"its {pluralize(blocks.block_kind)}")] if blocks and not weight.source_key else []
    offers += [MenuItem("layer", "this layer")] if len(curves.weights_of_layer(weight, history)) > 1 else []
    offers += [MenuItem("role", "all layers")] if len(curves.weights_of_role(weight, history)) > 1 else []
    offers += [MenuItem("pins", "pins")] if curves.pins_of(weight, choice) else []
    return tuple(offers)


def _below_items(_weight: Weight, history: History, _choice: Choice) -> tuple[MenuItem, ...]:
    sizes, nothing = MenuItem("sizes", "changes"), MenuItem("nothing", "nothing")
    has_logs = any(step.logs for step in history.records[-1:])
    return (MenuItem("logs", "loss"), sizes, nothing) if has_logs else (sizes, nothing)


LINES = ViewOption(VIEW, "lines", "of", _line_items)
STATISTIC = ViewOption(VIEW, "statistic", "show", _statistic_items)
BELOW = ViewOption(VIEW, "below", "below", _below_items)
LOG = switch_option(VIEW, "log", "log axis")
OPTIONS = (STATISTIC, LINES, BELOW, LOG)


# -- the view ------------------------------------------------------------------------------------------------------------


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Draw statistics over time. Below, on the same axis: loss and metrics, or the size of each change."""
    series = curves.series_for(weight, history, choice)
    if not len(series):
        return explain_missing(weight, history)
    changes = curves.series_for(weight, history, choice, "since_last")
    name, lines = STATISTIC.chosen(weight, history, choice), LINES.chosen(weight, history, choice)
    is_log = LOG.is_on(weight, history, choice)
    is_spread = name == SPREAD and lines != "pins"
    draw_upper = _spread_chart if is_spread else _curves_chart
    upper, words = draw_upper(weight, history, choice, is_log=is_log)
    if upper is None:
        return EmptyPicture(words)
    charts = [upper, *_lower_charts(weight, history, choice, series, changes)]
    seams = _boundary_marks(history.records, charts)
    charts = [_with_boundaries(chart, seams, charts) for chart in charts]
    charts[-1] = replace(charts[-1], x_label=describe_axis(history.timeline))
    count = len(history.record_numbers(weight.variable_key))
    said = (words, _caption(series, changes, count), _note(weight, history, series, changes, choice))
    caption = " ".join(filter(None, (each.strip() for each in said)))
    return ChartPicture(tuple(charts), caption)


def _with_boundaries(chart: Chart, boundaries: tuple[Mark, ...], charts: list[Chart]) -> Chart:
    """Draw the epoch, fit, and edit marks behind the curves. Only the first chart names them."""
    behind = boundaries if chart is charts[0] else tuple(replace(mark, name="") for mark in boundaries)
    return replace(chart, marks=(*behind, *chart.marks))


def _boundary_marks(records: tuple[Record, ...], charts: list[Chart]) -> tuple[Mark, ...]:
    """Mark the ends of epochs, the starts of fits, and changes outside training steps."""
    x = np.concatenate([mark.x for chart in charts for mark in chart.marks] or [np.zeros(1)])
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    epochs = np.arange(np.floor(low) + 1, np.ceil(high))
    step = -(-len(epochs) // MAX_EPOCH_LINES) if len(epochs) else 1
    fits = np.array([fit_start_position(after) for before, after in itertools.pairwise(records) if after.fit > before.fit])
    fits = np.unique(fits[(fits >= low) & (fits <= high)]) if fits.size else fits
    shown = epochs[np.isin(epochs % step, [0])] if step > 1 else epochs
    seams = Mark("rules", "", "epoch", np.setdiff1d(shown, fits), np.empty(0))
    begins = Mark("rules", "another fit begins" if fits.size else "", "fit", fits, np.empty(0))
    return (seams, begins, *_edit_marks(records, low, high))


def _edit_marks(records: tuple[Record, ...], low: float, high: float) -> tuple[Mark, ...]:
    """Mark changes to the weights outside training steps."""
    marks = []
    for words, kinds, color in EDIT_MARKS:
        x = np.unique([step.position for step in records if step.kind in kinds and low <= step.position <= high])
        marks.append(Mark("rules", words if x.size else "", color, x, np.empty(0)))
    return tuple(marks)


# -- upper chart ---------------------------------------------------------------------------------------------------------


def _spread_chart(weight: Weight, history: History, choice: Choice, *, is_log: bool) -> tuple[Chart, str]:
    """Draw the minimum, the mean with the standard deviation, the maximum, and the pinned elements."""
    series = curves.series_for(weight, history, choice)
    mean, std, x = series["mean"], series["std"], series.positions
    band = Mark("band", "mean ± std. deviation", "now", x, mean - std, mean + std)
    if is_log:
        band = Mark("line", "std. deviation", "change", x, std)
    lines = [Mark("line", name, color, x, series[name]) for name, color in _SPREAD_LINES]
    pins, words = _pin_curves(weight, history, choice)
    marks = [band, *lines, *_line_marks(pins, first=PIN_COLORS)]
    label = "weight" if choice.quantity == "value" else "change"
    return _make_chart(label, marks, is_log=is_log, is_signed=True), words


_SPREAD_LINES = (("maximum", "maximum"), ("mean", "now"), ("minimum", "minimum"))


def _curves_chart(weight: Weight, history: History, choice: Choice, *, is_log: bool) -> tuple[Chart | None, str]:
    """Draw one statistic of several weights, or single elements."""
    lines = LINES.chosen(weight, history, choice)
    if lines == "pins":
        found, words = _pin_curves(weight, history, choice)
        label = "weight" if choice.quantity == "value" else "change"
        return (_make_chart(label, _line_marks(found), is_log=is_log, is_signed=True), words) if found else (None, words)
    statistic = STATISTICS[STATISTIC.chosen(weight, history, choice)]
    every = _WEIGHTS_OF_LINES[lines](weight, history)
    chosen = curves.largest(every, weight)
    found = [curves.statistic_curve(name, each, history, choice, statistic) for name, each in chosen.items()]
    found = [curve for curve in found if len(curve.x)]
    if not found:
        return None, "Nothing is known of these weights over time."
    left_out = f" The {len(chosen)} largest of {len(every)} are drawn." if len(every) > len(chosen) else ""
    chart = _make_chart(statistic.unit or statistic.label, _line_marks(found), is_log=is_log, is_signed=statistic.is_signed)
    return chart, f" {_describe_ends(statistic.label, found)}{left_out}{_describe_gaps(found)}"


_WEIGHTS_OF_LINES: dict[str, Callable[[Weight, History], Mapping[str, Weight]]] = {
    THIS_WEIGHT: lambda weight, _: {weight.name: weight},
    "blocks": curves.weight_blocks,
    "layer": curves.weights_of_layer,
    "role": curves.weights_of_role,
}


def _line_marks(lines: list[Curve], first: int = 1) -> list[Mark]:
    return [Mark("line", curve.name, f"series {place}", curve.x, curve.y) for place, curve in enumerate(lines, first)]


def _make_chart(label: str, marks: list[Mark], *, is_log: bool, is_signed: bool) -> Chart:
    """Make a chart. A log axis shows magnitudes, with a gap at zero."""
    if not is_log:
        return Chart("", "", label, tuple(marks))
    sized = tuple(Mark(mark.kind, mark.name, mark.color, mark.x, positive(np.abs(mark.y))) for mark in marks)
    return Chart("", "", f"|{label}|" if is_signed else label, sized, is_log=True)


def _pin_curves(weight: Weight, history: History, choice: Choice) -> tuple[list[Curve], str]:
    pins = curves.pins_of(weight, choice)[:MAX_PINS]
    whole = history.catalog.weights.get(weight.variable_key, weight)
    found = [curves.pin_curve(whole, index, history, choice) for index in pins]
    known = [curve for curve in found if curve is not None]
    missed = [curves.pin_name(whole, index) for index, curve in zip(pins, found, strict=True) if curve is None]
    more = len(curves.pins_of(weight, choice)) - len(pins)
    words = f" Not kept, as only a sample of the elements is: {', '.join(missed)}." if missed else ""
    return known, words + (f" {more} more are pinned." if more else "")


def _describe_ends(label: str, lines: list[Curve]) -> str:
    """Describe the last values of the curves: the highest and the lowest."""
    # A layer that was removed from the model ends before the others.
    when = "at the last record" + (" of each" if len({float(curve.x[-1]) for curve in lines}) > 1 else "")
    label = f"{label[:1].upper()}{label[1:]}"
    last = {curve.name: float(curve.y[-1]) for curve in lines if np.isfinite(curve.y[-1])}
    if not last:
        return f"{label}: not known {when}."
    high, low = max(last, key=lambda name: last[name]), min(last, key=lambda name: last[name])
    if len(last) == 1:
        return f"{label} {when}: {format_rounded(last[high])}."
    return f"{label} {when}: from {format_rounded(last[low])} ({low}) to {format_rounded(last[high])} ({high})."


def _describe_gaps(lines: list[Curve]) -> str:
    gaps = sum(int(np.count_nonzero(~np.isfinite(curve.y[1:]))) for curve in lines)
    return f" {format_count(gaps)} points are not finite or not known: gaps." if gaps else ""


# -- lower charts --------------------------------------------------------------------------------------------------------


def _lower_charts(
    weight: Weight, history: History, choice: Choice, series: StatisticsSeries, changes: StatisticsSeries
) -> list[Chart]:
    below = BELOW.chosen(weight, history, choice)
    if below == "logs":
        return _logs_chart(history.records)
    return [Chart("", "", "L2 norm", _size_marks(series, changes, choice.quantity), is_log=True)] if below == "sizes" else []


def _logs_chart(records: tuple[Record, ...]) -> list[Chart]:
    """Draw loss and metrics; validation metrics only where an epoch ended."""
    told = [step for step in records if step.logs]
    names = list(dict.fromkeys(name for step in told[-NUM_RECENT_RECORDS:] for name in step.logs))
    if not names:
        return []
    order = sorted(names, key=lambda name: ("loss" not in name, names.index(name)))[:MAX_METRICS]
    marks = [_log_mark(name, told, place) for place, name in enumerate(order)]
    left_out = len(names) - len(order)
    label = "loss" if all("loss" in name for name in order) else "metrics"
    return [Chart(f"{left_out} more" if left_out else "", "", label, tuple(marks))]


def _log_mark(name: str, records: list[Record], index: int) -> Mark:
    known = [step for step in records if name in step.logs]
    places = np.unique(np.linspace(0, len(known) - 1, min(len(known), MAX_POINTS)).round().astype(int))
    x = np.array([known[i].position for i in places])
    return Mark("line", name, f"series {index + 1}", x, np.array([float(known[i].logs[name]) for i in places]))


def _size_marks(series: StatisticsSeries, changes: StatisticsSeries, quantity: str) -> tuple[Mark, ...]:
    change = Mark("line", "size of the change since the record before", "change", changes.positions, positive(changes["norm"]))
    if quantity == "since_last":
        return (change,)
    name = "size of the weight" if quantity == "value" else "size of the change"
    return (Mark("line", name, "now", series.positions, positive(series["norm"])), change)


def positive(values: np.ndarray) -> np.ndarray:
    """Return values that a log axis can show, and NaN for all others."""
    return np.where(values > 0, values, np.nan)


# -- text ----------------------------------------------------------------------------------------------------------------


def _note(weight: Weight, history: History, series: StatisticsSeries, changes: StatisticsSeries, choice: Choice) -> str:
    """Describe where the numbers do not cover every element of every record."""
    notes = []
    recorded = len(history.record_numbers(weight.variable_key))
    missed = recorded - len(kept_records(weight, history))
    if missed and (weight.source_key or choice.quantity == "since_record"):
        what = "A part" if weight.source_key else "The change since a chosen record"
        notes.append(f" {what} is known from kept values only, which {format_count(missed)} records do not have any more.")
    column = history.weight_history(weight.variable_key)
    if column and column.sample and (series.is_estimated or changes.is_estimated):
        what = "All" if series.is_estimated else "Changes"
        notes.append(f" {what} are estimated from {column.sample.description} elements.")
    return "".join(notes)


def _caption(series: StatisticsSeries, changes: StatisticsSeries, count: int) -> str:
    if count == 1:
        return "There is one record so far: train, and the lines grow from left to right."
    moved = changes["moved"][1:]
    thinned = f" {len(series)} of them are drawn." if len(series) < count else ""
    is_every = bool((np.diff(changes.record_numbers) == 1).all())
    if is_every and not moved.any():
        return f"{count} records, and not one element has moved between them.{thinned}"
    if np.isnan(moved[-1]):
        return f"{count} records.{thinned} How far the last change went is not known: the record before it is not kept."
    uneven = " Records are not equally far apart, and a change grows with the time between two."
    is_uneven = np.ptp(np.diff(series.positions)) > 0.01
    return f"{count} records.{thinned} {_describe_last_change(changes)}{uneven if is_uneven else ''}"


def _describe_last_change(changes: StatisticsSeries) -> str:
    """Describe the size of the last change, and for how many elements it is unknown."""
    last = {name: float(changes[name][-1]) for name in ("norm", "count", "nans", "positive_infs", "negative_infs")}
    left_out = last["nans"] + last["positive_infs"] + last["negative_infs"]
    if left_out and left_out >= last["count"]:
        return "The last change has no size: it is NaN or infinite in every element."
    elements = "one element" if left_out == 1 else f"{format_count(left_out)} elements"
    beside = f", not counting {elements} where it is NaN or infinite" if left_out else ""
    return f"The last change has the size {format_rounded(last['norm'])}{beside}."
