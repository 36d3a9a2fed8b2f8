"""What a weight means: asks the table of roles, and gives a plain answer where the table has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from weight_explorer.catalog.nodes import Axis, NotTrainable
from weight_explorer.catalog.roles import FOLDED, KEPT, PARTS, ROWS
from weight_explorer.catalog.roles.dense import einsum_fan_axes
from weight_explorer.catalog.roles.terms import AxisRow, Kept, Part, Row, setting


@dataclass(slots=True, eq=False)
class Subject:
    """A variable as the table is asked for it.

    `trainable` says whether training by gradients may move it.
    `places` are the names of the way it is held by the layer above it: "MultiHeadAttention.query_dense".
    `frozen_by` is the outermost layer above, or the layer itself, that has `trainable = False`: its name, or "";
    `is_frozen_here` says that it is the layer itself.
    """

    layer: Any
    attribute: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool
    places: tuple[str, ...]
    frozen_by: str
    is_frozen_here: bool


@lru_cache
def _keras_names(cls: type) -> tuple[str, ...]:
    return tuple(base.__name__ for base in cls.__mro__ if base.__module__.partition(".")[0] == "keras")


def class_names(layer: Any) -> tuple[str, ...]:
    """Names of Keras' own classes among the layer's class and its bases, nearest first: so the tables are asked.

    A user's own class that happens to be called `Dense` is none of them.
    """
    return _keras_names(type(layer))


def is_folded(parent: Any, attribute: str) -> bool:
    """Say whether a layer stands in the tree for the one that it holds under this attribute."""
    return any(FOLDED.get(name) == attribute for name in class_names(parent))


def places_of(parent: Any, attribute: str) -> tuple[str, ...]:
    """Return the names under which the table has the layer that a parent holds under this attribute."""
    return _places(type(parent), attribute)


@lru_cache
def _places(cls: type, attribute: str) -> tuple[str, ...]:
    return tuple(f"{name}.{attribute}" for name in _keras_names(cls))


def part_of(parent: Any, attribute: str) -> Part | None:
    """Return what a layer is to the one that holds it, such as the forward direction of a Bidirectional."""
    return next((PARTS[name, attribute] for name in class_names(parent) if (name, attribute) in PARTS), None)


def kept_by(layer: Any) -> Kept | None:
    """Return what a layer keeps that is no variable, such as a vocabulary."""
    return next((KEPT[name] for name in class_names(layer) if name in KEPT), None)


def row_for(subject: Subject) -> tuple[Row, tuple[Axis, ...]]:
    """Find the first row that is true of a variable, and name its axes; plainly where there is none."""
    for row in _candidates(subject.places + class_names(subject.layer), subject.attribute):
        axes = _axes(row, subject)
        if axes is not None:
            return row, axes
    name = type(subject.layer).__name__.replace("{", "{{").replace("}", "}}")
    return Row(f"A weight that {name} made for itself."), _plain_axes(subject.shape)


@cache
def _candidates(names: tuple[str, ...], attribute: str) -> tuple[Row, ...]:
    found = (ROWS.get((name, attribute), ()) for name in names)
    return tuple(row for rows in found for row in ((rows,) if isinstance(rows, Row) else rows))


def _axes(row: Row, subject: Subject) -> tuple[Axis, ...] | None:
    """Name the axes as a row has them, or return None where the row is not true of this weight."""
    if row.when and not row.when(subject.layer):
        return None
    if row.axes is None:
        return _plain_axes(subject.shape)
    rows = row.axes(subject.layer, subject.shape) if callable(row.axes) else row.axes
    if len(rows) != len(subject.shape):
        return None
    if not all(axis.fits(size, subject.layer) for axis, size in zip(rows, subject.shape, strict=True)):
        return None
    return tuple(_axis(axis, size) for axis, size in zip(rows, subject.shape, strict=True))


@cache
def _axis(row: AxisRow, size: int) -> Axis:
    return row.of_size(size)


def _plain_axes(shape: tuple[int, ...]) -> tuple[Axis, ...]:
    return tuple(Axis(f"axis {i}", size) for i, size in enumerate(shape))


def role_of(row: Row, attribute: str) -> str:
    """Return the role: the row's own, or the attribute's name in words."""
    return row.role or attribute.replace("_", " ").strip()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a weight does not train: when that is so, as a code, in a few words, and in a sentence."""

    code: Callable[[Row], NotTrainable]
    holds: Callable[[Subject, Row], bool]
    words: Callable[[Subject, Row], str]
    sentence: Callable[[Subject, Row], str]


def _is_whole(subject: Subject) -> bool:
    return subject.dtype.startswith(("int", "uint", "bool"))


def _is_adapted(subject: Subject, row: Row) -> bool:  # noqa: ARG001 - one signature for all
    return bool(setting(subject.layer, "lora_enabled")) and subject.attribute in ("kernel", "embeddings")


