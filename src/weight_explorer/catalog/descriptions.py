"""Describe what a weight means: look it up in the table of layers, and use a plain description if it has no entry."""

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
    """What the table needs to know about a variable.

    `trainable` tells whether training by gradients may change it.
    `qualified_names` are the names under which the parent layer holds its layer: "MultiHeadAttention.query_dense".
    `frozen_by` is the name of the outermost layer with `trainable = False`, which is a layer above or the layer itself, or "".
    `is_itself_frozen` tells whether it is the layer itself.
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
    """Return the names of Keras' own classes among the layer's class and its bases, nearest first, in table lookup order.

    A user's own class named `Dense` is not one of them.
    """
    return _keras_class_names(type(layer))


def is_folded_sublayer(parent: Any, attribute: str) -> bool:
    """Return whether a layer represents, in the tree, the sublayer that it holds under this attribute."""
    return any(FOLDED_SUBLAYERS.get(name) == attribute for name in keras_class_names(parent))


def qualified_names(parent: Any, attribute: str) -> tuple[str, ...]:
    """Return the names under which the table lists the layer that a parent holds under this attribute."""
    return _qualified_names(type(parent), attribute)


@lru_cache
def _qualified_names(cls: type, attribute: str) -> tuple[str, ...]:
    return tuple(f"{name}.{attribute}" for name in _keras_class_names(cls))


def find_sublayer_spec(parent: Any, attribute: str) -> SublayerSpec | None:
    """Return the role of a sublayer in its parent, such as the forward direction of a Bidirectional."""
    return next(
        (SUBLAYER_SPECS[name, attribute] for name in keras_class_names(parent) if (name, attribute) in SUBLAYER_SPECS), None
    )


def find_non_weight_state(layer: Any) -> NonWeightState | None:
    """Return what a layer keeps besides variables, such as a vocabulary."""
    return next((NON_WEIGHT_STATES[name] for name in keras_class_names(layer) if name in NON_WEIGHT_STATES), None)


def find_spec(info: VariableInfo) -> tuple[WeightSpec, tuple[Axis, ...]]:
    """Return the first spec that matches a variable and its named axes; a plain description if no spec matches."""
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
    """Return the axes that a spec gives this weight, or None if the spec does not match it."""
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
    """Return the role: the one in the spec, or the attribute's name in words."""
    return spec.role or attribute.replace("_", " ").strip()


@dataclass(frozen=True, slots=True)
class NotTrainableRule:
    """A reason why a weight does not train: when it applies, its code, a short text, and a sentence."""

    reason: Callable[[WeightSpec], NotTrainableReason]
    applies: Callable[[VariableInfo, WeightSpec], bool]
    short_text: Callable[[VariableInfo, WeightSpec], str]
    text: Callable[[VariableInfo, WeightSpec], str]


def _is_integer(info: VariableInfo) -> bool:
    return info.dtype.startswith(("int", "uint", "bool"))


def _is_lora_frozen(info: VariableInfo, spec: WeightSpec) -> bool:  # noqa: ARG001 - all share one signature
    return bool(safe_getattr(info.layer, "lora_enabled")) and info.attribute in ("kernel", "embeddings")


# The first rule that applies is used: kind of weight, integers, layer, parent, a change made to the layer, the variable itself.
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
    """Return `(None, "", sentence)` for a weight that trains, else a code, a short text and a sentence with the reason."""
    if info.trainable:
        return None, "", spec.training_effect
    reason = next(reason for reason in NOT_TRAINABLE_RULES if reason.applies(info, spec))
    return reason.reason(spec), reason.short_text(info, spec), reason.text(info, spec)


def describe_weight(spec: WeightSpec, axes: tuple[Axis, ...]) -> str:
    """Return a sentence that says what one row, column or filter of a weight is."""
    return spec.meaning.format(**{axis.name: axis.block_size for axis in axes})


def describe_initializer(info: VariableInfo, variable: Any, spec: WeightSpec) -> tuple[str, dict[str, Any]]:
    """Return a weight's initializer by name, with what the layer changes afterward, and its configuration for `Weight`.

    Integer weights have none, because their values are computed.
    """
    initializer = None if _is_integer(info) else next(_find_initializers(info, variable), None)
    if initializer is None:
        return "", {}
    name = initializer if isinstance(initializer, str) else getattr(initializer, "__name__", type(initializer).__name__)
    starts = spec.initial_values(info.layer) if spec.initial_values else {}
    words = "".join(f", {block} at {value:g}" for block, value in starts.items())
    return name + words, _initializer_config(initializer, info, starts)


def _initializer_config(initializer: Any, info: VariableInfo, initial_values: Mapping[str, float]) -> dict[str, Any]:
    """Return the class and configuration of one of Keras' own initializers; a custom initializer may do anything."""
    if not type(initializer).__module__.startswith("keras.") or not hasattr(initializer, "get_config"):
        return {}
    known = vars(initializer) | initializer.get_config()  # the config of Identity omits its gain
    config = {name: value for name, value in known.items() if name[0] != "_" and isinstance(value, (int, float, str, list))}
    if _has_fans(initializer):
        if initial_values:
            return {}  # it fills each block separately, with fans that differ from those of the whole
        config |= _fan_axes(initializer, info)
    return {"class_name": type(initializer).__name__, "config": config} | (
        {"starts": dict(initial_values)} if initial_values else {}
    )


def _has_fans(initializer: Any) -> bool:
    return all(hasattr(initializer, name) for name in ("scale", "mode", "distribution"))


def _fan_axes(initializer: Any, info: VariableInfo) -> dict[str, list[int]]:
    """Return the axes that EinsumDense passes to its kernel's initializer, if this version of Keras does so."""
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
