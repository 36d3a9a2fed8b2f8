"""The types of the catalog: plain frozen data without Keras objects, safe for any module to hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from weight_explorer.catalog.lookup import WeightDict

IndexTuple = tuple[slice | int, ...]

# The role of the state of a random number generator, which is a variable but not a weight.
SEED_STATE = "seed state"


class NotTrainableReason(StrEnum):
    """Why training by gradients cannot change a weight."""

    MOVING_STATISTIC = "moving statistic"
    LAYER_STATE = "state"  # what a layer keeps besides weights: seeds, counts, vocabularies
    QUANTIZED = "quantized"
    INTEGER_DTYPE = "whole numbers"
    LAYER_FROZEN = "layer frozen"
    PARENT_FROZEN = "parent frozen"
    LORA = "lora"
    VARIABLE = "variable"  # the variable itself has `trainable = False`

    @property
    def is_frozen(self) -> bool:
        """Whether the weight would train if its layer, or a layer above, did not have `trainable = False`."""
        return self in (NotTrainableReason.LAYER_FROZEN, NotTrainableReason.PARENT_FROZEN)


def enclosing_paths(path: str) -> Iterator[str]:
    """Yield the paths of the layers that enclose a layer, outermost first, ending with its own path.

    >>> list(enclosing_paths("m/base/conv"))
    ['m', 'm/base', 'm/base/conv']
    """
    parts = path.split("/")
    yield from ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


@dataclass(frozen=True, slots=True)
class Block:
    """A named slice `start:stop` along an axis, such as the forget gate of an LSTM, and what it does."""

    name: str
    start: int
    stop: int
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of a weight.

    Attributes:
        name: Keras' own term, such as `input_dim` or `units`.
        size: Number of entries.
        meaning: What the axis stands for, in a few words.
        blocks: Named slices that tile the axis, such as the gates of an LSTM or the heads of an attention layer.
        labels: A name for each entry, from `WeightExplorer(labels=...)`; empty if none were given.
        entry_name: What one entry is, in the singular: "input", "unit", "filter".
        block_kind: What one block is: "gate", "head".
        side: "in" if the layer sums over the axis, "out" if the axis remains in the output, "window" if it slides, else "".
    """

    name: str
    size: int
    meaning: str = ""
    blocks: tuple[Block, ...] = ()
    labels: tuple[str, ...] = ()
    entry_name: str = ""
    block_kind: str = ""
    side: str = ""

    @property
    def block_size(self) -> int:
        """Number of entries in one block, such as the units of each gate; the size of the axis if it has no blocks."""
        return self.blocks[0].stop - self.blocks[0].start if self.blocks else self.size

    def block_label(self, block: Block) -> str:
        """Return the display name of a block, with the user's own label if each block is one entry."""
        return f"{block.name} ({self.labels[block.start]})" if self.labels and not self.is_split else block.name

    @property
    def shape_label(self) -> str:
        """How a shape shows this axis: `input_dim`, or `4 gates x 20 units` if it is split into blocks."""
        return f"{self._blocks_text} x {self.block_size} {self.name}" if self.is_split else self.name

    @property
    def description(self) -> str:
        """The axis in plain words: `100 inputs`, `4 gates x 20 units`."""
        inner = _format_count(self.block_size if self.is_split else self.size, self.entry_name or "entry")
        return f"{self._blocks_text} x {inner}" if self.is_split else inner

    @property
    def is_split(self) -> bool:
        """Whether every block repeats the same entries, as gates repeat units. Heads are entries themselves."""
        return bool(self.blocks) and (self.block_kind != self.entry_name or self.block_size > 1)

    @property
    def _blocks_text(self) -> str:
        return _format_count(len(self.blocks), self.block_kind)


def _format_count(number: int, noun: str) -> str:
    """Format a count in words: `1 unit`, `2 units`, `3 entries`."""
    return f"{number} {noun if number == 1 else pluralize(noun)}"


