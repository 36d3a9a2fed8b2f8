"""The distributions that the Keras initializers produce, each with its formula as text.

The rules are those of `keras.initializers`. Glorot and Bengio (2010), He et al. (2015), and LeCun et al. (1998) scale with the
number of inputs and outputs (the fans). Saxe et al. (2014) use an orthogonal matrix.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.numbers import format_rounded

# The standard deviation of a standard normal distribution truncated at two standard deviations.
TRUNCATED_STD = 0.87962566103423978

# Returns the share of the elements below each x.
CumulativeDistribution = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class InitialDistribution:
    """The distribution of the elements of a newly initialized weight. `parts` are shares of them with a distribution each."""

    text: str
    parts: tuple[tuple[float, CumulativeDistribution], ...]

    def expected_counts(self, edges: np.ndarray, count: int) -> np.ndarray:
        """Return the expected number of elements per bin, out of `count`. The last bin includes its upper edge."""
        return count * np.diff(self.cumulative(np.r_[edges[:-1], np.nextafter(edges[-1], np.inf)]))

    def cumulative(self, x: np.ndarray) -> np.ndarray:
        """Return the expected share of the elements below each number."""
        return sum((share * below(x) for share, below in self.parts), np.zeros(len(x)))


def initial_distribution(weight: Weight) -> InitialDistribution | None:
    """Return the initial distribution of a weight or of a slice; None if its initializer is not in the table.

    >>> from weight_explorer.catalog.schema import Axis
    >>> made = {"class_name": "GlorotUniform", "config": {}}
    >>> axes = (Axis("input_dim", 100), Axis("units", 80))
    >>> initial_distribution(Weight("w", "kernel", "kernel", "l", (100, 80), "float32", axes, initializer_config=made)).text
    'GlorotUniform: uniform within ± sqrt(6 / (100 + 80)) = ± 0.183 for fan_in 100, fan_out 80'
    """
    config = weight.initializer_config
    name = config.get("class_name", "")
    kind = _INITIALIZERS.get(name)
    numbers = config.get("config", {})
    if kind is None or not all(isinstance(numbers.get(each), (int, float)) for each in kind.required):
        return None
    rest = kind.make(weight, numbers)
    return None if rest is None else _with_blocks(InitialDistribution(f"{name}: {rest.text}", rest.parts), weight)


def _with_blocks(distribution: InitialDistribution, weight: Weight) -> InitialDistribution:
    """Add the blocks that start at a different constant, such as the forget gate of an LSTM's bias."""
    starts: Mapping[str, float] = weight.initializer_config.get("starts", {})
    axis = next((axis for axis in weight.axes if any(block.name in starts for block in axis.blocks)), None)
    if axis is None:
        return distribution
    sizes = {block.name: (block.stop - block.start) / axis.size for block in axis.blocks if block.name in starts}
    rest = 1 - sum(sizes.values())
    parts = tuple((share * rest, below) for share, below in distribution.parts)
    points = tuple((size, _point_cdf(starts[name])) for name, size in sizes.items())
    return InitialDistribution(distribution.text + "".join(f", {name} {starts[name]:g}" for name in sizes), parts + points)


# -- distributions -------------------------------------------------------------------------------------------------------


def _point_cdf(value: float) -> CumulativeDistribution:
    # Round to the precision of the weight: nearly all weights are initialized in float32.
    return lambda x: (x > np.float32(value)).astype(np.float64)


def _uniform_cdf(low: float, high: float) -> CumulativeDistribution:
    low, high = sorted((low, high))  # Keras accepts them in either order
    return (lambda x: np.clip((x - low) / (high - low), 0, 1)) if low < high else _point_cdf(low)


def _normal_cdf(mean: float, std: float) -> CumulativeDistribution:
    return (lambda x: _standard_normal_cdf((x - mean) / std)) if std else _point_cdf(mean)


def _truncated_normal_cdf(mean: float, std: float) -> CumulativeDistribution:
    """Truncate a normal distribution at two of its standard deviations."""
    if not std:
        return _point_cdf(mean)
    low, high = _standard_normal_cdf(np.array([-2.0, 2.0]))
    return lambda x: np.clip((_standard_normal_cdf((x - mean) / std) - low) / (high - low), 0, 1)


