"""The Overview: a heat map of one number, with a row for each weight and a column for each record."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.schema import Axis, Catalog, Weight
from weight_explorer.diagnosis.findings import Findings
from weight_explorer.pictures.data import EmptyPicture, FindingMarker, HeatmapPicture, Region, SpecialCounts
from weight_explorer.pictures.numbers import capitalize_first, format_count, format_rounded
from weight_explorer.recording.history import History
from weight_explorer.views.choice import OVERVIEW, Choice
from weight_explorer.views.lazy_matrix import LazyMatrix, cell_steps, overview_cells, padded_region, viewport_for
from weight_explorer.views.options import ViewOption, fixed_items
from weight_explorer.views.overview.measures import MEASURES, TYPICAL_RATIO, OverviewMeasure
from weight_explorer.views.overview.record_columns import RecordColumns, column_ticks, edit_columns, fit_boundaries
from weight_explorer.views.overview.scale import heatmap_scale, relative_scale
from weight_explorer.views.overview.series_cache import get_series_cache
from weight_explorer.views.overview.weight_rows import WeightRows, cached_weight_rows

VIEW = OVERVIEW
LABEL = "Every weight over time"

# A placeholder for all weights when options are chosen, because options are kept by role.
ALL_WEIGHTS = Weight(VIEW, OVERVIEW, OVERVIEW, "", (), "", ())

STATISTIC = ViewOption(VIEW, "statistic", "show", fixed_items(*((name, measure.label) for name, measure in MEASURES.items())))
COMMON_SCALE, OWN_SCALE = "common", "own"


def _scale_items(_: Weight, history: History, choice: Choice):
    shares = MEASURES[STATISTIC.chosen(ALL_WEIGHTS, history, choice)].has_row_scale
    return (
        fixed_items((COMMON_SCALE, "one scale"), (OWN_SCALE, "each row against its own largest"))(_, history, choice)
        if shares
        else ()
    )


ROW_SCALE = ViewOption(VIEW, "rows", "colors", _scale_items)
OPTIONS = (STATISTIC, ROW_SCALE)


# -- cells -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _ReducedCells:
    """The drawn cells, reduced to fit the screen, and their position."""

    cells: np.ndarray
    steps: tuple[int, int]
    viewport: Region | None
    top_left: tuple[int, int] = (0, 0)
    overview: np.ndarray | None = None
    overview_steps: tuple[int, int] = (1, 1)


def _reduce(matrix: LazyMatrix, choice: Choice) -> tuple[_ReducedCells, np.ndarray]:
    """Return the cells to draw, and the cells of the whole table."""
    whole = matrix.cells(matrix.full_region)
    seen = viewport_for(choice, VIEW, matrix.full_region)
    area = padded_region(seen, matrix.full_region) if seen else matrix.full_region
    if cell_steps(area) == whole[1:]:
        return _ReducedCells(whole[0], whole[1:], seen), whole[0]
    cells, *steps = matrix.cells(area)
    return _ReducedCells(cells, (steps[0], steps[1]), seen, (area.top, area.left), *overview_cells(whole)), whole[0]


def _per_batch(cells: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Divide by the number of batches of each record. If that number is unknown, the value is missing."""
    known = np.isfinite(gaps)
    shifted = cells - np.log10(np.maximum(np.where(known, gaps, 1), 1)).astype(np.float32)[:, None]
    shifted[cells == 0] = 0
    shifted[~known] = np.where(np.isfinite(cells[~known]), 0, cells[~known])
    return shifted


def _relative_to_row(cells: np.ndarray, row_maxima: np.ndarray) -> np.ndarray:
    """Return cells as shares of the largest cell in their row, which is given as a cell."""
    known = np.isfinite(cells) & (cells != 0)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(known, 10.0 ** (cells - row_maxima[:, None]), cells).astype(np.float32)


