"""Compare: two records of a weight, or two weights of equal shape, side by side, as difference, and one against the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Weight
from weight_explorer.recording.past import Past, spread_places, start_among
from weight_explorer.recording.sampling import Sample, is_same_sample
from weight_explorer.recording.statistics import widened
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.entries import Entries, parts_of
from weight_explorer.views.layout import Layout, lay_out
from weight_explorer.views.limits import film_words, marks_of, reach_of
from weight_explorer.views.numbers import grouped, rough, share, signed
from weight_explorer.views.options import Option, fixed
from weight_explorer.views.pictures import BoardPicture, Chart, ChartPicture, EmptyPicture, Mark, Marks, MatrixPicture, Picture
from weight_explorer.views.plane import reduce_to_cells
from weight_explorer.views.reading import Reading, kept_steps, read, record_words, step_words, value_of
from weight_explorer.views.sampled import cells_of_sample

VIEW = "compare"

MOST_CELLS = 160
MOST_DOTS = 3000
MOST_LETTERS = 20
# More elements than this take more than a few milliseconds.
MOST_AT_ONCE = 50_000
NOW = (Offer("now", "now"),)
MOST_OTHERS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two arrays of equal shape, or two of the same sample, and what each is."""

    one: np.ndarray
    other: np.ndarray
    names: tuple[str, str]
    labels: tuple[str, str]  # of the axes, where there is room for less
    sample: Sample | None = None

    @property
    def difference(self) -> np.ndarray:
        """The first less the second."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self.one - self.other

    @property
    def are_finite(self) -> np.ndarray:
        """Where both are finite."""
        return np.isfinite(self.one) & np.isfinite(self.other)

    @property
    def correlation(self) -> float:
        """Pearson's, of the places where both are finite; NaN where one of them does not vary.

        >>> Pair(np.array([1.0, 2.0]), np.array([3.0, 1.0]), ("", ""), ("", "")).correlation
        -1.0
        """
        both = [values[self.are_finite].astype(np.float64) for values in (self.one, self.other)]
        if both[0].size < 2 or not all(np.ptp(values) for values in both):
            return math.nan
        one, other = (values - values.mean() for values in both)
        # Each by its own norm: of tiny numbers the product of the squares would be zero.
        sizes = [float(np.linalg.norm(values)) for values in (one, other)]
        return round(float((one / sizes[0]) @ (other / sizes[1])), 12) if all(sizes) else math.nan


def _with(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    """Offer records first, then every weight of the same shape."""
    records = [Offer("start", "the start"), Offer("before", "the record before")]
    if choice.against is not None:
        records.insert(0, Offer("record", f"record {choice.against}"))
    return (*records, *(Offer(f"weight {key}", key) for key in _others(weight, history)))


def _others(weight: Weight, history: Past) -> list[str]:
    weights = history.catalog.weights
    whole = weights.get(weight.whole)
    shape = weight.shape if whole is None else whole.shape
    return [key for key, other in weights.items() if other.shape == shape and key != weight.whole][:MOST_OTHERS]


WITH = Option(VIEW, "against", "with", _with)
SHOW = Option(VIEW, "show", "show", fixed(("all", "side by side"), ("dots", "one against the other")))
COMPUTE = Option(VIEW, "compute", "compute now", lambda weight, *_: NOW if is_large(weight) else (), "button")
OPTIONS = (COMPUTE, WITH, SHOW)


def is_large(weight: Weight) -> bool:
    """Whether drawing takes longer than training should wait."""
    return weight.size > MOST_AT_ONCE


def applies(weight: Weight) -> bool:
    """Whether there are numbers to be compared."""
    return weight.size > 1 and weight.role != SEED_STATE


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw both, their difference and one against the other; it is of values, whatever quantity is chosen."""
    reading = read(weight, history, replace(choice, quantity="value"))
    if isinstance(reading, EmptyPicture):
        return reading
    pair = _pair(weight, history, choice, reading)
    if isinstance(pair, EmptyPicture):
        return pair
    difference = pair.difference
    matrices = _matrices(weight, pair, difference, choice.color_limit)
    caption = _caption(weight, pair, difference, matrices[0], choice.color_limit)
    if SHOW.chosen(weight, history, choice) == "dots":
        return ChartPicture((_scatter(pair),), caption)
    scatter = ("one against the other", ChartPicture((_scatter(pair),), ""))
    # In two columns: a third of the stage is too narrow for a matrix with its labels and its color scale.
    return BoardPicture((*zip((*pair.names, "difference"), matrices, strict=True), scatter), 2, caption)


# -- what is compared -----------------------------------------------------------------------------------------------------


def other_of(weight: Weight, history: Past, choice: Choice, step: Step) -> tuple[Weight, int | None]:
    """Return what a weight at a record is compared with: a weight, and its record where one is kept."""
    kind, _, key = WITH.chosen(weight, history, choice).partition(" ")
    other = replace(weight, key=key, source=key) if kind == "weight" else weight
    return other, _RECORDS[kind](other, history, step, choice)


def _pair(weight: Weight, history: Past, choice: Choice, reading: Reading) -> Pair | EmptyPicture:
    kind = WITH.chosen(weight, history, choice).partition(" ")[0]
    other, number = other_of(weight, history, choice, reading.step)
    step = history.step(number) if number is not None else None
    found = value_of(other, history, number) if number is not None else None
    if step is None or found is None:
        return EmptyPicture(_NONE[kind])
    if not is_same_sample(found[1], reading.sample) or found[0].shape != reading.values.shape:
        return EmptyPicture("Of one of the two other elements are kept, or another number of them, so they cannot be compared.")
    if kind == "weight":
        names = (f"{weight.key}, {step_words(reading.step)}", f"{other.key}, {step_words(step)}")
        labels = (_short(weight.key), _short(other.key))
    else:
        names = (step_words(reading.step), step_words(step))
        labels = (record_words(reading.step), record_words(step))
    return Pair(reading.values, widened(found[0]), names, labels, reading.sample)


