"""All weights of a model over all records: a row for each weight, a column for each record, a color for one number."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Axis, Block, Catalog, Weight
from weight_explorer.diagnosis.findings import Findings
from weight_explorer.recording.past import Past
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import OVERVIEW, Choice
from weight_explorer.views.gathered import gathered
from weight_explorer.views.measures import MEASURES, USUAL_RATIO, Measure
from weight_explorer.views.numbers import capitalized, grouped, rough
from weight_explorer.views.options import Option, fixed
from weight_explorer.views.pictures import EmptyPicture, HeatPicture, Marks, Shades, Trouble, Window
from weight_explorer.views.plane import Plane, area_around, few_of, steps_of, window_of
from weight_explorer.views.reading import place_words

VIEW = OVERVIEW
LABEL = "Every weight over time"

# Stands for all weights where options are chosen: they are kept by role.
ALL_WEIGHTS = Weight(VIEW, OVERVIEW, OVERVIEW, "", (), "", ())

STATISTIC = Option(VIEW, "statistic", "show", fixed(*((name, measure.label) for name, measure in MEASURES.items())))
COMMON, OWN = "common", "own"


def _scales(_: Weight, history: Past, choice: Choice):
    shares = MEASURES[STATISTIC.chosen(ALL_WEIGHTS, history, choice)].has_rows
    return fixed((COMMON, "one scale"), (OWN, "each row against its own largest"))(_, history, choice) if shares else ()


ROWS = Option(VIEW, "rows", "colors", _scales)
OPTIONS = (STATISTIC, ROWS)


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rows:
    """The weights from top to bottom, named so that each name tells one from all others, and layer by layer."""

    keys: tuple[str, ...]
    axis: Axis


def rows_of(catalog: Catalog) -> Rows:
    """Return all weights in the order of the tree, each at the first layer that holds it."""
    found: dict[str, tuple[str, ...]] = {}
    for node in catalog.nodes.values():
        for key in node.weights:
            if catalog.weights[key].role != SEED_STATE:
                found.setdefault(key, (*node.path.split("/")[1:], catalog.weights[key].name))
    labels = _short_names(found)
    return Rows(tuple(found), Axis("weight", len(found), blocks=_layers(found), labels=labels, entry="weight", group="layer"))


def _short_names(ways: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Name each weight by the end of the way that leads to it, as much of that as tells it from all others."""
    names: dict[str, str] = {}
    longest = max(map(len, ways.values()), default=0)
    for length in range(2, longest + 1):
        ends: dict[str, list[str]] = {}
        for key, way in ways.items():
            if key not in names:
                ends.setdefault(" / ".join(way[-length:]), []).append(key)
        names |= {keys[0]: end for end, keys in ends.items() if len(keys) == 1 and end not in names.values()}
    return tuple(names.get(key, key) for key in ways)


