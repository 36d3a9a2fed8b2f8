"""The spectrum: singular values now and at the start, against those of a random matrix, and what the largest ones connect."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Weight
from weight_explorer.recording.past import Past
from weight_explorer.recording.ranks import effective_rank
from weight_explorer.recording.statistics import widened
from weight_explorer.views.choice import Choice
from weight_explorer.views.entries import Entries, Grouping, arranged, parts_of
from weight_explorer.views.numbers import capitalized, grouped, rough
from weight_explorer.views.options import Option, Range, fixed, switch
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, Picture, RankingPicture
from weight_explorer.views.ranked import MEASURES, Ranked
from weight_explorer.views.reading import MORE_MEMORY, Reading, read, start_step, value_of

VIEW = "spectrum"

# Up to so many multiplications a full decomposition takes about a second; beyond, only the smaller side's Gram matrix is
# decomposed, which asks for as many as twice the elements times the smaller side.
MOST_FOR_SVD = 2_000_000_000
MOST_FOR_GRAM = 40_000_000_000
MOST_GRAM_SIDE = 2048
# The Gram matrix squares singular values, so that those below this share of the largest are lost in float64's rounding.
GRAM_ACCURACY = math.sqrt(np.finfo(np.float64).eps)
ROWS_AT_ONCE = 4096
MOST_VECTORS = 8

SHOW = Option(VIEW, "show", "show", fixed(("values", "singular values"), ("vectors", "what they connect")))
RANDOM = Option(VIEW, "random", "random matrix", fixed(("now", "spread as now"), ("start", "spread as at the start")))
LOG = switch(VIEW, "log", "log scale")


def _vectors(weight: Weight, history: Past, choice: Choice) -> Range:
    return min(*_shape(weight), MOST_VECTORS) if SHOW.chosen(weight, history, choice) == "vectors" else 0


VECTOR = Option(VIEW, "vector", "singular value", _vectors, "slider")
COMPUTE = Option(VIEW, "compute", "compute now", fixed(("now", "now")), "button")
OPTIONS = (COMPUTE, SHOW, VECTOR, RANDOM, LOG)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Singular values, the largest first, with the first few left vectors (rows) and right vectors (columns), one a row."""

    values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    by_gram: bool = False

    @property
    def effective_rank(self) -> float:
        """How many directions are in use, after Roy and Vetterli (2007).

        >>> spectrum_of(np.eye(3)).effective_rank.__round__(9)
        3.0
        """
        return effective_rank(self.values)

    @property
    def stable_rank(self) -> float:
        """The squared Frobenius norm over the squared largest singular value, after Rudelson and Vershynin (2007)."""
        return float(((self.values / self.values[0]) ** 2).sum()) if self.values[0] else 0.0

    @property
    def condition(self) -> float:
        """The largest singular value over the smallest; infinite where the smallest is zero as far as can be told."""
        accuracy = GRAM_ACCURACY if self.by_gram else np.finfo(np.float64).eps * len(self.values)
        is_singular = self.values[-1] <= accuracy * self.values[0]
        return math.inf if is_singular else float(self.values[0] / self.values[-1])


