"""The Spectrum view: singular values now and at the start, those of a random matrix, and the largest singular vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Weight
from weight_explorer.pictures.data import Chart, ChartPicture, EmptyPicture, Mark, Picture, RankingPicture
from weight_explorer.pictures.numbers import capitalize_first, format_count, format_rounded
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics.effective_rank import effective_rank
from weight_explorer.recording.statistics.summary import to_float
from weight_explorer.views.axis_labels import AxisLabels, Grouping, arrange, axis_parts
from weight_explorer.views.choice import Choice
from weight_explorer.views.options import ItemCount, ViewOption, fixed_items, switch_option
from weight_explorer.views.ranking import MEASURES, RankedEntries
from weight_explorer.views.reading import MEMORY_HINT, Reading, read_quantity, start_record, values_at_record

VIEW = "spectrum"

# Up to this many multiplications, a full decomposition takes about a second. Beyond it, only the Gram matrix of the smaller
# side is decomposed. Its cost is twice the number of elements times the smaller side.
MAX_SVD_COST = 2_000_000_000
MAX_GRAM_COST = 40_000_000_000
MAX_GRAM_SIDE = 2048
# The Gram matrix squares the singular values. Those below this share of the largest are lost to float64 rounding.
GRAM_ACCURACY = math.sqrt(np.finfo(np.float64).eps)
ROWS_PER_BLOCK = 4096
MAX_VECTORS = 8

SHOW = ViewOption(VIEW, "show", "show", fixed_items(("values", "singular values"), ("vectors", "what they connect")))
RANDOM = ViewOption(VIEW, "random", "random matrix", fixed_items(("now", "spread as now"), ("start", "spread as at the start")))
LOG = switch_option(VIEW, "log", "log scale")


def _vector_range(weight: Weight, history: History, choice: Choice) -> ItemCount:
    return min(*_shape(weight), MAX_VECTORS) if SHOW.chosen(weight, history, choice) == "vectors" else 0


VECTOR = ViewOption(VIEW, "vector", "singular value", _vector_range, "slider")
COMPUTE = ViewOption(VIEW, "compute", "compute now", fixed_items(("now", "now")), "button")
OPTIONS = (COMPUTE, SHOW, VECTOR, RANDOM, LOG)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Singular values, largest first, with the first few left and right singular vectors, one per row."""

    values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    is_from_gram: bool = False

    @property
    def effective_rank(self) -> float:
        """The number of directions in use, after Roy and Vetterli (2007).

        >>> compute_spectrum(np.eye(3)).effective_rank.__round__(9)
        3.0
        """
        return effective_rank(self.values)

    @property
    def stable_rank(self) -> float:
        """The squared Frobenius norm divided by the squared largest singular value, after Rudelson and Vershynin (2007)."""
        return float(((self.values / self.values[0]) ** 2).sum()) if self.values[0] else 0.0

    @property
    def condition(self) -> float:
        """The largest singular value divided by the smallest; infinite if the smallest is numerically zero."""
        accuracy = GRAM_ACCURACY if self.is_from_gram else np.finfo(np.float64).eps * len(self.values)
        is_singular = self.values[-1] <= accuracy * self.values[0]
        return math.inf if is_singular else float(self.values[0] / self.values[-1])


