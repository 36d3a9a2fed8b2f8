"""Weights that grow without end, that saturate what they feed, or that lose their rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.catalog.nodes import plural
from weight_explorer.diagnosis.case import Case, Trace
from weight_explorer.diagnosis.findings import Finding, Place
from weight_explorer.diagnosis.rules.units import columns_of
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import layer_name, name_of
from weight_explorer.recording.ranks import effective_rank

GROWTH = Parameter("norm_growth", 10, "A norm has grown if it is at least this many times its value at the start.")
GOES_ON = Parameter("norm_goes_on", 1.2, "The norm must also have grown by this factor over the second half of the records.")
# What is still growing has grown by this much over the last quarter of the records.
STILL_GROWING = 1.02
FEWEST = Parameter("fewest_norms", 4, "The rule needs at least this many records.")
SATURATED = Parameter(
    "saturated_sum",
    10,
    "Weighted sum above which a unit counts as saturated: at 10, the slope of sigmoid is 5e-5, and that of tanh less.",
)
UNITS = Parameter("saturated_share", 0.5, "The smallest share of saturated units that is reported.")
RANK = Parameter("rank_share", 0.25, "An effective rank below this share of what it was at the start has collapsed.")
RANK_SIZE = Parameter(
    "rank_size", 1 << 14, "The rank of weights with more elements is not computed, because it takes long; 0 turns the rule off."
)
RANK_LEAST = Parameter(
    "rank_least", 8, "The rank of weights with fewer rows or columns is not computed: they have little rank to lose."
)

_BOUNDED = ("tanh", "sigmoid", "hard_sigmoid", "hard_tanh", "softsign")
_GATED = ("LSTM", "GRU", "LSTMCell", "GRUCell")
PASCANU = "https://arxiv.org/abs/1211.5063 (Pascanu et al., On the difficulty of training recurrent neural networks)"
GLOROT = "https://proceedings.mlr.press/v9/glorot10a.html (Glorot and Bengio: saturated units stop the gradient)"
ROY = (
    "https://www.eurasip.org/Proceedings/Eusipco/Eusipco2007/Papers/a5p-h05.pdf (Roy and Vetterli, The effective rank); "
    "https://arxiv.org/abs/2010.14498 (Kumar et al., its collapse)"
)


def is_of_tokens(trace: Trace) -> bool:
    """Whether it holds vectors of tokens, which start small at will and find their size in training."""
    return any(axis.entry == "token" for axis in trace.weight.axes)


def usual_norm(trace: Trace) -> float:
    """Return the norm that a weight of this shape has where Glorot's initializer drew it: smaller ones have to grow."""
    units, size = trace.units[1].size, trace.weight.size
    return float(np.sqrt(size * 2 / (size / units + units)))