def _short(key: str) -> str:
    """Shorten a key: its end tells most."""
    return key if len(key) <= MOST_LETTERS else f"…{key[-MOST_LETTERS:]}"


def _start(weight: Weight, history: Past, step: Step, _: Choice) -> int | None:
    kept = kept_steps(weight, history)
    first = start_among(kept, history.start, step.number) if kept else step.number
    return first if first != step.number else None


def _before(weight: Weight, history: Past, step: Step, _: Choice) -> int | None:
    return max((number for number in kept_steps(weight, history) if number < step.number), default=None)


def _asked(weight: Weight, history: Past, _: Step, choice: Choice) -> int | None:
    return choice.against if choice.against in kept_steps(weight, history) else None


def _same_time(weight: Weight, history: Past, step: Step, _: Choice) -> int | None:
    return max((number for number in kept_steps(weight, history) if number <= step.number), default=None)


_RECORDS: dict[str, Callable[[Weight, Past, Step, Choice], int | None]] = {
    "start": _start,
    "before": _before,
    "record": _asked,
    "weight": _same_time,
}
_ONLY = (
    "This is the first record, and there is none before it to compare with: train, or choose another weight to compare with."
)
_NONE = {
    "start": _ONLY,
    "before": _ONLY,
    "record": "The record to compare with is not kept any more. Choose another one and press Compare.",
    "weight": "Of the other weight no values are kept at this record.",
}


# -- pictures -------------------------------------------------------------------------------------------------------------


def _matrices(weight: Weight, pair: Pair, difference: np.ndarray, limit: float | None) -> list[MatrixPicture]:
    """Lay all three out alike, over one color scale, which ends where the largest number is or at a given limit."""
    layout = Layout(*lay_out(weight.axes))
    arrays = (pair.one, pair.other, difference)
    found = [_cells(values, pair.sample, layout) for values in arrays]
    is_given = limit is not None
    limit = limit if is_given else max(reach_of(cells) for cells, _, _ in found)
    rows, columns = layout.sides(weight.axes)
    return [
        MatrixPicture(
            cells=np.ascontiguousarray(cells, dtype=np.float32),
            rows=rows,
            columns=columns,
            axis_order=(*layout.rows, *layout.columns),
            row_step=row_step,
            column_step=column_step,
            limit=limit,
            caption="",
            marks=marks_of(values, limit) if is_given else Marks.of(values, "largest of all"),
        )
        for values, (cells, row_step, column_step) in zip(arrays, found, strict=True)
    ]


def _cells(values: np.ndarray, sample: Sample | None, layout: Layout) -> tuple[np.ndarray, int, int]:
    if sample is None:
        return reduce_to_cells(layout.flatten(values), MOST_CELLS)
    return cells_of_sample(values, sample, layout.rows, layout.columns, MOST_CELLS)


def _scatter(pair: Pair) -> Chart:
    finite = pair.are_finite.reshape(-1)
    places = np.flatnonzero(finite)
    places = places[spread_places(len(places), MOST_DOTS)]
    x, y = (values.reshape(-1)[places].astype(np.float64) for values in (pair.other, pair.one))
    ends = np.array([min(x.min(), y.min()), max(x.max(), y.max())]) if len(x) else np.zeros(2)
    marks = (Mark("dots", "elements", "now", x, y), Mark("line", "equal", "start", ends, ends))
    return Chart("", pair.labels[1], pair.labels[0], marks)


def _caption(weight: Weight, pair: Pair, difference: np.ndarray, matrix: MatrixPicture, limit: float | None) -> str:
    reach = max(reach_of(values) for values in (pair.one, pair.other, difference))
    moved = int(np.count_nonzero(~((pair.one == pair.other) | (np.isnan(pair.one) & np.isnan(pair.other)))))
    count, left_out = difference.size, int(difference.size - np.count_nonzero(pair.are_finite))
    words = [
        f"Between {pair.names[0]} and {pair.names[1]} {share(moved, count) or '0 %'} of {grouped(count)} elements differ",
        f", the correlation is {rough(pair.correlation)}. {_largest_words(weight, pair, difference)}",
        film_words(limit, reach) or f" The three matrices have one color scale, to {rough(matrix.limit)}.",
        f" {grouped(MOST_DOTS)} dots, evenly spread." if count - left_out > MOST_DOTS else "",
        f" {grouped(left_out)} are not finite in one of them." if left_out else "",
        f" Estimated from {pair.sample.words} elements." if pair.sample else "",
    ]
    if matrix.row_step * matrix.column_step > 1:
        cell = f"{grouped(matrix.row_step)} x {grouped(matrix.column_step)}"
        words.append(f" A cell stands for {cell} elements and shows the one farthest from zero.")
    return "".join(words)


def _largest_words(weight: Weight, pair: Pair, difference: np.ndarray) -> str:
    sizes = np.where(pair.are_finite, np.abs(difference), -1.0).reshape(-1)
    place = int(np.argmax(sizes))
    if sizes[place] <= 0:
        return "There is no difference." if sizes[place] == 0 else "No element is finite in both."
    flat = place if pair.sample is None else int(pair.sample.indexes[place])
    where = Entries(parts_of(weight.axes)).words(flat)
    return f"The largest difference is {signed(float(difference.reshape(-1)[place]))}, at {where}."