def _standard_normal_cdf(x: np.ndarray) -> np.ndarray:
    """Return the share of a standard normal distribution that is below x."""
    return np.array([math.erfc(-each / math.sqrt(2)) / 2 for each in x.tolist()])


def _unit_vector_cdf(size: int, gain: float) -> CumulativeDistribution:
    """Return the distribution of an element of a random unit vector with `size` elements, times the gain.

    The arcsine of the element has a density proportional to cos(t)^(size - 2), which is summed here.
    """
    if not gain:
        return _point_cdf(0)
    if size == 1:
        return lambda x: (_point_cdf(-abs(gain))(x) + _point_cdf(abs(gain))(x)) / 2
    angles, shares = _unit_vector_table(size)
    return lambda x: np.interp(np.arcsin(np.clip(x / abs(gain), -1, 1)), angles, shares)


@functools.lru_cache(maxsize=8)
def _unit_vector_table(size: int) -> tuple[np.ndarray, np.ndarray]:
    angles = np.linspace(-1, 1, 2001) * min(math.pi / 2, 12 / math.sqrt(size))
    density = np.cos(angles) ** (size - 2)
    shares = np.r_[0, np.cumsum((density[1:] + density[:-1]) / 2)]
    return angles, shares / shares[-1]


# -- the table -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _InitializerKind:
    """One initializer: a function that returns its distribution, and the numeric configuration keys that it requires."""

    make: Callable[[Weight, Mapping[str, Any]], InitialDistribution | None]
    required: tuple[str, ...] = ()


def fans(shape: Sequence[int], config: Mapping[str, Any]) -> tuple[int, int]:
    """Return fan-in and fan-out as Keras computes them: for a convolution, the number of channels times the window size.

    >>> fans((100, 80), {}), fans((3, 3, 16, 32), {}), fans((12, 4, 8), {"input_axes": [0], "output_axes": [1, 2]})
    ((100, 80), (144, 288), (12, 32))
    """
    axes = [config.get(name) for name in ("input_axes", "output_axes")]
    if all(isinstance(each, (list, tuple)) for each in axes):
        fan_in, fan_out = (math.prod(shape[i] for i in each or ()) for each in axes)
        return fan_in, fan_out
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


def _variance_scaled(scale: float, mode: str, distribution: str) -> Callable[[Weight, Mapping[str, Any]], InitialDistribution]:
    """Return a function that makes the distribution with variance `scale` divided by a fan, or by the mean of both fans."""

    def make(weight: Weight, config: Mapping[str, Any]) -> InitialDistribution:
        fan_in, fan_out = fans(weight.variable_shape, config)
        divisor, text, factor = {
            "fan_in": (fan_in, f"{fan_in}", 1),
            "fan_out": (fan_out, f"{fan_out}", 1),
            "fan_avg": ((fan_in + fan_out) / 2, f"({fan_in} + {fan_out})", 2),
        }[mode]
        variance = scale / max(1.0, divisor)
        width = math.sqrt(3 * variance if distribution == "uniform" else variance)
        above = scale * factor * (3 if distribution == "uniform" else 1)
        formula = f"sqrt({above:g} / {text}) = "
        words, below = _DISTRIBUTIONS[distribution]
        return InitialDistribution(
            f"{words.format(formula=formula, width=format_rounded(width))} for fan_in {fan_in}, fan_out {fan_out}",
            ((1.0, below(width)),),
        )

    return make


_TRUNCATED_TEXT = "normal, cut at two standard deviations, of standard deviation"
_DISTRIBUTIONS: dict[str, tuple[str, Callable[[float], CumulativeDistribution]]] = {
    "uniform": ("uniform within ± {formula}± {width}", lambda limit: _uniform_cdf(-limit, limit)),
    "truncated_normal": (_TRUNCATED_TEXT + " {formula}{width}", lambda std: _truncated_normal_cdf(0, std / TRUNCATED_STD)),
    "untruncated_normal": ("normal, of standard deviation {formula}{width}", lambda std: _normal_cdf(0, std)),
}


def _variance_scaling(weight: Weight, config: Mapping[str, Any]) -> InitialDistribution | None:
    mode, distribution = config.get("mode"), config.get("distribution")
    if mode not in ("fan_in", "fan_out", "fan_avg") or distribution not in _DISTRIBUTIONS:
        return None
    return _variance_scaled(config["scale"], mode, distribution)(weight, config)