def pluralize(noun: str) -> str:
    """Return the plural of a noun used by the catalog."""
    return {"entry": "entries", "bias": "biases"}.get(noun, f"{noun}s")


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable of the model with its explanation, or a slice of one made by `slice_blocks`.

    Attributes:
        key: Unique, stable and readable: the Keras path, with a number appended if Keras repeats it.
        role: `"kernel"`, `"recurrent"`, `"bias"`, or the weight's own kind in words such as `"moving mean"`.
        name: The attribute's name in Keras, such as `recurrent_kernel`.
        layer: Path of the first tree node that holds the weight.
        shape: Its shape.
        dtype: Its data type, as Keras names it.
        axes: One `Axis` for each dimension.
        trainable: Whether training may change it.
        not_trainable_text: Why it is not trainable, in a few words; `""` if it is trainable.
        not_trainable: The same reason as a code; None if it is trainable.
        initializer: The initializer's class name, or `""` if unknown.
        initializer_config: For one of Keras' own initializers, its `class_name` and `config` in Keras' format, and in `starts`
            the blocks that start at another number; empty if unknown. Never modified.
        shared_by: Paths of all tree nodes that hold the same variable.
        expression: Python that evaluates to the variable, with `model` in scope (for a slice, to its values in NumPy).
        meaning: What one row, one column or one filter is.
        training_effect: What training does to it, or why training does not change it.
        location_note: Additional information about its location, such as the direction it belongs to.
        source_key: For a slice, the key of the whole weight; `""` for a whole weight.
        index: For a slice, the NumPy index into the whole weight.
        source_shape: For a slice, the shape of the whole weight.
        get_weights_index: Its position in the list returned by its layer's `get_weights()`; None if it is not in the list,
            such as a random state. A slice has the position of the whole weight.
    """

    key: str
    role: str
    name: str
    layer: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[Axis, ...]
    trainable: bool = True
    not_trainable_text: str = ""
    initializer: str = ""
    shared_by: tuple[str, ...] = ()
    expression: str = ""
    meaning: str = ""
    training_effect: str = ""
    location_note: str = ""
    source_key: str = ""
    index: IndexTuple = field(default=(), hash=False)  # Python 3.11 cannot hash a slice
    source_shape: tuple[int, ...] = ()
    initializer_config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    get_weights_index: int | None = None
    not_trainable: NotTrainableReason | None = None

    def __str__(self) -> str:
        return "\n".join(
            filter(None, (f"{self.key}: {self.shape_text}", self.explanation, self.expression, self.get_weights_text))
        )

    def select_blocks(self, *blocks: str) -> Weight:
        """Return the slice of named blocks, such as the forget gate.

        Read its values with `history.values(part.variable_key, part.index)`.

        Raises:
            ValueError: The weight has no block with that name; the message lists the available blocks.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((7, 3)), keras.layers.LSTM(2, name="lstm")], name="reader")
        >>> kernel = WeightExplorer(model).catalog.weights["reader/lstm/lstm_cell/kernel"].select_blocks("forget gate")
        >>> kernel.shape, kernel.expression
        ((3, 2), 'model.get_layer("lstm").cell.kernel.numpy()[:, 2:4]')
        """
        names = [block.name for axis in self.axes for block in axis.blocks]
        unknown = [name for name in blocks if name not in names]
        if unknown:
            raise ValueError(f"There is no block {unknown[0]!r} of {self.key!r}. There are: {', '.join(names) or 'none'}.")
        return slice_blocks(self, *blocks)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def variable_key(self) -> str:
        """Key of the variable in the history."""
        return self.source_key or self.key

    @property
    def variable_shape(self) -> tuple[int, ...]:
        """Shape of the variable."""
        return self.source_shape if self.source_key else self.shape

    @property
    def explanation(self) -> str:
        """A few plain sentences: what the shape consists of, what one row or column is, and what training does to it."""
        return " ".join(
            filter(None, (describe_shape(self.shape, self.axes), self.meaning, self.training_effect, self.location_note))
        )

    @property
    def get_weights_text(self) -> str:
        """Its position in `get_weights()`, such as `get_weights()[0] of dense`; empty if it is not in the list.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="norm")], name="tiny")
        >>> WeightExplorer(model).catalog.weights["norm/moving_mean"].get_weights_text
        'get_weights()[2] of norm'
        """
        if self.get_weights_index is None:
            return ""
        part = f"[{format_index(self.index)}]" if self.index else ""
        return f"get_weights()[{self.get_weights_index}]{part} of {self.layer.rpartition('/')[2]}"

    @property
    def shape_text(self) -> str:
        """The shape with its meaning, such as `(100, 80) = (input_dim, 4 gates x 20 units)`."""
        if not self.shape:
            return "() = a single number"
        comma = "," if len(self.shape) == 1 else ""
        meaning = ", ".join(axis.shape_label for axis in self.axes)
        return f"{self.shape} = ({meaning}{comma})"


def describe_shape(shape: tuple[int, ...], axes: tuple[Axis, ...]) -> str:
    """Describe a shape in plain words.

    >>> describe_shape((4, 3), (Axis("input_dim", 4, entry_name="input"), Axis("units", 3, entry_name="unit")))
    '(4, 3) is 4 inputs by 3 units.'
    """
    return f"{shape} is {' by '.join(axis.description for axis in axes) or 'a single number'}."


def slice_blocks(weight: Weight, *blocks: str) -> Weight:
    """Return the slice of a weight that belongs to the named blocks, or the weight itself if it has none of them.

    A block with one entry, such as one head, removes its axis, as indexing with a number does.

    >>> gates = (Block("input gate", 0, 2), Block("forget gate", 2, 4))
    >>> axes = (Axis("input_dim", 3), Axis("units", 4, blocks=gates, entry_name="unit", block_kind="gate"))
    >>> whole = Weight("lstm/kernel", "kernel", "kernel", "lstm", (3, 4), "float32", axes, expression="cell.kernel")
    >>> forget = slice_blocks(whole, "forget gate")
    >>> forget.key, forget.shape, forget.expression
    ('lstm/kernel[forget gate]', (3, 2), 'cell.kernel.numpy()[:, 2:4]')
    """
    chosen = [next((block for block in axis.blocks if block.name in blocks), None) for axis in weight.axes]
    names = [block.name for block in chosen if block]
    if not names:
        return weight
    pairs = list(zip(weight.axes, chosen, strict=True))
    axes = tuple(
        _slice_axis(axis, block) if block else axis for axis, block in pairs if not block or block.stop - block.start > 1
    )
    index = _strip_trailing_slices(tuple(_block_index(block) if block else slice(None) for block in chosen))
    return replace(
        weight,
        key=f"{weight.key}[{', '.join(names)}]",
        shape=tuple(axis.size for axis in axes),
        axes=axes,
        initializer=_block_initializer(weight, names),
        expression=f"{weight.expression}.numpy()[{format_index(index)}]",
        meaning=_block_meaning(weight, axes, [block for block in chosen if block]),
        source_key=weight.key,
        index=index,
        source_shape=weight.shape,
        initializer_config=_block_initializer_config(weight, names),
    )


def _block_initializer(weight: Weight, names: list[str]) -> str:
    """Return the initializer text for a block. Details after the initializer's name apply only to the block they name."""
    name, _, beyond = weight.initializer.partition(", ")
    return weight.initializer if any(beyond.startswith(block) for block in names) else name


