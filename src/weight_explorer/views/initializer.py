"""The Initializer view: its description, its expected curve, a sample drawn with it, and the values at the start and now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Weight
from weight_explorer.pictures.data import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics.summary import to_float
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.distribution import AT_START, CURRENT, bin_edges, count_values, expected_mark, values_to_compare
from weight_explorer.views.initializer_distributions import (
    KERAS_INITIALIZERS,
    InitialDistribution,
    fans,
    initial_distribution,
)
from weight_explorer.views.options import ItemCount, ViewOption
from weight_explorer.views.reading import Reading, kept_records, read_quantity, record_name, start_record

VIEW = "initializer"

# The menu key of the layer's own initializer.
LAYER_OWN = "own"
NUM_SEEDS = 100
# Counting weights with more elements takes longer than training should wait.
MAX_IMMEDIATE_SIZE = 1 << 16
# At most one in 200 samples of the distribution deviates farther from it (Kolmogorov, 1933): sqrt(ln(200) / 2).
KOLMOGOROV_FACTOR = math.sqrt(math.log(200) / 2)


@dataclass(frozen=True, slots=True)
class InitializerRequest:
    """A request to draw a sample: the key of a weight, an initializer with its parameters, and a seed.

    `name` is `LAYER_OWN`, the name of a Keras class, or the name of one of the user's own initializers.
    """

    key: str
    name: str
    parameters: tuple[tuple[str, float | str], ...]
    seed: int

    @property
    def is_of_keras(self) -> bool:
        """Whether it is a Keras initializer, and not the layer's or the user's own."""
        return self.name in KERAS_INITIALIZERS

    @property
    def text(self) -> str:
        """The name, with any parameters: `Constant(value=0.1)`."""
        given = ", ".join(f"{name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in self.parameters)
        return f"{self.name}({given})" if given else self.name


@dataclass(frozen=True, slots=True, eq=False)
class InitializerSample:
    """Sampled values of a whole weight and their `source`. If sampling failed, `problem` says why."""

    request: InitializerRequest
    values: np.ndarray | None = None
    source: str = ""
    takes_seed: bool = True
    problem: str = ""


# -- options -------------------------------------------------------------------------------------------------------------


def _initializer_items(weight: Weight, _: History, choice: Choice) -> tuple[MenuItem, ...]:
    """Return items for the layer's own initializer, all Keras initializers that fit such a weight, and the user's own."""
    own = MenuItem(LAYER_OWN, f"its own: {weight.initializer or 'not known'}")
    of_keras = (
        MenuItem(name, name)
        for name in KERAS_INITIALIZERS
        if _distribution_of(weight, name, _default_parameters(name)) is not None
    )
    return (own, *of_keras, *(MenuItem(name, name) for name in choice.initializers))


INITIALIZER = ViewOption(VIEW, "initializer", "initializer", _initializer_items)

_NORMALS = ("RandomNormal", "TruncatedNormal")
# For each parameter, the initializers that take it, and some values. The first value is the Keras default.
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


def _parameter_option(name: str) -> ViewOption:
    takers, values = PARAMETERS[name]
    offered = tuple(MenuItem(value, value) for value in values)

    def offers(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
        return offered if INITIALIZER.chosen(weight, history, choice) in takers else ()

    return ViewOption(VIEW, name, name, offers)


def _seed_range(_weight: Weight, _history: History, _choice: Choice) -> ItemCount:
    return NUM_SEEDS


_PARAMETER_OPTIONS = {name: _parameter_option(name) for name in PARAMETERS}
SEED = ViewOption(VIEW, "seed", "seed", _seed_range, "slider")
OPTIONS = (INITIALIZER, *_PARAMETER_OPTIONS.values(), SEED)


def _parse_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _default_parameters(name: str) -> tuple[tuple[str, float | str], ...]:
    return tuple((each, _parse_number(values[0])) for each, (takers, values) in PARAMETERS.items() if name in takers)


def initializer_request(weight: Weight, history: History, choice: Choice) -> InitializerRequest:
    """Return the request that the chosen options describe."""
    chosen = {name: option.chosen(weight, history, choice) for name, option in _PARAMETER_OPTIONS.items()}
    parameters = tuple((name, _parse_number(value)) for name, value in chosen.items() if value)
    name = INITIALIZER.chosen(weight, history, choice)
    return InitializerRequest(weight.variable_key, name, parameters, int(SEED.chosen(weight, history, choice)))


def _distribution_of(weight: Weight, name: str, parameters: tuple[tuple[str, float | str], ...]) -> InitialDistribution | None:
    config: Mapping[str, Any] = {"class_name": name, "config": dict(parameters)}
    return initial_distribution(replace(weight, initializer_config=config))


# -- the view ------------------------------------------------------------------------------------------------------------


def applies(weight: Weight) -> bool:
    """Whether the weight holds floating-point numbers, which initializers produce."""
    return "float" in weight.dtype and weight.role != SEED_STATE and weight.size > 0


def is_large(weight: Weight) -> bool:
    """Whether drawing the weight takes long."""
    return weight.size > MAX_IMMEDIATE_SIZE


def draw(weight: Weight, history: History, choice: Choice, sample: InitializerSample | None = None) -> Picture:
    """Draw the values at the start and now, a sample of the chosen initializer if there is one, and its expected curve."""
    at = replace(choice, quantity="value")
    reading = read_quantity(weight, history, at)
    if isinstance(reading, EmptyPicture):
        return reading
    wanted = initializer_request(weight, history, choice)
    start = (
        initial_distribution(weight) if wanted.name == LAYER_OWN else _distribution_of(weight, wanted.name, wanted.parameters)
    )
    groups = _groups(weight, history, at, reading, sample if sample and sample.request == wanted else None)
    if not any(values.size for values in groups.values()):
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*groups.values())
    counts = {name: count_values(edges, values).astype(np.float64) for name, values in groups.items()}
    chart = Chart("", "weight", "elements", _marks(record_name(reading.record), wanted, edges, counts, start))
    said = (
        _describe_initializer(weight, wanted, start),
        _describe_sample(sample, start, edges, counts),
        _describe_start(weight, history, edges, counts),
        f"Estimated from {reading.sample.description} elements." if reading.sample else "",
    )
    return ChartPicture((chart,), " ".join(filter(None, said)))


SAMPLE = "drawn"


def _groups(
    weight: Weight, history: History, choice: Choice, reading: Reading, sample: InitializerSample | None
) -> dict[str, np.ndarray]:
    """Return the finite values on screen, at the start, and of the sample; for a large weight, only the kept elements."""
    beside = values_to_compare(weight, history, choice, reading)
    groups = {name: values for name, values in beside.items() if name in (CURRENT, AT_START)}
    if sample is not None and sample.values is not None:
        part = to_float(sample.values[weight.index]) if weight.index else to_float(sample.values)
        groups[SAMPLE] = reading.sample.take(part) if reading.sample else part.reshape(-1)
    return {name: values[np.isfinite(values)] for name, values in groups.items()}


def _marks(
    current_name: str,
    request: InitializerRequest,
    edges: np.ndarray,
    counts: dict[str, np.ndarray],
    distribution: InitialDistribution | None,
) -> tuple[Mark, ...]:
    """Return the marks of the available data, in a fixed order so that widgets can be reused."""
    names = {CURRENT: current_name, AT_START: AT_START, SAMPLE: f"drawn (seed {request.seed})"}
    marks = [
        Mark("steps", names[name], color, edges, counts[name])
        for name, color in ((CURRENT, "now"), (AT_START, "start"), (SAMPLE, "against"))
        if name in counts
    ]
    if distribution is not None:
        most = max(int(row.sum()) for row in counts.values())  # some of the values on screen may not be finite
        line = expected_mark(distribution.expected_counts(edges, most), edges)
        marks.append(replace(line, name="expected"))
    return tuple(marks)


# -- text ----------------------------------------------------------------------------------------------------------------


def _describe_initializer(weight: Weight, request: InitializerRequest, distribution: InitialDistribution | None) -> str:
    """Describe the distribution of the initializer, and the fans, even if it does not use them."""
    own = "Its own initializer, " if request.name == LAYER_OWN else ""
    if distribution is None:
        name = (weight.initializer or "which is not known") if request.name == LAYER_OWN else request.name
        return f"{own}{name}: what it gives is known from samples alone. {_describe_fans(weight)}."
    fans_words = "" if "fan_in" in distribution.text else f" It does not look at the fans: {_describe_fans(weight)}."
    return f"{own}{distribution.text}.{fans_words}"


def _describe_fans(weight: Weight) -> str:
    fan_in, fan_out = fans(weight.variable_shape, weight.initializer_config.get("config", {}))
    return f"fan_in {fan_in}, fan_out {fan_out}"


def _describe_sample(
    sample: InitializerSample | None, distribution: InitialDistribution | None, edges: np.ndarray, counts: dict[str, np.ndarray]
) -> str:
    if sample is None:
        return ""
    if sample.problem:
        return f"No sample can be drawn: {sample.problem.rstrip('.')}."
    if not sample.takes_seed:
        return "It takes no seed, so that each number draws another sample."
    fit = _measure_fit(distribution, edges, counts[SAMPLE]) if distribution and SAMPLE in counts else None
    return f"The sample {'follows' if fit.is_within_bound else 'does not follow'} it ({fit.text})." if fit else ""


def _describe_start(weight: Weight, history: History, edges: np.ndarray, counts: dict[str, np.ndarray]) -> str:
    """Compare the start values with the distribution of the layer's own initializer."""
    own, kept = initial_distribution(weight), kept_records(weight, history)
    step = history.get_record(start_record(weight, history, kept[-1])) if kept else None
    first = counts.get(AT_START, counts[CURRENT])
    if own is None or step is None or not step.is_initial or not first.sum():
        return ""
    fit = _measure_fit(own, edges, first)
    return f"The start values {'follow' if fit.is_within_bound else 'do not follow'} its own ({fit.text})."