def _layers(ways: dict[str, tuple[str, ...]]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    layer: tuple[str, ...] | None = None
    for row, way in enumerate(ways.values()):
        if way[:-1] != layer:
            layer = way[:-1]
            blocks.append(Block(" / ".join(layer), row, row))
        blocks[-1] = replace(blocks[-1], stop=row + 1)
    return tuple(blocks)


_rows: list[tuple[Catalog, Rows]] = []


def _known_rows(catalog: Catalog) -> Rows:
    """Return the rows of a catalog; those of the last few are remembered."""
    for known, rows in _rows[:]:
        if known is catalog:
            return rows
    rows = rows_of(catalog)
    _rows[:] = [*_rows[-3:], (catalog, rows)]
    return rows


# -- columns -----------------------------------------------------------------------------------------------------------

# More labels than this do not fit along a side.
MOST_TICKS = 24

# What somebody did to the weights: kinds of records, with words for where they have no name.
EDITS = {"edited": "edited", "restored": "restored", "outside": "changed outside of training"}


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The records from left to right: their numbers, and for each the batches trained since the record before it.

    `every` are all records that there are. What is recorded at the end of an epoch when its last batch was recorded already is
    the same once more, and no column of its own: it would say that nothing moved.
    """

    steps: tuple[Step, ...]
    numbers: np.ndarray
    gaps: np.ndarray
    every: tuple[Step, ...]

    @classmethod
    def of(cls, history: Past) -> Columns:
        """Return all records; where some between were thinned away, batches are taken to be spread evenly over them."""
        numbers = history.timeline.numbers
        gaps = np.full(len(numbers), np.nan)
        gaps[1:] = np.diff(history.timeline.batches) / np.diff(numbers)
        every = history.records
        is_twice = np.array([step.kind == "epoch" for step in every]) & (gaps == 0)
        steps = tuple(itertools.compress(every, ~is_twice)) if is_twice.any() else every
        return cls(steps, numbers[~is_twice], gaps[~is_twice], every)

    def at(self, number: int) -> int:
        """Return the column of a record, or of the last one before it that is kept."""
        return max(0, int(np.searchsorted(self.numbers, number, side="right")) - 1)

    @property
    def gap(self) -> float:
        """Batches between two records, the middle one of all."""
        known = self.gaps[np.isfinite(self.gaps)]
        return float(np.median(known)) if known.size else 1.0

    def usual(self, measure: Measure) -> float:
        """Return about how much a weight changes between two records where training goes well, to one digit.

        Changes that point anywhere add up like the steps of a random walk: of `n` batches to the square root of `n` times one.
        """
        batches = 1.0 if measure.per_batch else max(self.gap, 1.0)
        return float(f"{USUAL_RATIO * math.sqrt(batches):.0e}")

    def counted(self) -> tuple[str, dict[int, int]]:
        """Return what is counted along the side, and by column its number: epochs that ended, or records where none has yet."""
        ends = [(step.epoch, step.number) for step in self.every if not step.batch and step.epoch and step.kind != "start"]
        if ends:
            first = dict(reversed(ends))
            return "epoch", {self.at(number): epoch for epoch, number in first.items()}
        return "record", dict(enumerate(self.numbers.tolist()))


def _ticks(counted: dict[int, int], seen: Window) -> tuple[tuple[int, str], ...]:
    """Label as many columns of those that are looked at as there is room for, at round numbers."""
    inside = {column: number for column, number in sorted(counted.items()) if seen.left <= column < seen.right}
    for step in (base * 10**power for power in range(10) for base in (1, 2, 5)):
        found = tuple((column, str(number)) for column, number in inside.items() if number % step == 0)
        if len(found) <= MOST_TICKS:
            return found
    return ()


# -- cells -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """What is drawn, reduced to what fits the screen, and where it lies."""

    cells: np.ndarray
    steps: tuple[int, int]
    seen: Window | None
    origin: tuple[int, int] = (0, 0)
    overview: np.ndarray | None = None
    overview_steps: tuple[int, int] = (1, 1)


def _reduced(plane: Plane, choice: Choice) -> tuple[_Cells, np.ndarray]:
    """Return the cells that are drawn, and those of everything."""
    whole = plane.cells(plane.whole)
    seen = window_of(choice, VIEW, plane.whole)
    area = area_around(seen, plane.whole) if seen else plane.whole
    if steps_of(area) == whole[1:]:
        return _Cells(whole[0], whole[1:], seen), whole[0]
    cells, *steps = plane.cells(area)
    return _Cells(cells, (steps[0], steps[1]), seen, (area.top, area.left), *few_of(whole)), whole[0]


def _per_batch(cells: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Divide by the batches of each record; a record of an unknown number of batches has no value."""
    known = np.isfinite(gaps)
    shifted = cells - np.log10(np.maximum(np.where(known, gaps, 1), 1)).astype(np.float32)[:, None]
    shifted[cells == 0] = 0
    shifted[~known] = np.where(np.isfinite(cells[~known]), 0, cells[~known])
    return shifted


def _of_own(cells: np.ndarray, tops: np.ndarray) -> np.ndarray:
    """Return cells as shares of their row's largest, which is given as a cell."""
    known = np.isfinite(cells) & (cells != 0)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(known, 10.0 ** (cells - tops[:, None]), cells).astype(np.float32)


def _tops(whole: np.ndarray) -> np.ndarray:
    """Return the largest cell of each row, NaN where it has none."""
    known = np.where(np.isfinite(whole) & (whole != 0), whole, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(known), known, np.nan)


def _shades(measure: Measure, whole: np.ndarray, usual: float) -> Shades:
    """Say how cells are colored: where nothing is usual, up to the power of ten above the largest."""
    words = Shades(measure.label, 0.0, 100.0, measure.is_log, measure.offset, measure.is_ratio, measure.unit, measure.zero)
    if measure.is_ratio:
        return _around(words, math.log10(usual) - measure.offset, usual)
    if not measure.is_log:
        return replace(words, ticks=tuple((float(value), f"{value}{measure.unit}") for value in (0, 25, 50, 75, 100)))
    known = whole[np.isfinite(whole) & (whole != 0)]
    low, high = (float(end) + measure.offset for end in (known.min(), known.max())) if known.size else (0.0, 1.0)
    last = math.ceil(high - 1e-4)
    first = min(max(math.floor(low + 1e-4), last - MOST_DECADES), last - 1)
    ticks = tuple((exponent - measure.offset, _power(exponent)) for exponent in range(first, last + 1))
    if low < first:
        ticks = ((ticks[0][0], f"≤ {ticks[0][1]}"), *ticks[1:])
    return replace(words, low=first - measure.offset, high=last - measure.offset, ticks=ticks)


def _around(shades: Shades, middle: float, usual: float) -> Shades:
    """Let colors go out from what is usual, over three powers of ten to either side."""
    low, high = middle - HALF_DECADES, middle + HALF_DECADES
    powers = range(math.ceil(low + shades.offset - 1e-9), math.floor(high + shades.offset + 1e-9) + 1)
    ticks = {exponent - shades.offset: _power(exponent) for exponent in powers}
    ends = {cell: f"{sign} {words}" for cell, words in ticks.items() for sign, end in (("≤", low), ("≥", high)) if cell == end}
    known = sorted((ticks | ends | {middle: f"{usual:.0e} usual".replace("e-0", "e-")}).items())
    apart = tuple((cell, words) for cell, words in known if cell == middle or abs(cell - middle) > 0.3)
    return replace(shades, low=low, high=high, loudest="the one farthest from 1e-3", ticks=apart)


# How far colors go out to either side of what is usual, and how far they reach down from the largest, in powers of ten.
HALF_DECADES = 3
MOST_DECADES = 5

_OWN_TICKS = ((0.0, "0"), (0.5, "50 %"), (1.0, "its largest"))


def _power(exponent: int) -> str:
    return "1" if exponent == 0 else f"1e{exponent}"


def draw(catalog: Catalog, history: Past, choice: Choice, findings: Findings) -> HeatPicture | EmptyPicture:
    """Draw one number of every weight at every record."""
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    rows, columns, measure = _known_rows(catalog), Columns.of(history), chosen_measure(history, choice)
    name = "update_ratio" if measure.is_ratio else STATISTIC.chosen(ALL_WEIGHTS, history, choice)
    full, names = gathered(history, name, measure.cells).update(history, rows.keys, columns.numbers)
    full = _per_batch(full, columns.gaps) if measure.per_batch else full
    found, whole = _reduced(Plane(full.T, None, lambda now, _: now), choice)
    shades, tops = _shades(measure, whole, columns.usual(measure)), None
    if measure.has_rows and ROWS.chosen(ALL_WEIGHTS, history, choice) == OWN:
        tops = _tops(whole)
        found = _scaled(found, tops)
        shades = replace(shades, low=0.0, high=1.0, is_log=False, offset=0.0, ticks=_OWN_TICKS)
    entry, counted = columns.counted()
    seen = found.seen or Window(0, len(rows.keys), 0, len(columns.numbers))
    return HeatPicture(
        cells=found.cells,
        rows=(rows.axis,),
        columns=(Axis(entry, len(names), labels=names, entry="record"),),
        axis_order=(),
        row_step=found.steps[0],
        column_step=found.steps[1],
        limit=0.0,
        caption=_caption(rows, columns, measure, full, found.steps) + _colors_words(measure, columns, is_own=tops is not None),
        key=VIEW,
        window=found.seen,
        origin=found.origin,
        overview=found.overview,
        overview_steps=found.overview_steps,
        marks=replace(Marks.of(full), negative_infs=0),
        keys=rows.keys,
        shades=shades,
        tops=None if tops is None else 10.0 ** (tops + measure.offset),
        ticks=_ticks(counted, seen),
        seams=_seams(columns.steps),
        edits=tuple((i, step.name or EDITS[step.kind]) for i, step in enumerate(columns.steps) if step.kind in EDITS),
        troubles=_troubles(rows, columns, findings),
        chosen=None if choice.step is None else columns.at(choice.step),
    )


def chosen_measure(history: Past, choice: Choice) -> Measure:
    """Return the number that is shown."""
    return MEASURES[STATISTIC.chosen(ALL_WEIGHTS, history, choice)]


def _scaled(found: _Cells, tops: np.ndarray) -> _Cells:
    (height, _), (top, _) = found.steps, found.origin
    own = tops if height == 1 else np.array([np.nanmax([*tops[i : i + height], -np.inf]) for i in range(0, len(tops), height)])
    cells = _of_own(found.cells, own[top // height :][: len(found.cells)])
    if found.overview is None:
        return replace(found, cells=cells)
    return replace(found, cells=cells, overview=_of_own(found.overview, _tops(found.overview)))


def _seams(steps: tuple[Step, ...]) -> tuple[int, ...]:
    fits = np.array([step.fit for step in steps])
    return tuple((np.flatnonzero(np.diff(fits)) + 1).tolist())


def _troubles(rows: Rows, columns: Columns, findings: Findings) -> tuple[Trouble, ...]:
    """Mark every weight of every finding at the record that it is said of."""
    if not len(columns.numbers):
        return ()
    places = {key: row for row, key in enumerate(rows.keys)}
    return tuple(
        Trouble(places[key], columns.at(finding.step), finding.severity, finding.sentence)
        for finding in findings
        for key in (finding.keys or (finding.key,))
        if key in places
    )


# -- words -------------------------------------------------------------------------------------------------------------


def _caption(rows: Rows, columns: Columns, measure: Measure, cells: np.ndarray, steps: tuple[int, int]) -> str:
    if len(columns.numbers) == 1 and measure.quantity:
        return f"{capitalized(measure.label)}: there is one record so far, and a change needs two. Train, and columns appear."
    merged = f", each cell the one that stands out most of {_count(steps[1], 'record')}" if steps[1] > 1 else ""
    merged += f" and {_count(steps[0], 'weight')}" if steps[0] > 1 else ""
    what = f"{capitalized(measure.label)} of {_count(len(rows.keys), 'weight')} at {_count(len(columns.numbers), 'record')}"
    return f"{what}{merged}. {_last_words(rows, columns, measure, cells[-1])}"


def _last_words(rows: Rows, columns: Columns, measure: Measure, last: np.ndarray) -> str:
    """Say what the newest record shows: between which weights the values lie, and what has none."""
    known = np.flatnonzero(np.isfinite(last) & (last != 0))
    step, names, said = columns.steps[-1], rows.axis.labels, []
    values = 10.0 ** (last.astype(np.float64) + measure.offset) if measure.is_log else last.astype(np.float64)
    if len(known):
        ends = [int(known[pick(values[known])]) for pick in (np.argmin, np.argmax)]
        told = [f"{rough(float(values[i]))}{measure.unit} ({names[i]})" for i in dict.fromkeys(ends)]
        said.append(("from " if len(told) > 1 else "") + " to ".join(told))
    counts = ((np.isnan(last), "NaN"), (last == np.inf, "Inf"), (last == -np.inf, measure.zero), (last == 0, "no value"))
    said += [f"{words} in {_count(int(found.sum()), 'weight')}" for found, words in counts if found.any()]
    return f"At record {step.number} ({place_words(step)}): {'; '.join(said)}."


def _colors_words(measure: Measure, columns: Columns, *, is_own: bool) -> str:
    if is_own:
        return " Each row is colored up to its own largest."
    if not measure.is_ratio:
        return " The darker, the more."
    between = ""
    if columns.usual(measure) != USUAL_RATIO:
        usual = f"{columns.usual(measure):.0e}".replace("e-0", "e-")
        between = f", {usual} over the {columns.gap:.3g} batches between records as random steps add up"
    return f" White is the usual (1e-3 a batch{between}), red is more, blue is less."


def _count(number: int, noun: str) -> str:
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def explanation(history: Past, choice: Choice) -> str:
    """Say what the table is, and what its numbers are."""
    measure = chosen_measure(history, choice)
    at_zero = " What starts at 0, as most biases do, begins with large ones." if measure.is_ratio else ""
    return (
        f"Each row is a weight, each column a record; a click on a row, or Enter, goes there. "
        f"{capitalized(measure.label)}: {measure.words}.{at_zero}"
    )


def facts(catalog: Catalog) -> tuple[str, ...]:
    """Say what the model holds, in a few short pieces for one line."""
    rows = _known_rows(catalog)
    trained = sum(catalog.weights[key].trainable for key in rows.keys)
    return (
        f"{_count(len(rows.keys), 'weight')} in {_count(len(rows.axis.blocks), 'layer')}",
        f"{grouped(trained)} trainable",
        f"{_count(catalog.root.num_params, 'parameter')}",
    )