def find_growing(case: Case) -> Iterator[Finding]:
    """Find weights whose norm has grown many times over, and grows on."""
    for trace in case.kernels():
        norms = trace.value_field("norm")[np.r_[trace.trained[:1] - 1, trace.trained]]
        # Vectors of tokens start small at will, and find their size in training.
        if len(norms) < case.parameters[FEWEST.name] or is_of_tokens(trace) or not norms[0] or not np.isfinite(norms).all():
            continue
        growth, late = norms[-1] / max(norms[0], usual_norm(trace)), norms[-1] / norms[len(norms) // 2]
        is_growing = norms[-1] >= STILL_GROWING * norms[-1 - max(len(norms) // 4, 1)] and not trace.stands_still
        if growth >= case.parameters[GROWTH.name] and late >= case.parameters[GOES_ON.name] and is_growing:
            yield _growing(trace, norms)


def _growing(trace: Trace, norms: np.ndarray) -> Finding:
    return trace.finding(
        "growing norm",
        "warning",
        f"The norm of the {name_of(trace.weight)} has grown from {norms[0]:.3g} to {norms[-1]:.3g}, {norms[-1] / norms[0]:.3g} "
        f"times what it was, and is still growing.",
        {"start": float(norms[0]), "half": float(norms[len(norms) // 2]), "now": float(norms[-1])},
        cure="Lower the learning rate, clip gradients (clipnorm=1.0), or hold weights down, by AdamW or a kernel_regularizer.",
        source=PASCANU,
        cause="growing",
    )


def find_saturated(case: Case) -> Iterator[Finding]:
    """Find layers most of whose units have sums so large, for inputs of size 1, that their activation is flat there."""
    for trace in case.kernels():
        ends = trace.ends() if _is_bounded(case, trace) else None
        if ends is None:
            continue
        start, now = (np.linalg.norm(columns_of(values, trace), axis=0) for values in ends)
        limit = case.parameters[SATURATED.name]
        flat = (now >= limit) & (now > start)
        if flat.mean() >= case.parameters[UNITS.name]:
            yield _saturated(case, trace, flat, now)


def _is_bounded(case: Case, trace: Trace) -> bool:
    layer = trace.weight.layer
    is_gated = getattr(case.catalog.nodes.get(layer), "class_name", "") in _GATED
    return layer not in case.facts.outputs and (is_gated or case.facts.activations.get(layer) in _BOUNDED)


def _saturated(case: Case, trace: Trace, flat: np.ndarray, sizes: np.ndarray) -> Finding:
    number, axis = trace.units
    noun, layer = plural(axis.entry or "unit"), layer_name(trace.weight.layer)
    activation = case.facts.activations.get(trace.weight.layer) or "gate"
    return trace.finding(
        "saturating norm",
        "warning",
        f"{int(flat.sum())} of {axis.size} {noun} of {layer} may be saturated: the median norm of their weights is "
        f"{float(np.median(sizes)):.3g}, so inputs of size 1 give sums of about that size, where {activation} is flat and "
        f"passes almost no gradient. The inputs themselves were not recorded.",
        {"units": float(flat.sum()), "of": axis.size, "norm": float(np.median(sizes))},
        places=(Place(number, tuple(np.flatnonzero(flat).tolist())),),
        cure="Lower the learning rate, normalize what comes in, or hold weights down: kernel_regularizer or MaxNorm.",
        source=GLOROT,
        cause="saturating",
    )


def rank_of(matrix: np.ndarray) -> float:
    """Return how many directions a matrix has, weighed by their size: `exp` of the entropy of its singular values.

    >>> import numpy as np
    >>> round(rank_of(np.eye(4)), 3), round(rank_of(np.ones((4, 4))), 3)
    (4.0, 1.0)
    """
    wide = matrix.astype(np.float64)
    if not np.isfinite(wide).all() or not wide.any():
        return np.nan
    wide /= np.abs(wide).max()
    gram = wide @ wide.T if wide.shape[0] < wide.shape[1] else wide.T @ wide
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    # Of the product of a matrix with itself, what is smaller than the root of `eps` is rounding.
    return effective_rank(singular[singular > singular.max() * 1e-7])


def find_collapsed(case: Case) -> Iterator[Finding]:
    """Find weights whose effective rank has fallen to a small share of what it was at the start."""
    for trace in case.kernels():
        if is_of_tokens(trace) or not trace.field("moved").any() or not _has_rank(case, trace):
            continue
        ends = trace.ends()
        if ends is None:
            continue
        before, now = (rank_of(columns_of(values, trace)) for values in ends)
        if now < case.parameters[RANK.name] * before:
            yield _collapsed(trace, before, now)


def _has_rank(case: Case, trace: Trace) -> bool:
    units = trace.units[1].size
    least = min(units, trace.weight.size // units)
    return least >= case.parameters[RANK_LEAST.name] and trace.weight.size <= case.parameters[RANK_SIZE.name]


def _collapsed(trace: Trace, before: float, now: float) -> Finding:
    return trace.finding(
        "rank collapse",
        "warning",
        f"The effective rank of the {name_of(trace.weight)} has fallen from {before:.3g} to {now:.3g}: its units respond to "
        f"few directions of the input, so many of them compute nearly the same.",
        {"start": before, "now": now},
        cure="Lower the learning rate or the weight decay, normalize what comes in, or use fewer units.",
        source=ROY,
        cause="collapsed",
    )


GROWING = Rule("growing norm", "Norms that grow without end", find_growing, (GROWTH, GOES_ON, FEWEST))
SATURATING = Rule(
    "saturating norm", "Weights so large that tanh or sigmoid behind them is flat", find_saturated, (SATURATED, UNITS)
)
COLLAPSED = Rule("rank collapse", "Weights that have lost their rank", find_collapsed, (RANK, RANK_SIZE, RANK_LEAST))