def _block_initializer_config(weight: Weight, names: list[str]) -> Mapping[str, Any]:
    """Return a constant initializer for a block with its own start value; for other blocks, the initializer of the rest."""
    config = {name: value for name, value in weight.initializer_config.items() if name != "starts"}
    starts = weight.initializer_config.get("starts", {})
    value = next((starts[name] for name in names if name in starts), None)
    return config if value is None else {"class_name": "Constant", "config": {"value": value}}


def _block_meaning(weight: Weight, axes: tuple[Axis, ...], blocks: list[Block]) -> str:
    names = ", ".join(block.name for block in blocks)
    meanings = " ".join(block.meaning for block in blocks if block.meaning)
    along = "; ".join(f"{axis.name}: {axis.meaning}" for axis in axes if axis.meaning)
    return " ".join(filter(None, (f"Part of {weight.shape}: {names}.", meanings, f"Along {along}." if along else "")))


def _slice_axis(axis: Axis, block: Block) -> Axis:
    labels = axis.labels[block.start : block.stop]
    return Axis(
        axis.name,
        block.stop - block.start,
        f"the {block.name} of each {axis.entry_name}",
        (),
        labels,
        axis.entry_name,
        "",
        axis.side,
    )


def _block_index(block: Block) -> slice | int:
    return slice(block.start, block.stop) if block.stop - block.start > 1 else block.start


