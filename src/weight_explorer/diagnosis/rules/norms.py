"""Weights that grow without bound, saturate the activations they feed, or lose their rank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.catalog.schema import pluralize
from weight_explorer.diagnosis.context import DiagnosisContext, WeightTrace
from weight_explorer.diagnosis.findings import AxisEntries, Finding
from weight_explorer.diagnosis.rule_types import Rule, RuleParameter
from weight_explorer.diagnosis.rules.units import unit_columns
from weight_explorer.diagnosis.text import layer_name, weight_name
from weight_explorer.recording.statistics.effective_rank import effective_rank

NORM_GROWTH = RuleParameter("norm_growth", 10, "A norm has grown if it is at least this many times its value at the start.")
NORM_LATE_GROWTH = RuleParameter(
    "norm_goes_on", 1.2, "The norm must also have grown by this factor over the second half of the records."
)
# A norm is still growing if it grew by this factor over the last quarter of the records.
MIN_LATE_GROWTH = 1.02
MIN_RECORDS = RuleParameter("fewest_norms", 4, "The rule needs at least this many records.")
SATURATED_SUM = RuleParameter(
    "saturated_sum",
    10,
    "Weighted sum above which a unit counts as saturated: at 10, the slope of sigmoid is 5e-5, and that of tanh less.",
)
MIN_SATURATED_SHARE = RuleParameter("saturated_share", 0.5, "The smallest share of saturated units that is reported.")
MAX_RANK_SHARE = RuleParameter(
    "rank_share", 0.25, "An effective rank below this share of what it was at the start has collapsed."
)
MAX_RANK_SIZE = RuleParameter(
    "rank_size", 1 << 14, "The rank of weights with more elements is not computed, because it takes long; 0 turns the rule off."
)
MIN_RANK = RuleParameter(
    "rank_least", 8, "The rank of weights with fewer rows or columns is not computed: they have little rank to lose."
)

_BOUNDED_ACTIVATIONS = ("tanh", "sigmoid", "hard_sigmoid", "hard_tanh", "softsign")
_GATED_LAYERS = ("LSTM", "GRU", "LSTMCell", "GRUCell")
PASCANU_URL = "https://arxiv.org/abs/1211.5063 (Pascanu et al., On the difficulty of training recurrent neural networks)"
GLOROT_URL = "https://proceedings.mlr.press/v9/glorot10a.html (Glorot and Bengio: saturated units stop the gradient)"
EFFECTIVE_RANK_URL = (
    "https://www.eurasip.org/Proceedings/Eusipco/Eusipco2007/Papers/a5p-h05.pdf (Roy and Vetterli, The effective rank); "
    "https://arxiv.org/abs/2010.14498 (Kumar et al., its collapse)"
)


def holds_token_vectors(trajectory: WeightTrace) -> bool:
    """Return whether the weight holds token vectors. These may start arbitrarily small and find their size during training."""
    return any(axis.entry_name == "token" for axis in trajectory.weight.axes)


def glorot_norm(trajectory: WeightTrace) -> float:
    """Return the norm of a weight of this shape with Glorot initialization. Weights with a smaller norm have to grow."""
    units, size = trajectory.unit_axis[1].size, trajectory.weight.size
    return float(np.sqrt(size * 2 / (size / units + units)))


def find_growing(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights whose norm has grown many times over and is still growing."""
    for trace in context.kernels():
        norms = trace.value_statistic("norm")[np.r_[trace.changeable_indices[:1] - 1, trace.changeable_indices]]
        # Token vectors may start arbitrarily small and find their size during training.
        if (
            len(norms) < context.parameters[MIN_RECORDS.name]
            or holds_token_vectors(trace)
            or not norms[0]
            or not np.isfinite(norms).all()
        ):
            continue
        growth, late = norms[-1] / max(norms[0], glorot_norm(trace)), norms[-1] / norms[len(norms) // 2]
        is_growing = norms[-1] >= MIN_LATE_GROWTH * norms[-1 - max(len(norms) // 4, 1)] and not trace.has_stopped_changing
        if growth >= context.parameters[NORM_GROWTH.name] and late >= context.parameters[NORM_LATE_GROWTH.name] and is_growing:
            yield _growing_finding(trace, norms)


def _growing_finding(trajectory: WeightTrace, norms: np.ndarray) -> Finding:
    return trajectory.make_finding(
        "growing norm",
        "warning",
        f"The norm of the {weight_name(trajectory.weight)} has grown from {norms[0]:.3g} to {norms[-1]:.3g}, "
        f"{norms[-1] / norms[0]:.3g} "
        f"times what it was, and is still growing.",
        {"start": float(norms[0]), "half": float(norms[len(norms) // 2]), "now": float(norms[-1])},
        suggestion="Lower the learning rate, clip gradients (clipnorm=1.0), or hold weights down, by AdamW or a "
        "kernel_regularizer.",
        reference=PASCANU_URL,
        cause="growing",
    )


def find_saturated(context: DiagnosisContext) -> Iterator[Finding]:
    """Find layers in which most units have sums so large, for inputs of size 1, that their activation is flat there."""
    for trace in context.kernels():
        ends = trace.first_and_last_values() if _is_bounded(context, trace) else None
        if ends is None:
            continue
        start, now = (np.linalg.norm(unit_columns(values, trace), axis=0) for values in ends)
        limit = context.parameters[SATURATED_SUM.name]
        flat = (now >= limit) & (now > start)
        if flat.mean() >= context.parameters[MIN_SATURATED_SHARE.name]:
            yield _saturated_finding(context, trace, flat, now)


def _is_bounded(context: DiagnosisContext, trajectory: WeightTrace) -> bool:
    layer = trajectory.weight.layer
    is_gated = getattr(context.catalog.nodes.get(layer), "class_name", "") in _GATED_LAYERS
    return layer not in context.facts.output_layers and (
        is_gated or context.facts.activations.get(layer) in _BOUNDED_ACTIVATIONS
    )


def _saturated_finding(
    context: DiagnosisContext, trajectory: WeightTrace, is_saturated: np.ndarray, norms: np.ndarray
) -> Finding:
    number, axis = trajectory.unit_axis
    noun, layer = pluralize(axis.entry_name or "unit"), layer_name(trajectory.weight.layer)
    activation = context.facts.activations.get(trajectory.weight.layer) or "gate"
    return trajectory.make_finding(
        "saturating norm",
        "warning",
        f"{int(is_saturated.sum())} of {axis.size} {noun} of {layer} may be saturated: the median norm of their weights is "
        f"{float(np.median(norms)):.3g}, so inputs of size 1 give sums of about that size, where {activation} is flat and "
        f"passes almost no gradient. The inputs themselves were not recorded.",
        {"units": float(is_saturated.sum()), "of": axis.size, "norm": float(np.median(norms))},
        axis_entries=(AxisEntries(number, tuple(np.flatnonzero(is_saturated).tolist())),),
        suggestion="Lower the learning rate, normalize what comes in, or hold weights down: kernel_regularizer or MaxNorm.",
        reference=GLOROT_URL,
        cause="saturating",
    )


def effective_rank_of(matrix: np.ndarray) -> float:
    """Return the effective number of directions of a matrix: `exp` of the entropy of its singular values.

    >>> import numpy as np
    >>> round(effective_rank_of(np.eye(4)), 3), round(effective_rank_of(np.ones((4, 4))), 3)
    (4.0, 1.0)
    """
    wide = matrix.astype(np.float64)
    if not np.isfinite(wide).all() or not wide.any():
        return np.nan
    wide /= np.abs(wide).max()
    gram = wide @ wide.T if wide.shape[0] < wide.shape[1] else wide.T @ wide
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0))
    # These come from the product of the matrix with itself, so values below the square root of `eps` are rounding errors.
    return effective_rank(singular[singular > singular.max() * 1e-7])


def find_collapsed(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights whose effective rank has fallen to a small share of its initial value."""
    for trace in context.kernels():
        if holds_token_vectors(trace) or not trace.change_statistic("moved").any() or not _has_rank(context, trace):
            continue
        ends = trace.first_and_last_values()
        if ends is None:
            continue
        before, now = (effective_rank_of(unit_columns(values, trace)) for values in ends)
        if now < context.parameters[MAX_RANK_SHARE.name] * before:
            yield _collapsed_finding(trace, before, now)


def _has_rank(context: DiagnosisContext, trajectory: WeightTrace) -> bool:
    units = trajectory.unit_axis[1].size
    least = min(units, trajectory.weight.size // units)
    return least >= context.parameters[MIN_RANK.name] and trajectory.weight.size <= context.parameters[MAX_RANK_SIZE.name]


def _collapsed_finding(trajectory: WeightTrace, before: float, after: float) -> Finding:
    return trajectory.make_finding(
        "rank collapse",
        "warning",
        f"The effective rank of the {weight_name(trajectory.weight)} has fallen from {before:.3g} to {after:.3g}: its units "
        "respond to "
        f"few directions of the input, so many of them compute nearly the same.",
        {"start": before, "now": after},
        suggestion="Lower the learning rate or the weight decay, normalize what comes in, or use fewer units.",
        reference=EFFECTIVE_RANK_URL,
        cause="collapsed",
    )


GROWING_NORM = Rule("growing norm", "Norms that grow without end", find_growing, (NORM_GROWTH, NORM_LATE_GROWTH, MIN_RECORDS))
SATURATION = Rule(
    "saturating norm",
    "Weights so large that tanh or sigmoid behind them is flat",
    find_saturated,
    (SATURATED_SUM, MIN_SATURATED_SHARE),
)
RANK_COLLAPSE = Rule(
    "rank collapse", "Weights that have lost their rank", find_collapsed, (MAX_RANK_SHARE, MAX_RANK_SIZE, MIN_RANK)
)