def applies(weight: Weight) -> bool:
    """Whether it is a matrix, or can be laid out as one."""
    return weight.role != SEED_STATE and len(weight.shape) > 1 and min(_shape(weight)) > 1


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Decompose the matrix, which may take a second: for when it is asked for, not while training waits."""
    reading = read(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    refused = _refusal(weight, reading)
    if refused:
        return EmptyPicture(refused)
    spectrum = spectrum_of(_matrix(reading.values, weight))
    if SHOW.chosen(weight, history, choice) == "vectors":
        return _vectors_picture(weight, spectrum, reading, int(VECTOR.chosen(weight, history, choice)))
    start = _start(weight, history, choice, reading)
    is_log = LOG.is_on(weight, history, choice)
    from_start = RANDOM.chosen(weight, history, choice) == "start" and start is not None
    return _values_picture(weight, reading, spectrum, start, from_start=from_start, is_log=is_log)


def spectrum_of(matrix: np.ndarray, num_vectors: int = MOST_VECTORS) -> Spectrum:
    """Decompose a matrix in float64: all singular values and the first few vectors.

    Where a full decomposition would take long it is done by the eigenvalues of the smaller side's Gram matrix.

    >>> spectrum_of(np.diag([1.0, 3.0])).values.tolist()
    [3.0, 1.0]
    """
    if matrix.size * min(matrix.shape) > MOST_FOR_SVD:
        return _by_gram(matrix, num_vectors)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return Spectrum(values, left.T[:num_vectors], right[:num_vectors])


def _by_gram(matrix: np.ndarray, num_vectors: int) -> Spectrum:
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = np.zeros((tall.shape[1],) * 2)
    for start in range(0, len(tall), ROWS_AT_ONCE):
        block = tall[start : start + ROWS_AT_ONCE].astype(np.float64)
        gram += block.T @ block
    squares, vectors = np.linalg.eigh(gram)
    values = np.sqrt(np.maximum(squares[::-1], 0))
    short = vectors[:, ::-1].T[:num_vectors]
    long = (tall @ short.T).T / np.maximum(values[: len(short)], np.finfo(float).tiny)[:, None]
    return Spectrum(values, *((long, short) if tall is matrix else (short, long)), by_gram=True)


def bulk_edges(shape: tuple[int, int], deviation: float) -> tuple[float, float]:
    """Return between which singular values those of a large random matrix lie: deviation * (sqrt(n) -+ sqrt(m)).

    Of independent elements with mean 0; after Marchenko and Pastur (1967).

    >>> bulk_edges((900, 100), 0.1)
    (2.0, 4.0)
    """
    long, short = math.sqrt(max(shape)), math.sqrt(min(shape))
    return deviation * (long - short), deviation * (long + short)


def bulk_values(shape: tuple[int, int], deviation: float) -> np.ndarray:
    """Return the singular values that a large random matrix is expected to have, the largest first.

    They are quantiles of the law of Marchenko and Pastur (1967). For singular values s of an n x m matrix, n >= m, between
    the edges a and b, its density is sqrt((b^2 - s^2) (s^2 - a^2)) / (pi m deviation^2 s). With
    s^2 = (a^2 + b^2) / 2 - (b^2 - a^2) / 2 cos(t) that becomes sin(t)^2 / s^2 over t from 0 to pi.
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


def sides_of(weight: Weight) -> tuple[Entries, Entries, Grouping]:
    """Return what the rows and the columns of the matrix are: all that comes in, its window included, by what goes out."""
    parts = parts_of(weight.axes)
    across = tuple(i for i, part in enumerate(parts) if part.side == "out")
    if not across or len(across) == len(parts):
        across = tuple(range(len(parts)))[-(2 if weight.axes[-1].is_split else 1) :]
    down = tuple(i for i in range(len(parts)) if i not in across)
    rows, columns = (Entries(tuple(parts[i] for i in places)) for places in (down, across))
    return rows, columns, Grouping(down, across)


def _shape(weight: Weight) -> tuple[int, int]:
    rows, columns, _ = sides_of(weight)
    return rows.size, columns.size


def _matrix(values: np.ndarray, weight: Weight) -> np.ndarray:
    return arranged(values, weight, sides_of(weight)[2])[:, :, 0]


def _refusal(weight: Weight, reading: Reading) -> str:
    """Say why there is no spectrum, or nothing."""
    if reading.sample is not None:
        return f"A spectrum is that of the whole matrix, of which {reading.sample.words} elements are kept. {MORE_MEMORY}"
    shape = _shape(weight)
    cost = weight.size * min(shape)
    if cost > MOST_FOR_SVD and (cost > MOST_FOR_GRAM or min(shape) > MOST_GRAM_SIDE):
        return (
            f"A matrix of {grouped(shape[0])} x {grouped(shape[1])} would take more than some seconds to decompose. "
            f"In Python: numpy.linalg.svd(explorer.history.value(key, step))."
        )
    not_finite = int(weight.size - np.count_nonzero(np.isfinite(reading.values)))
    if not_finite:
        return f"{grouped(not_finite)} of {grouped(weight.size)} elements are NaN or Inf, so the matrix has no singular values."
    return ""