def _single_distribution(text: str, cdf: CumulativeDistribution) -> InitialDistribution:
    return InitialDistribution(text, ((1.0, cdf),))


def _constant(value: float) -> InitialDistribution:
    return _single_distribution(f"every element is {value:g}", _point_cdf(value))


def _random_uniform(_: Weight, config: Mapping[str, Any]) -> InitialDistribution:
    low, high = config["minval"], config["maxval"]
    return _single_distribution(f"uniform between {low:g} and {high:g}", _uniform_cdf(low, high))


def _random_normal(_: Weight, config: Mapping[str, Any]) -> InitialDistribution:
    mean, std = config["mean"], config["stddev"]
    return _single_distribution(f"normal, of mean {mean:g} and standard deviation {std:g}", _normal_cdf(mean, std))


def _truncated_normal(_: Weight, config: Mapping[str, Any]) -> InitialDistribution:
    mean, std = config["mean"], config["stddev"]
    words = f"normal, of mean {mean:g} and standard deviation {std:g}, cut at two standard deviations"
    return _single_distribution(words, _truncated_normal_cdf(mean, std))


def _orthogonal(weight: Weight, config: Mapping[str, Any]) -> InitialDistribution | None:
    shape, gain = weight.variable_shape, config["gain"]
    if len(shape) < 2:
        return None
    rows, columns = math.prod(shape[:-1]), shape[-1]
    size = max(rows, columns)
    side = "columns" if rows >= columns else "rows"
    times = "" if gain == 1 else f" times {gain:g}"
    words = (
        f"an orthogonal matrix of {rows} by {columns}{times}, whose {side} are unit vectors of {size} elements, each of about "
        f"± {abs(gain):g} / sqrt({size}) = ± {format_rounded(abs(gain) / math.sqrt(size))}"
    )
    return _single_distribution(words, _unit_vector_cdf(size, gain))


def _identity(weight: Weight, config: Mapping[str, Any]) -> InitialDistribution | None:
    if len(weight.variable_shape) != 2 or not weight.size:
        return None
    rows, columns = (_entry_range(weight, axis) for axis in (0, 1))
    share = len(range(max(rows.start, columns.start), min(rows.stop, columns.stop))) / weight.size
    words = f"{config['gain']:g} where row and column are the same, else 0"
    return InitialDistribution(words, ((1 - share, _point_cdf(0)), (share, _point_cdf(config["gain"]))))


def _entry_range(weight: Weight, axis: int) -> range:
    """Return the range of entries of one axis of the whole weight that are shown."""
    item = weight.index[axis] if axis < len(weight.index) else slice(None)
    return range(item, item + 1) if isinstance(item, int) else range(*item.indices(weight.variable_shape[axis]))


_INITIALIZERS: dict[str, _InitializerKind] = {
    "Zeros": _InitializerKind(lambda *_: _constant(0)),
    "Ones": _InitializerKind(lambda *_: _constant(1)),
    "Constant": _InitializerKind(lambda _, config: _constant(config["value"]), ("value",)),
    "Identity": _InitializerKind(_identity, ("gain",)),
    "RandomUniform": _InitializerKind(_random_uniform, ("minval", "maxval")),
    "RandomNormal": _InitializerKind(_random_normal, ("mean", "stddev")),
    "TruncatedNormal": _InitializerKind(_truncated_normal, ("mean", "stddev")),
    "VarianceScaling": _InitializerKind(_variance_scaling, ("scale",)),
    "GlorotUniform": _InitializerKind(_variance_scaled(1, "fan_avg", "uniform")),
    "GlorotNormal": _InitializerKind(_variance_scaled(1, "fan_avg", "truncated_normal")),
    "LecunUniform": _InitializerKind(_variance_scaled(1, "fan_in", "uniform")),
    "LecunNormal": _InitializerKind(_variance_scaled(1, "fan_in", "truncated_normal")),
    "HeUniform": _InitializerKind(_variance_scaled(2, "fan_in", "uniform")),
    "HeNormal": _InitializerKind(_variance_scaled(2, "fan_in", "truncated_normal")),
    "Orthogonal": _InitializerKind(_orthogonal, ("gain",)),
}

KERAS_INITIALIZERS = tuple(_INITIALIZERS)
"""The classes of `keras.initializers` in the table."""
