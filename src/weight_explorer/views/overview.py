"""All weights of a model over all records: a row for each weight, a column for each record, a color for one number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import Axis, Catalog, Weight
from weight_explorer.diagnosis.findings import Findings
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import OVERVIEW, Choice
from weight_explorer.views.gathered import gathered
from weight_explorer.views.measures import MEASURES, USUAL_RATIO, Measure
from weight_explorer.views.numbers import capitalized, grouped, rough
from weight_explorer.views.options import Option, fixed
from weight_explorer.views.pictures import EmptyPicture, HeatPicture, Marks, Trouble, Window
from weight_explorer.views.plane import Plane, area_around, few_of, steps_of, window_of
from weight_explorer.views.record_columns import Columns, edits_of, seams_of, ticks_of
from weight_explorer.views.shades import of_own, shades_of
from weight_explorer.views.weight_rows import Rows, known_rows

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


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """What is drawn: `cells` are all, of shape (records, weights), and `is_estimated` says of which weights changes are."""

    rows: Rows
    columns: Columns
    measure: Measure
    cells: np.ndarray
    names: tuple[str, ...]
    is_estimated: np.ndarray


def _subject_of(catalog: Catalog, history: Past, choice: Choice) -> _Subject:
    rows, columns, name = known_rows(catalog), Columns.of(history), STATISTIC.chosen(ALL_WEIGHTS, history, choice)
    measure = MEASURES[name]
    # What is told for each batch is kept as it was recorded: of how many batches a record is may be known later.
    known = gathered(history, measure.kept_as or name, measure.cells).update(history, rows.keys, columns.numbers)
    cells = _per_batch(known.cells, columns.gaps) if measure.per_batch else known.cells
    return _Subject(rows, columns, measure, cells, known.names, known.is_estimated)


def draw(catalog: Catalog, history: Past, choice: Choice, findings: Findings) -> HeatPicture | EmptyPicture:
    """Draw one number of every weight at every record."""
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    subject = _subject_of(catalog, history, choice)
    rows, columns, measure = subject.rows, subject.columns, subject.measure
    found, whole = _reduced(Plane(subject.cells.T, None, lambda now, _: now), choice)
    shades, tops = shades_of(measure, whole, columns.usual(measure)), None
    if ROWS.chosen(ALL_WEIGHTS, history, choice) == OWN:
        tops = _tops(whole)
        found, shades = _scaled(found, tops), of_own(shades)
    entry, counted = columns.counted()
    return HeatPicture(
        cells=found.cells,
        rows=(rows.axis,),
        columns=(Axis(entry, len(subject.names), labels=subject.names, entry="record"),),
        axis_order=(),
        row_step=found.steps[0],
        column_step=found.steps[1],
        limit=0.0,
        caption=_caption(subject, found.steps) + _colors_words(subject, is_own=tops is not None),
        key=VIEW,
        window=found.seen,
        origin=found.origin,
        overview=found.overview,
        overview_steps=found.overview_steps,
        marks=replace(Marks.of(subject.cells), negative_infs=0),
        keys=rows.keys,
        shades=shades,
        tops=None if tops is None else 10.0 ** (tops + measure.offset),
        ticks=ticks_of(counted, found.seen or Window(0, len(rows.keys), 0, len(columns.numbers))),
        seams=seams_of(columns.steps),
        edits=edits_of(columns.steps),
        troubles=_troubles(rows, columns, findings),
        notes=tuple((finding.severity, finding.sentence) for finding in findings),
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


def _troubles(rows: Rows, columns: Columns, findings: Findings) -> tuple[Trouble, ...]:
    """Mark every weight of every finding at the record that it is said of."""
    if not len(columns.numbers):
        return ()
    places = {key: row for row, key in enumerate(rows.keys)}
    return tuple(
        Trouble(places[key], columns.at(finding.step), finding.severity, sentence)
        for finding in findings
        for key, sentence in finding.sentences.items()
        if key in places
    )


# -- words -------------------------------------------------------------------------------------------------------------


def _caption(subject: _Subject, steps: tuple[int, int]) -> str:
    label, count = capitalized(subject.measure.label), len(subject.columns.numbers)
    if count == 1 and subject.measure.quantity:
        return f"{label}: there is one record so far, and a change needs two. Train, and columns appear."
    merged = f", each cell the one that stands out most of {_count(steps[1], 'record')}" if steps[1] > 1 else ""
    merged += f" and {_count(steps[0], 'weight')}" if steps[0] > 1 else ""
    what = f"{label} of {_count(len(subject.rows.keys), 'weight')} at {_count(count, 'record')}{merged}."
    estimated = int(subject.is_estimated.sum()) if subject.measure.quantity else 0
    sampled = f" That of {_count(estimated, 'weight')} is estimated from a sample of elements." if estimated else ""
    return f"{what} {_last_words(subject)}{sampled}"


def _last_words(subject: _Subject) -> str:
    """Say what the newest record shows: between which weights the values lie, and what has none."""
    last, measure = subject.cells[-1], subject.measure
    known = np.flatnonzero(np.isfinite(last) & (last != 0))
    names, said = subject.rows.axis.labels, []
    values = 10.0 ** (last.astype(np.float64) + measure.offset) if measure.is_log else last.astype(np.float64)
    if len(known):
        ends = [int(known[pick(values[known])]) for pick in (np.argmin, np.argmax)]
        told = [f"{rough(float(values[i]))}{measure.unit} ({names[i]})" for i in dict.fromkeys(ends)]
        said.append(("from " if len(told) > 1 else "") + " to ".join(told))
    counts = ((np.isnan(last), "NaN"), (last == np.inf, "Inf"), (last == -np.inf, measure.zero), (last == 0, "no value"))
    said += [f"{words} in {_count(int(found.sum()), 'weight')}" for found, words in counts if found.any()]
    return f"At {subject.names[-1]}: {'; '.join(said)}."


def _colors_words(subject: _Subject, *, is_own: bool) -> str:
    measure, columns = subject.measure, subject.columns
    if is_own:
        return " Each row is colored up to its own largest."
    if not measure.is_ratio:
        return " The darker, the more."
    usual = columns.usual(measure)
    if usual is None:
        return f" The darker, the more. {_UNKNOWN_GAP}, so what is usual is unknown too."
    between = ""
    if usual != USUAL_RATIO:
        words = f"{usual:.0e}".replace("e-0", "e-")
        between = f", {words} over the {columns.gap:.3g} batches between records as random steps add up"
    return f" White is the usual (1e-3 a batch{between}), red is more, blue is less.{_unknown_words(subject)}"


_UNKNOWN_GAP = "How many batches lie between two records is unknown"


def _unknown_words(subject: _Subject) -> str:
    """Say for how many records the number of batches since the record before is unknown."""
    count, of = subject.columns.num_unknown, len(subject.columns.numbers) - 1
    if not count:
        return ""
    if subject.measure.per_batch:
        return f" {_UNKNOWN_GAP} {_share_words(count, of)}: no value."
    return f" {_UNKNOWN_GAP} {_share_words(count, of)}: their colors may mislead."


def _share_words(count: int, of: int) -> str:
    return "everywhere" if count == of else f"for {grouped(count)} of {grouped(of)}"


def _count(number: int, noun: str) -> str:
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def explanation(history: Past, choice: Choice) -> str:
    """Say what the table is, and what its numbers are."""
    measure = chosen_measure(history, choice)
    at_zero = " What starts at 0, as most biases, begins with large ones." if measure.is_ratio else ""
    return (
        f"Each row is a weight, each column a record; a click on a row, or Enter, goes there. "
        f"{capitalized(measure.label)}: {measure.words}.{at_zero}"
    )


def facts(catalog: Catalog) -> tuple[str, ...]:
    """Say what the model holds, in a few short pieces for one line."""
    rows = known_rows(catalog)
    trained = sum(catalog.weights[key].trainable for key in rows.keys)
    return (
        f"{_count(len(rows.keys), 'weight')} in {_count(len(rows.axis.blocks), 'layer')}",
        f"{grouped(trained)} trainable",
        f"{_count(catalog.root.num_params, 'parameter')}",
    )