def _start(weight: Weight, history: Past, choice: Choice, reading: Reading) -> np.ndarray | None:
    """Return the matrix at the start, where it is another one than the one on screen."""
    first = start_step(weight, history, reading.step.number)
    found = value_of(weight, history, first) if choice.quantity == "value" and reading.step.number != first else None
    if found is None or found[0].shape != reading.values.shape or not np.isfinite(found[0].astype(np.float64)).all():
        return None
    return _matrix(widened(found[0]), weight)


# -- pictures -------------------------------------------------------------------------------------------------------------


def _values_picture(
    weight: Weight, reading: Reading, spectrum: Spectrum, start: np.ndarray | None, *, from_start: bool, is_log: bool
) -> ChartPicture:
    source = start if from_start and start is not None else reading.values
    deviation = float(source.std(dtype=np.float64))
    numbers = np.arange(1, len(spectrum.values) + 1, dtype=np.float64)
    lines = {("now", "now" if reading.against is None else "of the change"): spectrum.values}
    if start is not None:
        lines["start", "at the start"] = spectrum_of(start, 0).values
    lines["initializer", "expected of a random matrix"] = bulk_values(_shape(weight), deviation)
    marks = tuple(
        Mark("line", name, color, numbers, np.where(values > 0, values, np.nan) if is_log else values)
        for (color, name), values in lines.items()
    )
    chart = Chart("", "number of the singular value", "singular value", marks, log=is_log)
    spread = "at the start" if from_start else "now"
    above = int(np.count_nonzero(spectrum.values > bulk_edges(_shape(weight), deviation)[1]))
    words = (
        f"{_rank_words(spectrum)} {grouped(above)} lie above {rough(bulk_edges(_shape(weight), deviation)[1])}, the edge for a "
        f"random matrix of this shape with the standard deviation {rough(deviation)} that the elements have {spread}. "
    )
    return ChartPicture((chart,), words + _matrix_words(weight, spectrum, reading))


def _rank_words(spectrum: Spectrum) -> str:
    count = len(spectrum.values)
    condition = "infinite" if math.isinf(spectrum.condition) else rough(spectrum.condition)
    return (
        f"{grouped(count)} singular values; effective rank {rough(spectrum.effective_rank)}, stable rank "
        f"{rough(spectrum.stable_rank)}, condition {condition}."
    )


def _matrix_words(weight: Weight, spectrum: Spectrum, reading: Reading) -> str:
    rows, columns, _ = sides_of(weight)
    parts = parts_of(weight.axes)
    laid_out = len(parts) > 2 or any(part.side == "window" for part in parts)
    matrix = f"As a matrix of {grouped(rows.size)} ({rows.nouns}) by {grouped(columns.size)} ({columns.nouns}). "
    known = f"By the Gram matrix: below {rough(GRAM_ACCURACY)} of the largest they are not known. " if spectrum.by_gram else ""
    return f"{matrix if laid_out else ''}{known}Computed when asked: {reading.words[:1].lower()}{reading.words[1:]}"


def _vectors_picture(weight: Weight, spectrum: Spectrum, reading: Reading, number: int) -> RankingPicture:
    rows, columns, _ = sides_of(weight)
    measure = replace(MEASURES["magnitude"], entry=("share", "share"))
    sides = [
        Ranked(entries, "share", measure, vectors[number], None)
        for entries, vectors in ((rows, spectrum.left), (columns, spectrum.right))
    ]
    value, total = spectrum.values[number], float((spectrum.values**2).sum())
    told = [", ".join(f"{side.entries.words(int(i))} {side.number(int(i))}" for i in side.first(2)) for side in sides]
    caption = (
        f"Singular value {number + 1} of {grouped(len(spectrum.values))} is {rough(value)}, which is "
        f"{rough(100 * value**2 / total if total else 0.0)} % of all squares. Together go {told[0]} and {told[1]}. "
        f"The signs of both sides may be turned together. {_matrix_words(weight, spectrum, reading)}"
    )
    titles = [f"{capitalized(side.entries.nouns)} of singular value {number + 1}" for side in sides]
    return RankingPicture(tuple(side.ranking(title) for side, title in zip(sides, titles, strict=True)), "", caption)
