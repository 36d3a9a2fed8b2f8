"""The types of the catalog: plain frozen data that any part may hold, without Keras."""

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

# The role of what random numbers are made from: it is a variable, but no weight.
SEED_STATE = "seed state"


class NotTrainableReason(StrEnum):
    """Why training by gradients cannot move a weight."""

    MOVING_STATISTIC = "moving statistic"
    LAYER_STATE = "state"  # what a layer keeps that is no weight: seeds, counts, vocabularies
    QUANTIZED = "quantized"
    INTEGER_DTYPE = "whole numbers"
    LAYER_FROZEN = "layer frozen"
    PARENT_FROZEN = "parent frozen"
    LORA = "lora"
    VARIABLE = "variable"  # the variable itself has `trainable = False`

    @property
    def is_frozen(self) -> bool:
        """Whether the weight would train but for `trainable = False` of its layer, or of one above."""
        return self in (NotTrainableReason.LAYER_FROZEN, NotTrainableReason.PARENT_FROZEN)


def enclosing_paths(path: str) -> Iterator[str]:
    """Yield the paths of the layers that a layer is in, the outermost first, and its own last.

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
        blocks: Named slices that tile it, such as the gates of an LSTM or the heads of an attention.
        labels: A name for each entry, as given to `WeightExplorer(labels=...)`; empty where none were given.
        entry_name: What one entry is, in the singular: "input", "unit", "filter".
        block_kind: What the blocks are called together: "gate", "head".
        side: "in" where it is summed over, "out" where it stays, "window" where it is moved along, else "".
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
        """Number of entries in one block, such as the units of each gate; without blocks, in all."""
        return self.blocks[0].stop - self.blocks[0].start if self.blocks else self.size

    def block_label(self, block: Block) -> str:
        """Name a block as the user reads it: where blocks are the entries, with the user's own name for it."""
        return f"{block.name} ({self.labels[block.start]})" if self.labels and not self.is_split else block.name

    @property
    def shape_label(self) -> str:
        """What stands for this axis in a shape: `input_dim`, or `4 gates x 20 units` where it is made of blocks."""
        return f"{self._blocks_text} x {self.block_size} {self.name}" if self.is_split else self.name

    @property
    def description(self) -> str:
        """The same in plain words: `100 inputs`, `4 gates x 20 units`."""
        inner = _format_count(self.block_size if self.is_split else self.size, self.entry_name or "entry")
        return f"{self._blocks_text} x {inner}" if self.is_split else inner

    @property
    def is_split(self) -> bool:
        """Whether blocks hold the same entries again and again, as gates hold units; heads are entries themselves."""
        return bool(self.blocks) and (self.block_kind != self.entry_name or self.block_size > 1)

    @property
    def _blocks_text(self) -> str:
        return _format_count(len(self.blocks), self.block_kind)


def _format_count(number: int, noun: str) -> str:
    """Count in words: `1 unit`, `2 units`, `3 entries`."""
    return f"{number} {noun if number == 1 else pluralize(noun)}"