# The first that holds is given: its kind, whole numbers, the layer, a parent, what was done to the layer, the variable itself.
REASONS = (
    Reason(
        lambda row: row.state.code if row.state else NotTrainable.STATE,
        lambda _, row: row.state is not None,
        lambda _, row: row.state.word if row.state else "",
        lambda _, row: row.state.sentence if row.state else "",
    ),
    Reason(
        lambda _: NotTrainable.QUANTIZED,
        lambda subject, _: _is_whole(subject) and bool(setting(subject.layer, "quantization_mode")),
        lambda subject, _: f"quantized to {subject.layer.quantization_mode}",
        lambda *_: "It does not train: it is quantized, and whole numbers have no gradient.",
    ),
    Reason(
        lambda _: NotTrainable.WHOLE_NUMBERS,
        lambda subject, _: _is_whole(subject),
        lambda *_: "whole numbers",
        lambda *_: "It does not train: it holds whole numbers, which have no gradient.",
    ),
    Reason(
        lambda _: NotTrainable.LAYER_FROZEN,
        lambda subject, _: subject.is_frozen_here,
        lambda *_: "its layer is frozen",
        lambda *_: "It does not train: its layer is frozen (trainable = False).",
    ),
    Reason(
        lambda _: NotTrainable.PARENT_FROZEN,
        lambda subject, _: bool(subject.frozen_by),
        lambda subject, _: f"{subject.frozen_by} above it is frozen",
        lambda subject, _: f"It does not train: {subject.frozen_by!r}, which it is a part of, is frozen (trainable = False).",
    ),
    Reason(
        lambda _: NotTrainable.LORA,
        _is_adapted,
        lambda *_: "frozen by enable_lora",
        lambda *_: "It does not train: enable_lora() has frozen it, and training moves the two small LoRA matrices instead.",
    ),
    Reason(
        lambda _: NotTrainable.VARIABLE,
        lambda *_: True,
        lambda *_: "the variable itself",
        lambda *_: "It does not train: the variable itself has trainable = False.",
    ),
)


def training_of(subject: Subject, row: Row) -> tuple[NotTrainable | None, str, str]:
    """Say what training does to a weight: `(None, "", sentence)`, or why it does nothing: a code, a few words, a sentence."""
    if subject.trainable:
        return None, "", row.trains
    reason = next(reason for reason in REASONS if reason.holds(subject, row))
    return reason.code(row), reason.words(subject, row), reason.sentence(subject, row)


def sentence_of(row: Row, axes: tuple[Axis, ...]) -> str:
    """Say what one row, column or filter of a weight is."""
    return row.sentence.format(**{axis.name: axis.block_size for axis in axes})


def initializer_of(subject: Subject, variable: Any, row: Row) -> tuple[str, dict[str, Any]]:
    """Name a weight's initializer, with what the layer does beyond it, and return its configuration for `Weight`.

    Nothing of whole numbers, which are computed.
    """
    initializer = None if _is_whole(subject) else next(_initializers(subject, variable), None)
    if initializer is None:
        return "", {}
    name = initializer if isinstance(initializer, str) else getattr(initializer, "__name__", type(initializer).__name__)
    starts = row.starts(subject.layer) if row.starts else {}
    words = "".join(f", {block} at {value:g}" for block, value in starts.items())
    return name + words, _initializer_config(initializer, subject, starts)


def _initializer_config(initializer: Any, subject: Subject, starts: Mapping[str, float]) -> dict[str, Any]:
    """Return the class and configuration of an initializer of Keras' own; anybody else's may do anything."""
    if not type(initializer).__module__.startswith("keras.") or not hasattr(initializer, "get_config"):
        return {}
    known = vars(initializer) | initializer.get_config()  # Identity leaves its gain out
    config = {name: value for name, value in known.items() if name[0] != "_" and isinstance(value, (int, float, str, list))}
    if _has_fans(initializer):
        if starts:
            return {}  # it fills each block by itself, whose fans are not those of the whole
        config |= _fan_axes(initializer, subject)
    return {"class_name": type(initializer).__name__, "config": config} | ({"starts": dict(starts)} if starts else {})


def _has_fans(initializer: Any) -> bool:
    return all(hasattr(initializer, name) for name in ("scale", "mode", "distribution"))


def _fan_axes(initializer: Any, subject: Subject) -> dict[str, list[int]]:
    """Return the axes that EinsumDense gives to its kernel's initializer, where this Keras does so."""
    is_einsum = "EinsumDense" in class_names(subject.layer) and subject.attribute in ("kernel", "_kernel")
    is_open = getattr(initializer, "input_axes", ()) is None or getattr(initializer, "output_axes", ()) is None
    return einsum_fan_axes(subject.layer) if is_einsum and is_open else {}


def _initializers(subject: Subject, variable: Any) -> Iterator[Any]:
    attribute = subject.attribute
    for name in (f"{attribute}_initializer", f"{attribute.removesuffix('_kernel')}_initializer"):
        if (found := setting(subject.layer, name)) is not None:
            yield found
    if (found := setting(variable, "initializer")) is not None:
        yield found