def applies(weight: Weight) -> bool:
    """Whether the weight is a matrix, or can be reshaped to one."""
    return weight.role != SEED_STATE and len(weight.shape) > 1 and min(_shape(weight)) > 1


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Draw the spectrum. Decomposing the matrix may take a second, so this runs on request, not while training waits."""
    reading = read_quantity(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    refused = _refusal_text(weight, reading)
    if refused:
        return EmptyPicture(refused)
    spectrum = compute_spectrum(_matrix(reading.values, weight))
    if SHOW.chosen(weight, history, choice) == "vectors":
        return _vectors_picture(weight, spectrum, reading, int(VECTOR.chosen(weight, history, choice)))
    start = _start_matrix(weight, history, choice, reading)
    is_log = LOG.is_on(weight, history, choice)
    from_start = RANDOM.chosen(weight, history, choice) == "start" and start is not None
    return _values_picture(weight, reading, spectrum, start, from_start=from_start, is_log=is_log)


def compute_spectrum(matrix: np.ndarray, num_vectors: int = MAX_VECTORS) -> Spectrum:
    """Decompose a matrix in float64: all singular values and the first few singular vectors.

    If a full decomposition would take long, the eigenvalues of the smaller side's Gram matrix are used instead.

    >>> compute_spectrum(np.diag([1.0, 3.0])).values.tolist()
    [3.0, 1.0]
    """
    if matrix.size * min(matrix.shape) > MAX_SVD_COST:
        return _spectrum_by_gram(matrix, num_vectors)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return Spectrum(values, left.T[:num_vectors], right[:num_vectors])


def _spectrum_by_gram(matrix: np.ndarray, num_vectors: int) -> Spectrum:
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = np.zeros((tall.shape[1],) * 2)
    for start in range(0, len(tall), ROWS_PER_BLOCK):
        block = tall[start : start + ROWS_PER_BLOCK].astype(np.float64)
        gram += block.T @ block
    squares, vectors = np.linalg.eigh(gram)
    values = np.sqrt(np.maximum(squares[::-1], 0))
    short = vectors[:, ::-1].T[:num_vectors]
    long = (tall @ short.T).T / np.maximum(values[: len(short)], np.finfo(float).tiny)[:, None]
    return Spectrum(values, *((long, short) if tall is matrix else (short, long)), is_from_gram=True)


def bulk_edges(shape: tuple[int, int], deviation: float) -> tuple[float, float]:
    """Return the interval of the singular values of a large random matrix: deviation * (sqrt(n) -+ sqrt(m)).

    This holds for independent elements with mean 0, after Marchenko and Pastur (1967).

    >>> bulk_edges((900, 100), 0.1)
    (2.0, 4.0)
    """
    long, short = math.sqrt(max(shape)), math.sqrt(min(shape))
    return deviation * (long - short), deviation * (long + short)


def bulk_values(shape: tuple[int, int], deviation: float) -> np.ndarray:
    """Return the expected singular values of a large random matrix, largest first.

    They are quantiles of the law of Marchenko and Pastur (1967). For singular values s of an n x m matrix, n >= m, between
    the edges a and b, the density is sqrt((b^2 - s^2) (s^2 - a^2)) / (pi m deviation^2 s). With
    s^2 = (a^2 + b^2) / 2 - (b^2 - a^2) / 2 cos(t), it becomes sin(t)^2 / s^2 over t from 0 to pi.
    """
    low, high = bulk_edges(shape, deviation)
    angles = (np.arange(4096) + 0.5) * math.pi / 4096
    squares = (low**2 + high**2) / 2 - (high**2 - low**2) / 2 * np.cos(angles)
    weights = np.sin(angles) ** 2 / np.where(squares > 0, squares, 1.0)
    below = np.cumsum(weights) - weights / 2
    count = min(shape)
    shares = (np.arange(count) + 0.5) / count
    return np.sqrt(np.interp(shares * weights.sum(), below, squares))[::-1]


# -- the matrix -----------------------------------------------------------------------------------------------------------


def sides_of(weight: Weight) -> tuple[AxisLabels, AxisLabels, Grouping]:
    """Return the labels of the rows (all inputs, including the window) and columns (all outputs), with the grouping."""
    parts = axis_parts(weight.axes)
    across = tuple(i for i, part in enumerate(parts) if part.side == "out")
    if not across or len(across) == len(parts):
        across = tuple(range(len(parts)))[-(2 if weight.axes[-1].is_split else 1) :]
    down = tuple(i for i in range(len(parts)) if i not in across)
    rows, columns = (AxisLabels(tuple(parts[i] for i in places)) for places in (down, across))
    return rows, columns, Grouping(down, across)


def _shape(weight: Weight) -> tuple[int, int]:
    rows, columns, _ = sides_of(weight)
    return rows.size, columns.size


def _matrix(values: np.ndarray, weight: Weight) -> np.ndarray:
    return arrange(values, weight, sides_of(weight)[2])[:, :, 0]


def _refusal_text(weight: Weight, reading: Reading) -> str:
    """Return why the spectrum cannot be computed, or ""."""
    if reading.sample is not None:
        return f"A spectrum is that of the whole matrix, of which {reading.sample.description} elements are kept. {MEMORY_HINT}"
    shape = _shape(weight)
    cost = weight.size * min(shape)
    if cost > MAX_SVD_COST and (cost > MAX_GRAM_COST or min(shape) > MAX_GRAM_SIDE):
        return (
            f"A matrix of {format_count(shape[0])} x {format_count(shape[1])} would take more than some seconds to decompose. "
            f"In Python: numpy.linalg.svd(explorer.history.values_at(key, step))."
        )
    not_finite = int(weight.size - np.count_nonzero(np.isfinite(reading.values)))
    if not_finite:
        return (
            f"{format_count(not_finite)} of {format_count(weight.size)} elements are NaN or Inf, so the matrix has no "
            "singular values."
        )
    return ""


def _start_matrix(weight: Weight, history: History, choice: Choice, reading: Reading) -> np.ndarray | None:
    """Return the matrix at the start, if it is not the one on screen."""
    first = start_record(weight, history, reading.record.number)
    found = values_at_record(weight, history, first) if choice.quantity == "value" and reading.record.number != first else None
    if found is None or found[0].shape != reading.values.shape or not np.isfinite(found[0].astype(np.float64)).all():
        return None
    return _matrix(to_float(found[0]), weight)


# -- pictures -------------------------------------------------------------------------------------------------------------


def _values_picture(
    weight: Weight, reading: Reading, spectrum: Spectrum, start: np.ndarray | None, *, from_start: bool, is_log: bool
) -> ChartPicture:
    source = start if from_start and start is not None else reading.values
    deviation = float(source.std(dtype=np.float64))
    numbers = np.arange(1, len(spectrum.values) + 1, dtype=np.float64)
    lines = {("now", "now" if reading.against is None else "of the change"): spectrum.values}
    if start is not None:
        lines["start", "at the start"] = compute_spectrum(start, 0).values
    lines["initializer", "expected of a random matrix"] = bulk_values(_shape(weight), deviation)
    marks = tuple(
        Mark("line", name, color, numbers, np.where(values > 0, values, np.nan) if is_log else values)
        for (color, name), values in lines.items()
    )
    chart = Chart("", "number of the singular value", "singular value", marks, is_log=is_log)
    spread = "at the start" if from_start else "now"
    above = int(np.count_nonzero(spectrum.values > bulk_edges(_shape(weight), deviation)[1]))
    words = (
        f"{_describe_ranks(spectrum)} {format_count(above)} lie above "
        f"{format_rounded(bulk_edges(_shape(weight), deviation)[1])}, the edge for a "
        f"random matrix of this shape with the standard deviation {format_rounded(deviation)} that the elements have {spread}. "
    )
    return ChartPicture((chart,), words + _describe_matrix(weight, spectrum, reading))


def _describe_ranks(spectrum: Spectrum) -> str:
    count = len(spectrum.values)
    condition = "infinite" if math.isinf(spectrum.condition) else format_rounded(spectrum.condition)
    return (
        f"{format_count(count)} singular values; effective rank {format_rounded(spectrum.effective_rank)}, stable rank "
        f"{format_rounded(spectrum.stable_rank)}, condition {condition}."
    )


def _describe_matrix(weight: Weight, spectrum: Spectrum, reading: Reading) -> str:
    rows, columns, _ = sides_of(weight)
    parts = axis_parts(weight.axes)
    laid_out = len(parts) > 2 or any(part.side == "window" for part in parts)
    matrix = (
        f"As a matrix of {format_count(rows.size)} ({rows.plural_noun}) by {format_count(columns.size)} "
        f"({columns.plural_noun}). "
    )
    known = (
        f"By the Gram matrix: below {format_rounded(GRAM_ACCURACY)} of the largest they are not known. "
        if spectrum.is_from_gram
        else ""
    )
    return f"{matrix if laid_out else ''}{known}Computed when asked: {reading.text[:1].lower()}{reading.text[1:]}"


def _vectors_picture(weight: Weight, spectrum: Spectrum, reading: Reading, number: int) -> RankingPicture:
    rows, columns, _ = sides_of(weight)
    measure = replace(MEASURES["magnitude"], input_names=("share", "share"))
    sides = [
        RankedEntries(entries, "share", measure, vectors[number], None)
        for entries, vectors in ((rows, spectrum.left), (columns, spectrum.right))
    ]
    value, total = spectrum.values[number], float((spectrum.values**2).sum())
    told = [", ".join(f"{side.labels.describe(int(i))} {side.format_number(int(i))}" for i in side.top(2)) for side in sides]
    caption = (
        f"Singular value {number + 1} of {format_count(len(spectrum.values))} is {format_rounded(value)}, which is "
        f"{format_rounded(100 * value**2 / total if total else 0.0)} % of all squares. Together go {told[0]} and {told[1]}. "
        f"The signs of both sides may be turned together. {_describe_matrix(weight, spectrum, reading)}"
    )
    titles = [f"{capitalize_first(side.labels.plural_noun)} of singular value {number + 1}" for side in sides]
    return RankingPicture(tuple(side.ranking(title) for side, title in zip(sides, titles, strict=True)), "", caption)
