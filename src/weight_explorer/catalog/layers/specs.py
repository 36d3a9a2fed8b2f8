"""The types that the rows of the table consist of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weight_explorer.catalog.schema import Axis, Block, NotTrainableReason

DEFAULT_TRAINING_EFFECT = "Training may change every number of it."
PACKED_NOTE = "Two numbers of 4 bits share each byte, so that what is shown here are bytes and not the weights themselves."

# The attribute name of random states in the table, whatever name a layer uses for its generator.
SEED_ATTRIBUTE = "seed_generator_state"


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """A named part of an axis and what it does, as in "forget gate", "decides how much ..."."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class AxisSpec:
    """An axis as described in the table.

    Attributes:
        name: Keras' own term.
        entry_name: What one entry is, in the singular.
        meaning: What the axis stands for, in a few words.
        side: Its role in the layer: "in" is summed over, "out" remains in the output, "window" slides.
        blocks: Names of equal slices of the axis.
        block_kind: What one block is, such as "gate".
        block_meaning: What each block does, if every entry is a block, whatever their number.
        is_configured: Whether the layer's configuration has a number with this name, which must match the size.
    """

    name: str
    entry_name: str
    meaning: str = ""
    side: str = ""
    blocks: tuple[BlockSpec, ...] = ()
    block_kind: str = ""
    block_meaning: str = ""
    is_configured: bool = False

    def to_axis(self, size: int) -> Axis:
        """Return the axis of an actual weight; blocks that do not divide its size evenly are omitted."""
        names = (
            tuple(BlockSpec(f"{self.entry_name} {i}", self.block_meaning) for i in range(size))
            if self.block_meaning
            else self.blocks
        )
        step = size // len(names) if names and size % len(names) == 0 else 0
        blocks = tuple(Block(row.name, i * step, (i + 1) * step, row.meaning) for i, row in enumerate(names) if step)
        return Axis(
            self.name,
            size,
            self.meaning,
            blocks,
            entry_name=self.entry_name,
            block_kind=self.block_kind if blocks else "",
            side=self.side,
        )

    def matches(self, size: int, layer: Any) -> bool:
        """Return whether the size matches the layer's configuration."""
        if not self.is_configured:
            return True
        configured = safe_getattr(layer, self.name)
        return type(configured) is not int or configured * max(len(self.blocks), 1) == size


def safe_getattr(owner: Any, name: str) -> Any:
    """Return an attribute, or None if it does not exist or is a property that raises an error."""
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - a custom property may raise anything; the rest of the model is still described
        return None


AxisSpecs = tuple[AxisSpec, ...] | Callable[[Any, tuple[int, ...]], tuple[AxisSpec, ...]]


@dataclass(frozen=True, slots=True)
class NotTrainableSpec:
    """The reason why gradients never change a weight of this kind: a short text, a sentence, and a code."""

    short_text: str
    text: str
    reason: NotTrainableReason = NotTrainableReason.LAYER_STATE


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """What one kind of weight means.

    Attributes:
        meaning: What one row, column, filter or number is. It may contain sizes by the name of their axis, as in `{units}`.
        axes: The axes, or a function that returns them for a layer and a shape. None gives plain axis names.
        role: The role; "" uses the attribute's name in words.
        training_effect: What training does to it.
        not_trainable: Why gradients do not change this kind of weight, if they do not.
        initial_values: What the layer changes after the initializer has run: maps a block to its start value.
        applies_to: A condition on the layer for the row to apply; None for all layers.
    """

    meaning: str
    axes: AxisSpecs | None = None
    role: str = ""
    training_effect: str = DEFAULT_TRAINING_EFFECT
    not_trainable: NotTrainableSpec | None = None
    initial_values: Callable[[Any], Mapping[str, float]] | None = None
    applies_to: Callable[[Any], bool] | None = None


@dataclass(frozen=True, slots=True)
class SublayerSpec:
    """A sublayer with a special role in its wrapper: its name, what kind of sublayer it is, and a sentence."""

    name: str
    kind: str
    description: str | Callable[[Any], str] = ""

    def describe(self, parent: Any) -> str:
        """Return a sentence that says what the sublayer is for."""
        return self.description(parent) if callable(self.description) else self.description


@dataclass(frozen=True, slots=True)
class NonWeightState:
    """What a layer keeps besides variables: how to count it, the Python that reads it, and a sentence with `{count}`."""

    count: Callable[[Any], int | None]
    expression: str
    note: str


WeightSpecs = dict[tuple[str, str], WeightSpec | tuple[WeightSpec, ...]]
SublayerSpecs = Mapping[tuple[str, str], SublayerSpec]

INPUT = AxisSpec("input_dim", "input", "the features that come in", "in")
UNITS = AxisSpec("units", "unit", "the units of the layer", "out", is_configured=True)
CHANNELS = AxisSpec("channels", "channel", "the channels, one number for each", "out")
FEATURES = AxisSpec("features", "feature", "the features, one number for each", "out")


def input_axes(axes: Any, *, single: AxisSpec) -> tuple[AxisSpec, ...]:
    """Name axes after the input axes of the layer that they correspond to; a single axis gets its usual name."""
    numbers = (axes,) if isinstance(axes, int) else tuple(axes or ())
    if len(numbers) == 1:
        return (single,)
    return tuple(AxisSpec(f"input_axis_{number}", "entry", f"axis {number} of the input") for number in numbers)


def is_quantized_to(*modes: str) -> Callable[[Any], bool]:
    """Return a condition that checks whether a layer is quantized in one of these modes."""
    return lambda layer: getattr(layer, "quantization_mode", None) in modes
