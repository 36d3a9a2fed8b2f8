"""Over time: statistics from record to record, of one weight or several, with the loss and metrics of the fit below."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from weight_explorer.catalog.nodes import Weight, plural
from weight_explorer.recording.moments import axis_words
from weight_explorer.recording.past import Past, Series
from weight_explorer.recording.time import Step, fit_position
from weight_explorer.views import curves
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.curves import MOST_POINTS, STATISTICS, Curve
from weight_explorer.views.entries import block_axis
from weight_explorer.views.numbers import grouped, rough
from weight_explorer.views.options import Option, switch
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.views.reading import kept_steps, missing

VIEW = "over_time"
SPREAD, THIS = "spread", "this"
# Lines of loss and metrics; there is no room for the names of more.
MOST_METRICS = 4
# Of so many records the names of metrics are looked for.
MOST_RECENT = 50
# More seams than this would be a hatching.
MOST_SEAMS = 24
# Pinned elements among other lines are drawn in the second half of the colors, which is dashed.
MOST_PINS, PIN_COLORS = 6, 7
# What was done to the weights other than by training steps: the words, the kinds of records, and the color.
SET = (
    ("edited", ("edited",), "edited"),
    ("restored", ("restored", "reverted"), "restored"),
    ("changed outside", ("outside",), "outside"),
    ("changed when the training ended", ("ended",), "ended"),
)


# -- options -------------------------------------------------------------------------------------------------------------


def _statistics(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    no_histograms = bool(weight.source) or choice.quantity != "value"
    known = [Offer(name, each.label) for name, each in STATISTICS.items() if not (no_histograms and each.quantile is not None)]
    lines = LINES.chosen(weight, history, choice)
    return (*((Offer(SPREAD, "min, mean, max"),) if lines in (THIS, "") else ()), *known)


def _lines(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    offers = [Offer(THIS, "this weight")]
    blocks = block_axis(weight)
    offers += [Offer("blocks", f"its {plural(blocks.group)}")] if blocks and not weight.source else []
    offers += [Offer("layer", "this layer")] if len(curves.weights_of_layer(weight, history)) > 1 else []
    offers += [Offer("role", "all layers")] if len(curves.same_role(weight, history)) > 1 else []
    offers += [Offer("pins", "pins")] if curves.pins_of(weight, choice) else []
    return tuple(offers)


def _below(_weight: Weight, history: Past, _choice: Choice) -> tuple[Offer, ...]:
    sizes, nothing = Offer("sizes", "changes"), Offer("nothing", "nothing")
    has_logs = any(step.logs for step in history.records[-1:])
    return (Offer("logs", "loss"), sizes, nothing) if has_logs else (sizes, nothing)


LINES = Option(VIEW, "lines", "of", _lines)
STATISTIC = Option(VIEW, "statistic", "show", _statistics)
BELOW = Option(VIEW, "below", "below", _below)
LOG = switch(VIEW, "log", "log axis")
OPTIONS = (STATISTIC, LINES, BELOW, LOG)


# -- the view ------------------------------------------------------------------------------------------------------------


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw how statistics went; below them loss and metrics, or how large each change was; over the same time."""
    series = curves.rows_of(weight, history, choice)
    if not len(series):
        return missing(weight, history)
    changes = curves.rows_of(weight, history, choice, "since_last")
    name, lines = STATISTIC.chosen(weight, history, choice), LINES.chosen(weight, history, choice)
    is_log = LOG.is_on(weight, history, choice)
    is_spread = name == SPREAD and lines != "pins"
    draw_upper = _spread_chart if is_spread else _curves_chart
    upper, words = draw_upper(weight, history, choice, is_log=is_log)
    if upper is None:
        return EmptyPicture(words)
    charts = [upper, *_lower(weight, history, choice, series, changes)]
    seams = _seams(history.records, charts)
    charts = [_with_seams(chart, seams, charts) for chart in charts]
    charts[-1] = replace(charts[-1], x_label=axis_words(history.timeline))
    count = len(history.recorded(weight.whole))
    said = (words, _caption(series, changes, count), _note(weight, history, series, changes, choice))
    caption = " ".join(filter(None, (each.strip() for each in said)))
    return ChartPicture(tuple(charts), caption)


def _with_seams(chart: Chart, seams: tuple[Mark, ...], charts: list[Chart]) -> Chart:
    """Put the seams behind the lines, named in the first chart."""
    behind = seams if chart is charts[0] else tuple(replace(mark, name="") for mark in seams)
    return replace(chart, marks=(*behind, *chart.marks))


