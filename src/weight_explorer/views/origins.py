"""Where the numbers of a picture come from, as lines of Python: read from `model` or from `explorer.history`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import Index, Weight, index_text
from weight_explorer.recording.past import Past, Series, spread_places
from weight_explorer.recording.statistics import FIELDS, widened
from weight_explorer.views.choice import Choice
from weight_explorer.views.compare import MOST_DOTS, other_of
from weight_explorer.views.over_time import MOST_POINTS
from weight_explorer.views.pictures import BoardPicture, ChartPicture, EmptyPicture, Picture
from weight_explorer.views.reading import Reading, kept_steps, read, series_of, start_step, value_of


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """A name, the Python that it stands for, and its value; `""` for Python that is short enough to stand by itself."""

    name: str
    python: str
    value: object

    @property
    def expression(self) -> str:
        """What stands for the value where it is used."""
        return self.name or self.python


@dataclass(frozen=True, slots=True, eq=False)
class Origins:
    """Whatever a picture may be made of, in an order in which later ones use earlier ones."""

    known: tuple[Origin, ...] = ()

    def find(self, array: np.ndarray) -> str | None:
        """Return the Python that gives just these numbers, or None."""
        return next((origin.expression for origin in self.known if _is_same(origin.value, array)), None)

    def value(self, name: str) -> object:
        """Return what a name stands for, or None."""
        return next((origin.value for origin in self.known if origin.name == name), None)

    def lines(self, used: str) -> list[str]:
        """Return the lines that make the names which some Python uses, and which those lines use in turn."""
        found: list[str] = []
        for origin in reversed(self.known):
            if origin.name and re.search(rf"(?<!\.)\b{origin.name}\b", "\n".join([used, *found])):
                found.insert(0, f"{origin.name} = {origin.python}")
        return found


def _is_same(value: object, array: np.ndarray) -> bool:
    return isinstance(value, np.ndarray) and value.shape == array.shape and np.array_equal(value, array, equal_nan=True)


def origins_of(weight: Weight, history: Past, choice: Choice, picture: Picture, *, is_live: bool) -> Origins:
    """Find where the numbers of a picture come from; `is_live` says that the model is as it was at the newest record."""
    if isinstance(picture, BoardPicture):
        choice = replace(choice, quantity="value")  # whatever is chosen, values are compared
    reading = read(weight, history, choice)
    known = [] if isinstance(reading, EmptyPicture) else list(_values(weight, history, reading, is_live=is_live))
    if isinstance(picture, ChartPicture):
        known += [*_histograms(picture, known), *_statistics(weight, history, choice)]
    if isinstance(picture, BoardPicture) and known and isinstance(reading, Reading):
        known += _compared(weight, history, choice, reading)
    return Origins(tuple(known))


# -- values ------------------------------------------------------------------------------------------------------------


def _values(weight: Weight, history: Past, reading: Reading, *, is_live: bool) -> Iterator[Origin]:
    """Yield the `values` that are shown, and those `at_start`, of a weight that is kept whole, or of its whole sample."""
    if reading.sample is not None and weight.index:
        return
    kept = kept_steps(weight, history)
    is_now = is_live and reading.step.number == kept[-1] and reading.sample is None
    now = _as_float(weight.expression, weight, reading) if is_now else _recorded(weight, history, reading.step.number)
    start = start_step(weight, history, reading.step.number)
    first = value_of(weight, history, start)
    if first is not None:
        yield Origin("at_start", _recorded(weight, history, start), widened(first[0]))
    if reading.against is None:
        yield Origin("values", now, reading.values)
    else:
        yield Origin("values", f"{now} - {_recorded(weight, history, reading.against.number)}", reading.values)


def _recorded(weight: Weight, history: Past, number: int) -> str:
    column = history.column(weight.whole)
    is_sampled = column is not None and column.sample is not None
    read_value = "column({key!r}).value({number})" if is_sampled else "value({key!r}, {number})"
    index = f"[{index_text(weight.index)}]" if weight.index else ""
    python = f"explorer.history.{read_value.format(key=weight.whole, number=number)}{index}"
    found = value_of(weight, history, number)
    if found is None or widened(found[0]).dtype == found[0].dtype:
        return python
    return f"{python}.astype(np.{widened(found[0]).dtype})"


def _as_float(expression: str, weight: Weight, reading: Reading) -> str:
    is_float = weight.dtype in ("float32", "float64")
    return f"np.asarray({expression})" if is_float else f"np.asarray({expression}, np.{reading.values.dtype})"


# -- two that are compared ---------------------------------------------------------------------------------------------


def _compared(weight: Weight, history: Past, choice: Choice, reading: Reading) -> Iterator[Origin]:
    """Yield the values that the others are compared with, their difference, and the dots of one against the other."""
    other, number = other_of(weight, history, choice, reading.step)
    found = None if number is None else value_of(other, history, number)
    if found is None or number is None or found[0].shape != reading.values.shape:
        return
    against = widened(found[0])
    yield Origin("other", _recorded(other, history, number), against)
    with np.errstate(invalid="ignore", over="ignore"):
        yield Origin("", "(values - other)", reading.values - against)
    places = np.flatnonzero(np.isfinite(reading.values) & np.isfinite(against))
    spread, python = spread_places(len(places), MOST_DOTS), "np.flatnonzero(np.isfinite(values) & np.isfinite(other))"
    if isinstance(spread, np.ndarray):
        python += f"[np.unique(np.linspace(0, {len(places) - 1}, {MOST_DOTS}).round().astype(np.int64))]"
    yield Origin("places", python, places[spread])
    for name, values in (("values", reading.values), ("other", against)):
        dots = values.reshape(-1)[places[spread]].astype(np.float64)
        yield Origin("", f"{name}.reshape(-1)[places].astype(np.float64)", dots)


# -- charts ------------------------------------------------------------------------------------------------------------


def _histograms(picture: ChartPicture, known: list[Origin]) -> Iterator[Origin]:
    """Yield the edges of histograms where they are evenly spaced, and the counts of the values over them."""
    edges = next((mark.x for chart in picture.charts for mark in chart.marks if mark.kind == "steps"), None)
    if edges is None or not np.array_equal(np.linspace(edges[0], edges[-1], len(edges)), edges):
        return
    yield Origin("edges", f"np.linspace({float(edges[0])!r}, {float(edges[-1])!r}, {len(edges)})", edges)
    for origin in known:
        if isinstance(origin.value, np.ndarray):
            finite = origin.value[np.isfinite(origin.value)]
            counts = np.histogram(finite, edges)[0].astype(np.float64)
            yield Origin("", f"np.histogram({origin.name}[np.isfinite({origin.name})], edges)[0]", counts)


def _statistics(weight: Weight, history: Past, choice: Choice) -> Iterator[Origin]:
    """Yield the statistics over time: of the chosen quantity, and of the change from record to record."""
    for name, quantity in (("series", choice.quantity), ("changes", "since_last")):
        series = series_of(weight, history, choice, quantity, most=MOST_POINTS)
        yield Origin(name, _series_call(weight.whole, quantity, weight.index, choice.against), series)
        yield from _statistics_of(name, series)


def _series_call(key: str, quantity: str, index: Index, against: int | None) -> str:
    words = [repr(key), repr(quantity)]
    if index:
        words.append(f"index=np.s_[{index_text(index)}{',' if len(index) == 1 else ''}]")
    if quantity == "since_record":
        words.append(f"against={against}")
    return f"explorer.history.series({', '.join(words)}, most={MOST_POINTS})"


def _statistics_of(name: str, series: Series) -> Iterator[Origin]:
    yield Origin("", f"{name}.positions", series.positions)
    mean, std = series["mean"], series["std"]
    yield Origin("", f'{name}["mean"] - {name}["std"]', mean - std)
    yield Origin("", f'{name}["mean"] + {name}["std"]', mean + std)
    for field in FIELDS:
        numbers, python = series[field], f'{name}["{field}"]'
        yield Origin("", python, numbers)
        yield Origin("", f"np.where({python} > 0, {python}, np.nan)", np.where(numbers > 0, numbers, np.nan))