def pluralize(noun: str) -> str:
    """Return the plural of a noun that the catalog uses."""
    return {"entry": "entries", "bias": "biases"}.get(noun, f"{noun}s")


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable of the model, explained; or a slice of one, made by `slice_blocks`.

    Attributes:
        key: Unique, stable and readable: the Keras path, made unique where Keras is not.
        role: `"kernel"`, `"recurrent"`, `"bias"`, or the weight's own kind in words such as `"moving mean"`.
        name: The attribute's name in Keras, such as `recurrent_kernel`.
        layer: Path of the tree node that holds it first.
        shape: Its shape.
        dtype: Its data type, as Keras names it.
        axes: One `Axis` for each dimension.
        trainable: Whether training may change it.
        not_trainable_text: Why it is not trainable, in a few words; `""` where it is.
        not_trainable: The same as a code; None where it is trainable.
        initializer: The initializer's class name, or `""` where none is known.
        initializer_config: Of an initializer of Keras' own its `class_name` and `config`, as Keras has them, and in `starts`
            the blocks that start at another number; empty where that is not known. Never changed.
        shared_by: Paths of all tree nodes that hold this very variable.
        expression: Python that evaluates, with `model` in scope, to this very variable (of a slice, to its values in NumPy).
        meaning: What one row, one column or one filter is.
        training_effect: What training does to it, or why it does nothing.
        location_note: What else is to be said of where it stands, such as the direction it belongs to.
        source_key: Of a slice, the key of the whole weight; `""` for a whole one.
        index: Of a slice, what NumPy is to be indexed with.
        source_shape: Of a slice, the shape of the whole weight.
        get_weights_index: Where it stands in what its layer's `get_weights()` returns; None of what is not among them, such as
            a random state. A slice has that of the whole.
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
        """Return the slice of named blocks, such as the forget gate; its values are `history.values(part.whole, part.index)`.

        Raises:
            ValueError: The weight has no block of that name; the message lists those it has.

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
        """Key of the variable, under which the history has it."""
        return self.source_key or self.key

    @property
    def variable_shape(self) -> tuple[int, ...]:
        """Shape of the variable."""
        return self.source_shape if self.source_key else self.shape

    @property
    def explanation(self) -> str:
        """A few plain sentences: of what the shape is made, what one row or column is, what training does to it."""
        return " ".join(
            filter(None, (describe_shape(self.shape, self.axes), self.meaning, self.training_effect, self.location_note))
        )

    @property
    def get_weights_text(self) -> str:
        """What of its layer's `get_weights()` it is, such as `get_weights()[0] of dense`; empty where it is not among them.

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
    """Spell a shape out in plain words.

    >>> describe_shape((4, 3), (Axis("input_dim", 4, entry_name="input"), Axis("units", 3, entry_name="unit")))
    '(4, 3) is 4 inputs by 3 units.'
    """
    return f"{shape} is {' by '.join(axis.description for axis in axes) or 'a single number'}."


def slice_blocks(weight: Weight, *blocks: str) -> Weight:
    """Return the slice of a weight that belongs to the named blocks, or the weight itself where it has none of them.

    A block of one entry, such as one head, takes its axis away, as indexing by a number does.

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
        source=weight.key,
        index=index,
        source_shape=weight.shape,
        initializer_config=_block_initializer_config(weight, names),
    )


def _block_initializer(weight: Weight, names: list[str]) -> str:
    """What is said of one block beyond the initializer's name is true of that block only."""
    name, _, beyond = weight.initializer.partition(", ")
    return weight.initializer if any(beyond.startswith(block) for block in names) else name


def _block_initializer_config(weight: Weight, names: list[str]) -> Mapping[str, Any]:
    """Of a block that starts at another number than the rest, that number; of the others, what fills the rest."""
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
    """Write an index as in Python, such as `:, 20:40`."""
    return ", ".join(str(item) if isinstance(item, int) else _format_slice(item) for item in index)


def _format_slice(item: slice) -> str:
    return ":" if item == slice(None) else f"{item.start}:{item.stop}"


@dataclass(frozen=True, slots=True)
class LayerNode:
    """A row of the layer tree. A layer that the model uses in two places has two nodes with the same weights.

    `parent_role` and `parent_role_kind` say what it is to its wrapper, such as "forward", a "direction". `state_note` says what
    it keeps that is no weight, such as a vocabulary, and `expression` is Python that reads that, or else the layer.
    `preceding_layer` is the path
    of the nearest layer with weights whose output alone comes in, where the model has a graph that says so.
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
        """Yield `(level, node)` for this node and all below it, from top to bottom.

        >>> [(level, node.path) for level, node in LayerNode("net", "net", "Sequential").walk()]
        [(1, 'net')]
        """
        yield level, self
        for child in self.children:
            yield from child.walk(level + 1)


@dataclass(frozen=True, repr=False)
class Catalog:
    """Everything a model holds: `root`, the tree of layers, and `weights`, from key to `Weight`.

    `weights[...]` takes any ending of a key that no other key has, such as `dense/kernel`.

    `variables` are the live Keras variables under the same keys; only the recorder reads them. `layers` are the live layers,
    from path to layer.
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
        """Whether every layer is built, so that no weight is still to come."""
        return all(node.built for node in self.nodes.values())

    @cached_property
    def nodes(self) -> dict[str, LayerNode]:
        """From path to node, from top to bottom."""
        return {node.path: node for _, node in self.root.walk()}
