"""The terms that the rows of the table are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weight_explorer.catalog.schema import Axis, Block, NotTrainableReason

DEFAULT_TRAINING_EFFECT = "Training may change every number of it."
PACKED_NOTE = "Two numbers of 4 bits share each byte, so that what is shown here are bytes and not the weights themselves."

# The attribute under which the table has random states, whatever a layer calls its generator.
SEED_ATTRIBUTE = "seed_generator_state"


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """A named part of an axis and what it does, as in "forget gate", "decides how much ..."."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class AxisSpec:
    """An axis in the table.

    Attributes:
        name: Keras' own term.
        entry_name: What one entry is, in the singular.
        meaning: What the axis stands for, in a few words.
        side: What it is to the layer: "in" is summed over, "out" stays, "window" is moved along.
        blocks: Names of equal slices of it.
        block_kind: What the blocks are called together.
        block_meaning: Where there is one block for each entry, however many there are: what such a block does.
        is_configured: Whether the layer's configuration has this term as a number, which must agree.
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
        """Make the axis of a real weight; blocks that do not divide the size are left out."""
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
        """Say whether the size is what the layer's configuration says."""
        if not self.is_configured:
            return True
        configured = safe_getattr(layer, self.name)
        return type(configured) is not int or configured * max(len(self.blocks), 1) == size


def safe_getattr(owner: Any, name: str) -> Any:
    """Return an attribute, or None where there is none, or where it is a property of anybody's that raises."""
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - whatever a foreign property does, the rest of the model is told
        return None


AxisSpecs = tuple[AxisSpec, ...] | Callable[[Any, tuple[int, ...]], tuple[AxisSpec, ...]]


@dataclass(frozen=True, slots=True)
class NotTrainableSpec:
    """Why gradients never move a weight of this kind: in a word, in a sentence, and as a code."""

    short_text: str
    text: str
    reason: NotTrainableReason = NotTrainableReason.LAYER_STATE


@dataclass(frozen=True, slots=True)
class WeightSpec:
    """What one kind of weight means.

    Attributes:
        meaning: What one row, column, filter or number is. It may use sizes by the name of their axis, as in `{units}`.
        axes: The axes, or what makes them from the layer and the shape. None names them plainly.
        role: The role; "" takes the attribute's name in words.
        training_effect: What training does to it.
        not_trainable: Why gradients leave it alone, where its kind says so.
        initial_values: What the layer does to a fresh weight beyond its initializer: from block to the number it starts at.
        applies_to: Of which layers the row is true; None for all.
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
    """A layer that a wrapper holds under an attribute with a meaning: its name, what such parts are, and a sentence."""

    name: str
    kind: str
    description: str | Callable[[Any], str] = ""

    def describe(self, parent: Any) -> str:
        """Say what the part is for."""
        return self.description(parent) if callable(self.description) else self.description


@dataclass(frozen=True, slots=True)
class NonWeightState:
    """What a layer keeps that is no variable: how to count it, the Python that reads it, and a sentence with `{count}`."""

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
    """Name axes after those of the layer's input that they stand for; a single one by what it usually is."""
    numbers = (axes,) if isinstance(axes, int) else tuple(axes or ())
    if len(numbers) == 1:
        return (single,)
    return tuple(AxisSpec(f"input_axis_{number}", "entry", f"axis {number} of the input") for number in numbers)


def is_quantized_to(*modes: str) -> Callable[[Any], bool]:
    """Make the condition that a layer is quantized in one of these ways."""
    return lambda layer: getattr(layer, "quantization_mode", None) in modes