@dataclass(frozen=True, slots=True)
class _DistributionFit:
    """How far the empirical distribution of the elements is from the expected one, and how far it may be by chance."""

    distance: float
    bound: float

    @property
    def is_within_bound(self) -> bool:
        return self.distance <= self.bound

    @property
    def text(self) -> str:
        off, chance = (_format_percent(part) for part in (self.distance, self.bound))
        return f"{off} of the elements lie elsewhere; by chance up to {chance}"


def _format_percent(part: float) -> str:
    """Format a share as a percentage.

    >>> _format_percent(0.0123), _format_percent(0.998), _format_percent(1.36)
    ('1.2 %', '100 %', '100 %')
    """
    return f"{100 * part:.2g} %" if part < 0.995 else "100 %"


def _measure_fit(distribution: InitialDistribution, edges: np.ndarray, counts: np.ndarray) -> _DistributionFit:
    """Measure the distance at the bin edges only, which is at most the Kolmogorov-Smirnov statistic."""
    below = np.r_[0.0, np.cumsum(counts)] / counts.sum()
    closed = np.r_[edges[:-1], np.nextafter(edges[-1], np.inf)]
    return _DistributionFit(
        float(np.abs(below - distribution.cumulative(closed)).max()), KOLMOGOROV_FACTOR / math.sqrt(counts.sum())
    )
