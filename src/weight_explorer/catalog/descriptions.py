"""What a weight means: asks the table of roles, and gives a plain answer where the table has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from weight_explorer.catalog.layers import FOLDED_SUBLAYERS, NON_WEIGHT_STATES, SUBLAYER_SPECS, WEIGHT_SPECS
from weight_explorer.catalog.layers.dense import einsum_fan_axes
from weight_explorer.catalog.layers.specs import AxisSpec, NonWeightState, SublayerSpec, WeightSpec, safe_getattr
from weight_explorer.catalog.schema import Axis, NotTrainableReason


@dataclass(slots=True, eq=False)
class VariableInfo:
    """A variable as the table is asked for it.

    `trainable` says whether training by gradients may move it.
    `qualified_names` are the names of the way it is held by the layer above it: "MultiHeadAttention.query_dense".
    `frozen_by` is the outermost layer above, or the layer itself, that has `trainable = False`: its name, or "";
    `is_itself_frozen` says that it is the layer itself.
    """

    layer: Any
    attribute: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    qualified_names: tuple[str, ...]
    frozen_by: str
    is_itself_frozen: bool


@lru_cache
def _keras_class_names(cls: type) -> tuple[str, ...]:
    return tuple(base.__name__ for base in cls.__mro__ if base.__module__.partition(".")[0] == "keras")


def keras_class_names(layer: Any) -> tuple[str, ...]:
    """Names of Keras' own classes among the layer's class and its bases, nearest first: so the tables are asked.

    A user's own class that happens to be called `Dense` is none of them.
    """
    return _keras_class_names(type(layer))


def is_folded_sublayer(parent: Any, attribute: str) -> bool:
    """Say whether a layer stands in the tree for the one that it holds under this attribute."""
    return any(FOLDED_SUBLAYERS.get(name) == attribute for name in keras_class_names(parent))


def qualified_names(parent: Any, attribute: str) -> tuple[str, ...]:
    """Return the names under which the table has the layer that a parent holds under this attribute."""
    return _qualified_names(type(parent), attribute)


@lru_cache
def _qualified_names(cls: type, attribute: str) -> tuple[str, ...]:
    return tuple(f"{name}.{attribute}" for name in _keras_class_names(cls))


def find_sublayer_spec(parent: Any, attribute: str) -> SublayerSpec | None:
    """Return what a layer is to the one that holds it, such as the forward direction of a Bidirectional."""
    return next(
        (SUBLAYER_SPECS[name, attribute] for name in keras_class_names(parent) if (name, attribute) in SUBLAYER_SPECS), None
    )


def find_non_weight_state(layer: Any) -> NonWeightState | None:
    """Return what a layer keeps that is no variable, such as a vocabulary."""
    return next((NON_WEIGHT_STATES[name] for name in keras_class_names(layer) if name in NON_WEIGHT_STATES), None)


def find_spec(info: VariableInfo) -> tuple[WeightSpec, tuple[Axis, ...]]:
    """Find the first row that is true of a variable, and name its axes; plainly where there is none."""
    for row in _candidate_specs(info.qualified_names + keras_class_names(info.layer), info.attribute):
        axes = _match_axes(row, info)
        if axes is not None:
            return row, axes
    name = type(info.layer).__name__.replace("{", "{{").replace("}", "}}")
    return WeightSpec(f"A weight that {name} made for itself."), _plain_axes(info.shape)


@cache
def _candidate_specs(names: tuple[str, ...], attribute: str) -> tuple[WeightSpec, ...]:
    found = (WEIGHT_SPECS.get((name, attribute), ()) for name in names)
    return tuple(row for rows in found for row in ((rows,) if isinstance(rows, WeightSpec) else rows))


def _match_axes(spec: WeightSpec, info: VariableInfo) -> tuple[Axis, ...] | None:
    """Name the axes as a row has them, or return None where the row is not true of this weight."""
    if spec.applies_to and not spec.applies_to(info.layer):
        return None
    if spec.axes is None:
        return _plain_axes(info.shape)
    rows = spec.axes(info.layer, info.shape) if callable(spec.axes) else spec.axes
    if len(rows) != len(info.shape):
        return None
    if not all(axis.matches(size, info.layer) for axis, size in zip(rows, info.shape, strict=True)):
        return None
    return tuple(_build_axis(axis, size) for axis, size in zip(rows, info.shape, strict=True))


@cache
def _build_axis(spec: AxisSpec, size: int) -> Axis:
    return spec.to_axis(size)


def _plain_axes(shape: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(Axis(f"axis {i}", size) for i, size in enumerate(shape))


def role_name(spec: WeightSpec, attribute: str) -> str:
    """Return the role: the row's own, or the attribute's name in words."""
    return spec.role or attribute.replace("_", " ").strip()


@dataclass(frozen=True, slots=True)
class NotTrainableRule:
    """Why a weight does not train: when that is so, as a code, in a few words, and in a sentence."""

    reason: Callable[[WeightSpec], NotTrainableReason]
    applies: Callable[[VariableInfo, WeightSpec], bool]
    short_text: Callable[[VariableInfo, WeightSpec], str]
    text: Callable[[VariableInfo, WeightSpec], str]


def _is_integer(info: VariableInfo) -> bool:
    return info.dtype.startswith(("int", "uint", "bool"))


def _is_lora_frozen(info: VariableInfo, spec: WeightSpec) -> bool:  # noqa: ARG001 - one signature for all
    return bool(safe_getattr(info.layer, "lora_enabled")) and info.attribute in ("kernel", "embeddings")


# The first that holds is given: its kind, whole numbers, the layer, a parent, what was done to the layer, the variable itself.
NOT_TRAINABLE_RULES = (
    NotTrainableRule(
        lambda row: row.not_trainable.reason if row.not_trainable else NotTrainableReason.LAYER_STATE,
        lambda _, row: row.not_trainable is not None,
        lambda _, row: row.not_trainable.short_text if row.not_trainable else "",
        lambda _, row: row.not_trainable.text if row.not_trainable else "",
    ),
    NotTrainableRule(
        lambda _: NotTrainableReason.QUANTIZED,
        lambda subject, _: _is_integer(subject) and bool(safe_getattr(subject.layer, "quantization_mode")),
        lambda subject, _: f"quantized to {subject.layer.quantization_mode}",
        lambda *_: "It does not train: it is quantized, and whole numbers have no gradient.",
    ),
    NotTrainableRule(
        lambda _: NotTrainableReason.INTEGER_DTYPE,
        lambda subject, _: _is_integer(subject),
        lambda *_: "whole numbers",
        lambda *_: "It does not train: it holds whole numbers, which have no gradient.",
    ),
    NotTrainableRule(
        lambda _: NotTrainableReason.LAYER_FROZEN,
        lambda subject, _: subject.is_itself_frozen,
        lambda *_: "its layer is frozen",
        lambda *_: "It does not train: its layer is frozen (trainable = False).",
    ),
    NotTrainableRule(
        lambda _: NotTrainableReason.PARENT_FROZEN,
        lambda subject, _: bool(subject.frozen_by),
        lambda subject, _: f"{subject.frozen_by} above it is frozen",
        lambda subject, _: f"It does not train: {subject.frozen_by!r}, which it is a part of, is frozen (trainable = False).",
    ),
    NotTrainableRule(
        lambda _: NotTrainableReason.LORA,
        _is_lora_frozen,
        lambda *_: "frozen by enable_lora",
        lambda *_: "It does not train: enable_lora() has frozen it, and training moves the two small LoRA matrices instead.",
    ),
    NotTrainableRule(
        lambda _: NotTrainableReason.VARIABLE,
        lambda *_: True,
        lambda *_: "the variable itself",
        lambda *_: "It does not train: the variable itself has trainable = False.",
    ),
)


def describe_training(info: VariableInfo, spec: WeightSpec) -> tuple[NotTrainableReason | None, str, str]:
    """Say what training does to a weight: `(None, "", sentence)`, or why it does nothing: a code, a few words, a sentence."""
    if info.trainable:
        return None, "", spec.training_effect
    reason = next(reason for reason in NOT_TRAINABLE_RULES if reason.applies(info, spec))
    return reason.reason(spec), reason.short_text(info, spec), reason.text(info, spec)


def describe_weight(spec: WeightSpec, axes: tuple[Axis, ...]) -> str:
    """Say what one row, column or filter of a weight is."""
    return spec.meaning.format(**{axis.name: axis.block_size for axis in axes})


def describe_initializer(info: VariableInfo, variable: Any, spec: WeightSpec) -> tuple[str, dict[str, Any]]:
    """Name a weight's initializer, with what the layer does beyond it, and return its configuration for `Weight`.

    Nothing of whole numbers, which are computed.
    """
    initializer = None if _is_integer(info) else next(_find_initializers(info, variable), None)
    if initializer is None:
        return "", {}
    name = initializer if isinstance(initializer, str) else getattr(initializer, "__name__", type(initializer).__name__)
    starts = spec.initial_values(info.layer) if spec.initial_values else {}
    words = "".join(f", {block} at {value:g}" for block, value in starts.items())
    return name + words, _initializer_config(initializer, info, starts)


def _initializer_config(initializer: Any, info: VariableInfo, initial_values: Mapping[str, float]) -> dict[str, Any]:
    """Return the class and configuration of an initializer of Keras' own; anybody else's may do anything."""
    if not type(initializer).__module__.startswith("keras.") or not hasattr(initializer, "get_config"):
        return {}
    known = vars(initializer) | initializer.get_config()  # Identity leaves its gain out
    config = {name: value for name, value in known.items() if name[0] != "_" and isinstance(value, (int, float, str, list))}
    if _has_fans(initializer):
        if initial_values:
            return {}  # it fills each block by itself, whose fans are not those of the whole
        config |= _fan_axes(initializer, info)
    return {"class_name": type(initializer).__name__, "config": config} | (
        {"starts": dict(initial_values)} if initial_values else {}
    )


def _has_fans(initializer: Any) -> bool:
    return all(hasattr(initializer, name) for name in ("scale", "mode", "distribution"))


def _fan_axes(initializer: Any, info: VariableInfo) -> dict[str, list[int]]:
    """Return the axes that EinsumDense gives to its kernel's initializer, where this Keras does so."""
    is_einsum = "EinsumDense" in keras_class_names(info.layer) and info.attribute in ("kernel", "_kernel")
    is_open = getattr(initializer, "input_axes", ()) is None or getattr(initializer, "output_axes", ()) is None
    return einsum_fan_axes(info.layer) if is_einsum and is_open else {}


def _find_initializers(info: VariableInfo, variable: Any) -> Iterator[Any]:
    attribute = info.attribute
    for name in (f"{attribute}_initializer", f"{attribute.removesuffix('_kernel')}_initializer"):
        if (found := safe_getattr(info.layer, name)) is not None:
            yield found
    if (found := safe_getattr(variable, "initializer")) is not None:
        yield found
