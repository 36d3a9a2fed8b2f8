"""The initializer: what it gives in words and as a curve, a sample drawn with it, and the values at the start and now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Weight
from weight_explorer.recording.past import Past
from weight_explorer.recording.statistics import widened
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.distribution import AT_START, SHOWN, bin_edges, count_in, expected_line, values_beside
from weight_explorer.views.initializers import NAMES, Start, fans, start_of
from weight_explorer.views.options import Option, Range
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.views.reading import Reading, kept_steps, read, record_words, start_step

VIEW = "initializer"

# The name of the layer's own initializer among the others.
OWN = "own"
NUM_SEEDS = 100
# Weights of more elements take longer to count than a training should wait for.
LARGE = 1 << 16
# Of so many times as good samples no more than one differs farther from its distribution (Kolmogorov, 1933): sqrt(ln(200) / 2).
CHANCE = math.sqrt(math.log(200) / 2)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be drawn for a weight: its key, an initializer with its parameters, and the seed.

    `name` is `OWN`, that of a class of Keras, or that of one of the user's own.
    """

    key: str
    name: str
    parameters: tuple[tuple[str, float | str], ...]
    seed: int

    @property
    def is_of_keras(self) -> bool:
        """Whether it is one of Keras' own, and not the layer's or the user's."""
        return self.name in NAMES

    @property
    def words(self) -> str:
        """Name it, with its parameters where it has any: `Constant(value=0.1)`."""
        given = ", ".join(f"{name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in self.parameters)
        return f"{self.name}({given})" if given else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Values of a whole weight that were drawn to be looked at, `by` what, or in `problem` why there are none."""

    wanted: Wanted
    values: np.ndarray | None = None
    by: str = ""
    takes_seed: bool = True
    problem: str = ""


# -- options -------------------------------------------------------------------------------------------------------------


def _initializers(weight: Weight, _: Past, choice: Choice) -> tuple[Offer, ...]:
    """Offer the layer's own, all of Keras' that can fill such a weight, and the user's."""
    own = Offer(OWN, f"its own: {weight.initializer or 'not known'}")
    of_keras = (Offer(name, name) for name in NAMES if _start_by(weight, name, _defaults(name)) is not None)
    return (own, *of_keras, *(Offer(name, name) for name in choice.initializers))


INITIALIZER = Option(VIEW, "initializer", "initializer", _initializers)

_NORMALS = ("RandomNormal", "TruncatedNormal")
# For each parameter the initializers that take it, and some values, of which the first is Keras' own default.
PARAMETERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "value": (("Constant",), ("0", "0.01", "0.1", "0.5", "1", "-1")),
    "mean": (_NORMALS, ("0", "0.1", "0.5", "1", "-1")),
    "stddev": (_NORMALS, ("0.05", "0.001", "0.01", "0.02", "0.1", "0.5", "1")),
    "minval": (("RandomUniform",), ("-0.05", "-1", "-0.5", "-0.1", "-0.01", "0")),
    "maxval": (("RandomUniform",), ("0.05", "0.01", "0.1", "0.5", "1")),
    "gain": (("Orthogonal", "Identity"), ("1", "0.1", "0.5", "1.414", "2")),
    "scale": (("VarianceScaling",), ("1", "0.1", "0.5", "2", "4")),
    "mode": (("VarianceScaling",), ("fan_in", "fan_out", "fan_avg")),
    "distribution": (("VarianceScaling",), ("truncated_normal", "untruncated_normal", "uniform")),
}


def _parameter(name: str) -> Option:
    takers, values = PARAMETERS[name]
    offered = tuple(Offer(value, value) for value in values)

    def offers(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
        return offered if INITIALIZER.chosen(weight, history, choice) in takers else ()

    return Option(VIEW, name, name, offers)


def _seeds(_weight: Weight, _history: Past, _choice: Choice) -> Range:
    return NUM_SEEDS


_PARAMETER_OPTIONS = {name: _parameter(name) for name in PARAMETERS}
SEED = Option(VIEW, "seed", "seed", _seeds, "slider")
OPTIONS = (INITIALIZER, *_PARAMETER_OPTIONS.values(), SEED)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _defaults(name: str) -> tuple[tuple[str, float | str], ...]:
    return tuple((each, _number(values[0])) for each, (takers, values) in PARAMETERS.items() if name in takers)


def wanted_of(weight: Weight, history: Past, choice: Choice) -> Wanted:
    """Return what the options ask to be drawn."""
    chosen = {name: option.chosen(weight, history, choice) for name, option in _PARAMETER_OPTIONS.items()}
    parameters = tuple((name, _number(value)) for name, value in chosen.items() if value)
    name = INITIALIZER.chosen(weight, history, choice)
    return Wanted(weight.whole, name, parameters, int(SEED.chosen(weight, history, choice)))


def _start_by(weight: Weight, name: str, parameters: tuple[tuple[str, float | str], ...]) -> Start | None:
    config: Mapping[str, Any] = {"class_name": name, "config": dict(parameters)}
    return start_of(replace(weight, initializer_config=config))


# -- the view ------------------------------------------------------------------------------------------------------------


def applies(weight: Weight) -> bool:
    """Whether it holds fractions, which is what initializers give."""
    return "float" in weight.dtype and weight.role != SEED_STATE and weight.size > 0


def is_large(weight: Weight) -> bool:
    """Whether to draw it takes long."""
    return weight.size > LARGE


def draw(weight: Weight, history: Past, choice: Choice, trial: Trial | None = None) -> Picture:
    """Draw the values at the start and now, a sample of the chosen initializer if there is one, and its expected curve."""
    at = replace(choice, quantity="value")
    reading = read(weight, history, at)
    if isinstance(reading, EmptyPicture):
        return reading
    wanted = wanted_of(weight, history, choice)
    start = start_of(weight) if wanted.name == OWN else _start_by(weight, wanted.name, wanted.parameters)
    groups = _groups(weight, history, at, reading, trial if trial and trial.wanted == wanted else None)
    if not any(values.size for values in groups.values()):
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*groups.values())
    counts = {name: count_in(edges, values).astype(np.float64) for name, values in groups.items()}
    chart = Chart("", "weight", "elements", _marks(record_words(reading.step), wanted, edges, counts, start))
    said = (
        _initializer_words(weight, wanted, start),
        _trial_words(trial, start, edges, counts),
        _start_words(weight, history, edges, counts),
        f"Estimated from {reading.sample.words} elements." if reading.sample else "",
    )
    return ChartPicture((chart,), " ".join(filter(None, said)))