def _seams(records: tuple[Step, ...], charts: list[Chart]) -> tuple[Mark, ...]:
    """Mark the ends of epochs, where another fit began, and what no training step did."""
    x = np.concatenate([mark.x for chart in charts for mark in chart.marks] or [np.zeros(1)])
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    epochs = np.arange(np.floor(low) + 1, np.ceil(high))
    step = -(-len(epochs) // MOST_SEAMS) if len(epochs) else 1
    fits = np.array([fit_position(after) for before, after in itertools.pairwise(records) if after.fit > before.fit])
    fits = np.unique(fits[(fits >= low) & (fits <= high)]) if fits.size else fits
    shown = epochs[np.isin(epochs % step, [0])] if step > 1 else epochs
    seams = Mark("rules", "", "epoch", np.setdiff1d(shown, fits), np.empty(0))
    begins = Mark("rules", "another fit begins" if fits.size else "", "fit", fits, np.empty(0))
    return (seams, begins, *_by_hand(records, low, high))


def _by_hand(records: tuple[Step, ...], low: float, high: float) -> tuple[Mark, ...]:
    """Mark what was done to the weights other than by training steps."""
    marks = []
    for words, kinds, color in SET:
        x = np.unique([step.position for step in records if step.kind in kinds and low <= step.position <= high])
        marks.append(Mark("rules", words if x.size else "", color, x, np.empty(0)))
    return tuple(marks)


# -- above ---------------------------------------------------------------------------------------------------------------


def _spread_chart(weight: Weight, history: Past, choice: Choice, *, is_log: bool) -> tuple[Chart, str]:
    """Draw minimum, mean with standard deviation and maximum, and the pinned elements among them."""
    series = curves.rows_of(weight, history, choice)
    mean, std, x = series["mean"], series["std"], series.positions
    band = Mark("band", "mean ± std. deviation", "now", x, mean - std, mean + std)
    if is_log:
        band = Mark("line", "std. deviation", "change", x, std)
    lines = [Mark("line", name, color, x, series[name]) for name, color in _OF_SPREAD]
    pins, words = _pin_curves(weight, history, choice)
    marks = [band, *lines, *_marks(pins, first=PIN_COLORS)]
    label = "weight" if choice.quantity == "value" else "change"
    return _on_axis(label, marks, is_log=is_log, is_signed=True), words


_OF_SPREAD = (("maximum", "maximum"), ("mean", "now"), ("minimum", "minimum"))


def _curves_chart(weight: Weight, history: Past, choice: Choice, *, is_log: bool) -> tuple[Chart | None, str]:
    """Draw one statistic of several weights, or single elements."""
    lines = LINES.chosen(weight, history, choice)
    if lines == "pins":
        found, words = _pin_curves(weight, history, choice)
        label = "weight" if choice.quantity == "value" else "change"
        return (_on_axis(label, _marks(found), is_log=is_log, is_signed=True), words) if found else (None, words)
    statistic = STATISTICS[STATISTIC.chosen(weight, history, choice)]
    every = _WEIGHTS[lines](weight, history)
    chosen = curves.largest(every, weight)
    found = [curves.curve_of(name, each, history, choice, statistic) for name, each in chosen.items()]
    found = [curve for curve in found if len(curve.x)]
    if not found:
        return None, "Nothing is known of these weights over time."
    left_out = f" The {len(chosen)} largest of {len(every)} are drawn." if len(every) > len(chosen) else ""
    chart = _on_axis(statistic.unit or statistic.label, _marks(found), is_log=is_log, is_signed=statistic.is_signed)
    return chart, f" {_ends_words(statistic.label, found)}{left_out}{_gaps_words(found)}"


_WEIGHTS: dict[str, Callable[[Weight, Past], Mapping[str, Weight]]] = {
    THIS: lambda weight, _: {weight.name: weight},
    "blocks": curves.blocks_of,
    "layer": curves.weights_of_layer,
    "role": curves.same_role,
}


def _marks(found: list[Curve], first: int = 1) -> list[Mark]:
    return [Mark("line", curve.name, f"series {place}", curve.x, curve.y) for place, curve in enumerate(found, first)]


def _on_axis(label: str, marks: list[Mark], *, is_log: bool, is_signed: bool) -> Chart:
    """Make a chart; a log axis shows how large numbers are, with a gap where one is zero."""
    if not is_log:
        return Chart("", "", label, tuple(marks))
    sized = tuple(Mark(mark.kind, mark.name, mark.color, mark.x, positive(np.abs(mark.y))) for mark in marks)
    return Chart("", "", f"|{label}|" if is_signed else label, sized, log=True)


def _pin_curves(weight: Weight, history: Past, choice: Choice) -> tuple[list[Curve], str]:
    pins = curves.pins_of(weight, choice)[:MOST_PINS]
    whole = history.catalog.weights.get(weight.whole, weight)
    found = [curves.curve_of_pin(whole, index, history, choice) for index in pins]
    known = [curve for curve in found if curve is not None]
    missed = [curves.pin_name(whole, index) for index, curve in zip(pins, found, strict=True) if curve is None]
    more = len(curves.pins_of(weight, choice)) - len(pins)
    words = f" Not kept, as only a sample of the elements is: {', '.join(missed)}." if missed else ""
    return known, words + (f" {more} more are pinned." if more else "")


def _ends_words(label: str, found: list[Curve]) -> str:
    """Say where the lines end: the highest and the lowest."""
    # A layer that has left the model ends before the others.
    when = "at the last record" + (" of each" if len({float(curve.x[-1]) for curve in found}) > 1 else "")
    label = f"{label[:1].upper()}{label[1:]}"
    last = {curve.name: float(curve.y[-1]) for curve in found if np.isfinite(curve.y[-1])}
    if not last:
        return f"{label}: not known {when}."
    high, low = max(last, key=lambda name: last[name]), min(last, key=lambda name: last[name])
    if len(last) == 1:
        return f"{label} {when}: {rough(last[high])}."
    return f"{label} {when}: from {rough(last[low])} ({low}) to {rough(last[high])} ({high})."


def _gaps_words(found: list[Curve]) -> str:
    gaps = sum(int(np.count_nonzero(~np.isfinite(curve.y[1:]))) for curve in found)
    return f" {grouped(gaps)} points are not finite or not known: gaps." if gaps else ""


# -- below ---------------------------------------------------------------------------------------------------------------


def _lower(weight: Weight, history: Past, choice: Choice, series: Series, changes: Series) -> list[Chart]:
    below = BELOW.chosen(weight, history, choice)
    if below == "logs":
        return _logs_chart(history.records)
    return [Chart("", "", "L2 norm", _sizes(series, changes, choice.quantity), log=True)] if below == "sizes" else []


def _logs_chart(records: tuple[Step, ...]) -> list[Chart]:
    """Draw loss and metrics, those of validation where an epoch ended."""
    told = [step for step in records if step.logs]
    names = list(dict.fromkeys(name for step in told[-MOST_RECENT:] for name in step.logs))
    if not names:
        return []
    order = sorted(names, key=lambda name: ("loss" not in name, names.index(name)))[:MOST_METRICS]
    marks = [_log_mark(name, told, place) for place, name in enumerate(order)]
    left_out = len(names) - len(order)
    label = "loss" if all("loss" in name for name in order) else "metrics"
    return [Chart(f"{left_out} more" if left_out else "", "", label, tuple(marks))]


def _log_mark(name: str, told: list[Step], place: int) -> Mark:
    known = [step for step in told if name in step.logs]
    places = np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_POINTS)).round().astype(int))
    x = np.array([known[i].position for i in places])
    return Mark("line", name, f"series {place + 1}", x, np.array([float(known[i].logs[name]) for i in places]))