def _strip_trailing_slices(index: IndexTuple) -> IndexTuple:
    last = max(i for i, item in enumerate(index) if item != slice(None))
    return index[: last + 1]


def format_index(index: IndexTuple) -> str:
    """Format an index as Python writes it, such as `:, 20:40`."""
    return ", ".join(str(item) if isinstance(item, int) else _format_slice(item) for item in index)


def _format_slice(item: slice) -> str:
    return ":" if item == slice(None) else f"{item.start}:{item.stop}"


@dataclass(frozen=True, slots=True)
class LayerNode:
    """A row of the layer tree. A layer that the model uses in two places has two nodes with the same weights.

    `parent_role` and `parent_role_kind` describe its role in its wrapper, such as "forward", a "direction". `state_note`
    describes what it keeps besides weights, such as a vocabulary; `expression` is Python that reads that state, or the layer
    itself if there is none. `preceding_layer` is the path of the nearest layer with weights whose output is this layer's only
    input, if the model has a graph that shows it.
    """

    path: str
    name: str
    class_name: str
    num_params: int = 0
    built: bool = True
    frozen: bool = False
    shared: bool = False
    parent_role: str = ""
    parent_role_kind: str = ""
    state_note: str = ""
    expression: str = ""
    weights: tuple[str, ...] = ()
    children: tuple[LayerNode, ...] = ()
    preceding_layer: str = ""

    def walk(self, level: int = 1) -> Iterator[tuple[int, LayerNode]]:
        """Yield `(level, node)` for this node and all nodes below it, from top to bottom.

        >>> [(level, node.path) for level, node in LayerNode("net", "net", "Sequential").walk()]
        [(1, 'net')]
        """
        yield level, self
        for child in self.children:
            yield from child.walk(level + 1)


@dataclass(frozen=True, repr=False)
class Catalog:
    """Everything in a model: `root`, the tree of layers, and `weights`, a mapping from key to `Weight`.

    `weights[...]` accepts any unique ending of a key, such as `dense/kernel`.

    `variables` maps the same keys to the live Keras variables; only the recorder reads them. `layers` maps paths to the live
    layers.
    """

    root: LayerNode
    weights: Mapping[str, Weight]
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)
    layers: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", MappingProxyType(WeightDict(self.weights)))

    def __repr__(self) -> str:
        counts = f"{len(self.nodes) - 1} layers and {len(self.weights)} weights"
        return f"<Catalog of {self.root.name!r}: {counts}; .root is the tree of layers, .weights goes from key to Weight>"

    @cached_property
    def is_fully_built(self) -> bool:
        """Whether every layer is built, so that no more weights will appear."""
        return all(node.built for node in self.nodes.values())

    @cached_property
    def nodes(self) -> dict[str, LayerNode]:
        """All nodes by path, from top to bottom."""
        return {node.path: node for _, node in self.root.walk()}