DRAWN = "drawn"


def _groups(weight: Weight, history: Past, choice: Choice, reading: Reading, trial: Trial | None) -> dict[str, np.ndarray]:
    """Return the finite values of what is shown, at the start, and drawn; of a large weight those that are kept of it."""
    beside = values_beside(weight, history, choice, reading)
    groups = {name: values for name, values in beside.items() if name in (SHOWN, AT_START)}
    if trial is not None and trial.values is not None:
        part = widened(trial.values[weight.index]) if weight.index else widened(trial.values)
        groups[DRAWN] = reading.sample.take(part) if reading.sample else part.reshape(-1)
    return {name: values[np.isfinite(values)] for name, values in groups.items()}


def _marks(
    shown: str, wanted: Wanted, edges: np.ndarray, counts: dict[str, np.ndarray], start: Start | None
) -> tuple[Mark, ...]:
    """Make the marks of what there is, in an order that keeps their widgets."""
    names = {SHOWN: shown, AT_START: AT_START, DRAWN: f"drawn (seed {wanted.seed})"}
    marks = [
        Mark("steps", names[name], color, edges, counts[name])
        for name, color in ((SHOWN, "now"), (AT_START, "start"), (DRAWN, "against"))
        if name in counts
    ]
    if start is not None:
        most = max(int(row.sum()) for row in counts.values())  # of what is shown some may not be finite
        line = expected_line(start.expected(edges, most), edges)
        marks.append(replace(line, name="expected"))
    return tuple(marks)


# -- words ---------------------------------------------------------------------------------------------------------------


def _initializer_words(weight: Weight, wanted: Wanted, start: Start | None) -> str:
    """Say what the initializer gives, and the fans, also where it does not ask for them."""
    own = "Its own initializer, " if wanted.name == OWN else ""
    if start is None:
        name = (weight.initializer or "which is not known") if wanted.name == OWN else wanted.name
        return f"{own}{name}: what it gives is known from samples alone. {_fans_words(weight)}."
    fans_words = "" if "fan_in" in start.words else f" It does not look at the fans: {_fans_words(weight)}."
    return f"{own}{start.words}.{fans_words}"


def _fans_words(weight: Weight) -> str:
    fan_in, fan_out = fans(weight.whole_shape, weight.initializer_config.get("config", {}))
    return f"fan_in {fan_in}, fan_out {fan_out}"


def _trial_words(trial: Trial | None, start: Start | None, edges: np.ndarray, counts: dict[str, np.ndarray]) -> str:
    if trial is None:
        return ""
    if trial.problem:
        return f"No sample can be drawn: {trial.problem.rstrip('.')}."
    if not trial.takes_seed:
        return "It takes no seed, so that each number draws another sample."
    fit = _fit(start, edges, counts[DRAWN]) if start and DRAWN in counts else None
    return f"The sample {'follows' if fit.is_good else 'does not follow'} it ({fit.words})." if fit else ""


def _start_words(weight: Weight, history: Past, edges: np.ndarray, counts: dict[str, np.ndarray]) -> str:
    """Hold the start values against the layer's own initializer."""
    own, kept = start_of(weight), kept_steps(weight, history)
    step = history.step(start_step(weight, history, kept[-1])) if kept else None
    first = counts.get(AT_START, counts[SHOWN])
    if own is None or step is None or not step.is_start or not first.sum():
        return ""
    fit = _fit(own, edges, first)
    return f"The start values {'follow' if fit.is_good else 'do not follow'} its own ({fit.words})."


@dataclass(frozen=True, slots=True)
class _Fit:
    """How far the share of the elements below any value is from what is expected, and how far chance goes."""

    off: float
    chance: float

    @property
    def is_good(self) -> bool:
        return self.off <= self.chance

    @property
    def words(self) -> str:
        off, chance = (_percent(part) for part in (self.off, self.chance))
        return f"{off} of the elements lie elsewhere; by chance up to {chance}"


def _percent(part: float) -> str:
    """Write a share in percent.

    >>> _percent(0.0123), _percent(0.998), _percent(1.36)
    ('1.2 %', '100 %', '100 %')
    """
    return f"{100 * part:.2g} %" if part < 0.995 else "100 %"


def _fit(start: Start, edges: np.ndarray, counts: np.ndarray) -> _Fit:
    """Measure at the edges of the bins, which is at most the statistic of Kolmogorov and Smirnov."""
    below = np.r_[0.0, np.cumsum(counts)] / counts.sum()
    closed = np.r_[edges[:-1], np.nextafter(edges[-1], np.inf)]
    return _Fit(float(np.abs(below - start.below(closed)).max()), CHANCE / math.sqrt(counts.sum()))
