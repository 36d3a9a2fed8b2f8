"""The types of the catalog: plain frozen data that any part may hold, without Keras."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Block:
    """A named slice `start:stop` along an axis, such as the forget gate of an LSTM."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of a weight: its name in Keras' terms, its size, what it means, its named blocks."""

    name: str
    size: int
    meaning: str = ""
    blocks: tuple[Block, ...] = ()

    @property
    def text(self) -> str:
        """What stands for this axis in a shape: `input_dim`, or `4 gates x 20 units` where it is made of blocks."""
        return self.meaning if self.blocks else self.name


@dataclass(frozen=True, slots=True)
class Weight:
    """One variable of the model, explained.

    Attributes:
        key: Unique, stable and readable: the Keras path, made unique where Keras is not.
        role: `"kernel"`, `"recurrent"`, `"bias"`, or the weight's own kind in words such as `"moving mean"`.
        name: The attribute's name in Keras, such as `recurrent_kernel`.
        layer: Path of the tree node that holds it first.
        shape: Its shape.
        dtype: Its data type, as Keras names it.
        axes: One `Axis` for each dimension.
        trainable: Whether training may change it.
        initializer: The initializer's class name, or `""` where none is known.
        shared_by: Paths of all tree nodes that hold this very variable.
        expression: Python that evaluates, with `model` in scope, to this very variable.
        explanation: One or two plain sentences.
    """

    key: str
    role: str
    name: str
    layer: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[Axis, ...]
    trainable: bool = True
    initializer: str = ""
    shared_by: tuple[str, ...] = ()
    expression: str = ""
    explanation: str = ""

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def shape_text(self) -> str:
        """The shape with its meaning, such as `(100, 80) = (input_dim, 4 gates x 20 units)`."""
        if not self.shape:
            return "() = a single number"
        comma = "," if len(self.shape) == 1 else ""
        meaning = ", ".join(axis.text for axis in self.axes)
        return f"{self.shape} = ({meaning}{comma})"


@dataclass(frozen=True, slots=True)
class LayerNode:
    """A row of the layer tree. A layer that the model uses in two places has two nodes with the same weights."""

    path: str
    name: str
    class_name: str
    num_params: int = 0
    built: bool = True
    frozen: bool = False
    shared: bool = False
    part: str = ""
    part_kind: str = ""
    weights: tuple[str, ...] = ()
    children: tuple[LayerNode, ...] = ()

    def walk(self, level: int = 1) -> Iterator[tuple[int, LayerNode]]:
        """Yield `(level, node)` for this node and all below it, from top to bottom."""
        yield level, self
        for child in self.children:
            yield from child.walk(level + 1)


@dataclass(frozen=True)
class Catalog:
    """Everything a model holds: `root`, the tree of layers, and `weights`, from key to `Weight`.

    `variables` are the live Keras variables under the same keys; only the recorder reads them.
    """

    root: LayerNode
    weights: Mapping[str, Weight]
    variables: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)

    @cached_property
    def is_complete(self) -> bool:
        """Whether every layer is built, so that no weight is still to come."""
        return all(node.built for node in self.nodes.values())

    @cached_property
    def nodes(self) -> dict[str, LayerNode]:
        """From path to node, from top to bottom."""
        return {node.path: node for _, node in self.root.walk()}