def _sizes(series: Series, changes: Series, quantity: str) -> tuple[Mark, ...]:
    change = Mark("line", "size of the change since the record before", "change", changes.positions, positive(changes["norm"]))
    if quantity == "since_last":
        return (change,)
    name = "size of the weight" if quantity == "value" else "size of the change"
    return (Mark("line", name, "now", series.positions, positive(series["norm"])), change)


def positive(values: np.ndarray) -> np.ndarray:
    """Return what a log axis can show, else NaN."""
    return np.where(values > 0, values, np.nan)


# -- words ---------------------------------------------------------------------------------------------------------------


def _note(weight: Weight, history: Past, series: Series, changes: Series, choice: Choice) -> str:
    """Say where the numbers are not those of every element of every record."""
    notes = []
    recorded = len(history.recorded(weight.whole))
    missed = recorded - len(kept_steps(weight, history))
    if missed and (weight.source or choice.quantity == "since_record"):
        what = "A part" if weight.source else "The change since a chosen record"
        notes.append(f" {what} is known from kept values only, which {grouped(missed)} records do not have any more.")
    column = history.column(weight.whole)
    if column and column.sample and (series.estimated or changes.estimated):
        what = "All" if series.estimated else "Changes"
        notes.append(f" {what} are estimated from {column.sample.words} elements.")
    return "".join(notes)


def _caption(series: Series, changes: Series, count: int) -> str:
    if count == 1:
        return "There is one record so far: train, and the lines grow from left to right."
    moved = changes["moved"][1:]
    thinned = f" {len(series)} of them are drawn." if len(series) < count else ""
    is_every = bool((np.diff(changes.numbers) == 1).all())
    if is_every and not moved.any():
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