def _row_maxima(whole: np.ndarray) -> np.ndarray:
    """Return the largest cell of each row; NaN if the row has no values."""
    known = np.where(np.isfinite(whole) & (whole != 0), whole, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(known), known, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class _OverviewData:
    """The data to draw: all `cells`, of shape (records, weights), and which weights have estimated changes."""

    rows: WeightRows
    columns: RecordColumns
    measure: OverviewMeasure
    cells: np.ndarray
    names: tuple[str, ...]
    is_estimated: np.ndarray


def _overview_data(catalog: Catalog, history: History, choice: Choice) -> _OverviewData:
    rows, columns, name = cached_weight_rows(catalog), RecordColumns.of(history), STATISTIC.chosen(ALL_WEIGHTS, history, choice)
    measure = MEASURES[name]
    # Measures per batch are cached before the division: the number of batches of a record may become known later.
    known = get_series_cache(history, measure.cached_as or name, measure.cells).update(history, rows.keys, columns.numbers)
    cells = _per_batch(known.cells, columns.gaps) if measure.per_batch else known.cells
    return _OverviewData(rows, columns, measure, cells, known.names, known.is_estimated)


def draw(catalog: Catalog, history: History, choice: Choice, findings: Findings) -> HeatmapPicture | EmptyPicture:
    """Draw one number of every weight at every record."""
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    subject = _overview_data(catalog, history, choice)
    rows, columns, measure = subject.rows, subject.columns, subject.measure
    found, whole = _reduce(LazyMatrix(subject.cells.T, None, lambda now, _: now), choice)
    shades, tops = heatmap_scale(measure, whole, columns.typical_ratio(measure)), None
    if ROW_SCALE.chosen(ALL_WEIGHTS, history, choice) == OWN_SCALE:
        tops = _row_maxima(whole)
        found, shades = _scaled_to_rows(found, tops), relative_scale(shades)
    entry, counted = columns.count_labels()
    return HeatmapPicture(
        cells=found.cells,
        rows=(rows.axis,),
        columns=(Axis(entry, len(subject.names), labels=subject.names, entry_name="record"),),
        axis_order=(),
        row_step=found.steps[0],
        column_step=found.steps[1],
        color_limit=0.0,
        caption=_caption(subject, found.steps) + _describe_colors(subject, has_own_scale=tops is not None),
        key=VIEW,
        viewport=found.viewport,
        top_left=found.top_left,
        overview=found.overview,
        overview_steps=found.overview_steps,
        special_counts=replace(SpecialCounts.count_in(subject.cells), negative_infs=0),
        weight_keys=rows.keys,
        scale=shades,
        row_maxima=None if tops is None else 10.0 ** (tops + measure.offset),
        ticks=column_ticks(counted, found.viewport or Region(0, len(rows.keys), 0, len(columns.numbers))),
        fit_boundaries=fit_boundaries(columns.records),
        edits=edit_columns(columns.records),
        finding_markers=_finding_markers(rows, columns, findings),
        findings=tuple((finding.severity, finding.message) for finding in findings),
        chosen_column=None if choice.record is None else columns.column_of(choice.record),
    )


def chosen_measure(history: History, choice: Choice) -> OverviewMeasure:
    """Return the measure that is shown."""
    return MEASURES[STATISTIC.chosen(ALL_WEIGHTS, history, choice)]


def _scaled_to_rows(reduced: _ReducedCells, row_maxima: np.ndarray) -> _ReducedCells:
    (height, _), (top, _) = reduced.steps, reduced.top_left
    own = (
        row_maxima
        if height == 1
        else np.array([np.nanmax([*row_maxima[i : i + height], -np.inf]) for i in range(0, len(row_maxima), height)])
    )
    cells = _relative_to_row(reduced.cells, own[top // height :][: len(reduced.cells)])
    if reduced.overview is None:
        return replace(reduced, cells=cells)
    return replace(reduced, cells=cells, overview=_relative_to_row(reduced.overview, _row_maxima(reduced.overview)))


def _finding_markers(rows: WeightRows, columns: RecordColumns, findings: Findings) -> tuple[FindingMarker, ...]:
    """Mark every weight of every finding at the record of the finding."""
    if not len(columns.numbers):
        return ()
    places = {key: row for row, key in enumerate(rows.keys)}
    return tuple(
        FindingMarker(places[key], columns.column_of(finding.record_number), finding.severity, sentence)
        for finding in findings
        for key, sentence in finding.messages.items()
        if key in places
    )


# -- text --------------------------------------------------------------------------------------------------------------


def _caption(data: _OverviewData, steps: tuple[int, int]) -> str:
    label, count = capitalize_first(data.measure.label), len(data.columns.numbers)
    if count == 1 and data.measure.quantity:
        return f"{label}: there is one record so far, and a change needs two. Train, and columns appear."
    merged = f", each cell the one that stands out most of {_count_noun(steps[1], 'record')}" if steps[1] > 1 else ""
    merged += f" and {_count_noun(steps[0], 'weight')}" if steps[0] > 1 else ""
    what = f"{label} of {_count_noun(len(data.rows.keys), 'weight')} at {_count_noun(count, 'record')}{merged}."
    estimated = int(data.is_estimated.sum()) if data.measure.quantity else 0
    sampled = f" That of {_count_noun(estimated, 'weight')} is estimated from a sample of elements." if estimated else ""
    return f"{what} {_describe_newest(data)}{sampled}"


def _describe_newest(data: _OverviewData) -> str:
    """Describe the newest record: the weights with the smallest and largest values, and those without a value."""
    last, measure = data.cells[-1], data.measure
    known = np.flatnonzero(np.isfinite(last) & (last != 0))
    names, said = data.rows.axis.labels, []
    values = 10.0 ** (last.astype(np.float64) + measure.offset) if measure.is_log else last.astype(np.float64)
    if len(known):
        ends = [int(known[pick(values[known])]) for pick in (np.argmin, np.argmax)]
        told = [f"{format_rounded(float(values[i]))}{measure.unit} ({names[i]})" for i in dict.fromkeys(ends)]
        said.append(("from " if len(told) > 1 else "") + " to ".join(told))
    counts = ((np.isnan(last), "NaN"), (last == np.inf, "Inf"), (last == -np.inf, measure.zero_text), (last == 0, "no value"))
    said += [f"{words} in {_count_noun(int(found.sum()), 'weight')}" for found, words in counts if found.any()]
    return f"At {data.names[-1]}: {'; '.join(said)}."


def _describe_colors(data: _OverviewData, *, has_own_scale: bool) -> str:
    measure, columns = data.measure, data.columns
    if has_own_scale:
        return " Each row is colored up to its own largest."
    if not measure.is_ratio:
        return " The darker, the more."
    usual = columns.typical_ratio(measure)
    if usual is None:
        return f" The darker, the more. {_UNKNOWN_GAP}, so what is usual is unknown too."
    between = ""
    if usual != TYPICAL_RATIO:
        words = f"{usual:.0e}".replace("e-0", "e-")
        between = f", {words} over the {columns.median_gap:.3g} batches between records as random steps add up"
    return f" White is the usual (1e-3 a batch{between}), red is more, blue is less.{_describe_unknown_gaps(data)}"


_UNKNOWN_GAP = "How many batches lie between two records is unknown"


def _describe_unknown_gaps(data: _OverviewData) -> str:
    """Describe for how many records the number of batches since the previous record is unknown."""
    count, of = data.columns.num_unknown, len(data.columns.numbers) - 1
    if not count:
        return ""
    if data.measure.per_batch:
        return f" {_UNKNOWN_GAP} {_describe_share(count, of)}: no value."
    return f" {_UNKNOWN_GAP} {_describe_share(count, of)}: their colors may mislead."


def _describe_share(count: int, total: int) -> str:
    return "everywhere" if count == total else f"for {format_count(count)} of {format_count(total)}"


def _count_noun(number: int, noun: str) -> str:
    return f"{format_count(number)} {noun}{'' if number == 1 else 's'}"


def explain(history: History, choice: Choice) -> str:
    """Describe the table and its numbers."""
    measure = chosen_measure(history, choice)
    at_zero = " What starts at 0, as most biases, begins with large ones." if measure.is_ratio else ""
    return (
        f"Each row is a weight, each column a record; a click on a row, or Enter, goes there. "
        f"{capitalize_first(measure.label)}: {measure.text}.{at_zero}"
    )


def model_facts(catalog: Catalog) -> tuple[str, ...]:
    """Describe the contents of the model in a few short texts for one line."""
    rows = cached_weight_rows(catalog)
    trained = sum(catalog.weights[key].trainable for key in rows.keys)
    return (
        f"{_count_noun(len(rows.keys), 'weight')} in {_count_noun(len(rows.axis.blocks), 'layer')}",
        f"{format_count(trained)} trainable",
        f"{_count_noun(catalog.root.num_params, 'parameter')}",
    )
