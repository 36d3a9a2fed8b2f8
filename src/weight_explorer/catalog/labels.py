"""User-defined names for the entries of axes: a vocabulary, feature names, class names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from weight_explorer.catalog.lookup import find_layer, matching_layers, unknown_name_message
from weight_explorer.catalog.schema import Axis, Catalog, Weight

LabelsArgument = Mapping[str | tuple[str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class AxisLabels:
    """Names of the entries of one axis, or of several axes with the same meaning.

    `target` is a layer's name or path, a weight's key, or an axis name. `axis` is the name of an axis of that target, or None
    for the only axis whose length matches the number of names.
    """

    target: str
    axis: str | None
    names: tuple[str, ...]

    @property
    def description(self) -> str:
        """The label argument as the user wrote it."""
        return f"labels[{self.target!r}]" if self.axis is None else f"labels[{(self.target, self.axis)!r}]"


def parse_labels(labels: LabelsArgument | None) -> tuple[AxisLabels, ...]:
    """Check everything that needs no model: that targets are strings and that each has a sequence of labels.

    Raises:
        TypeError: `labels` is not a mapping from targets to sequences of names.

    >>> parse_labels({("embed", "input_dim"): ["the", "a"]})
    (AxisLabels(target='embed', axis='input_dim', names=('the', 'a')),)
    """
    if labels is not None and not isinstance(labels, Mapping):
        raise TypeError(
            f"labels must be a dict such as {{('embedding', 'input_dim'): vocabulary}}, not {type(labels).__name__}."
        )
    return tuple(_parse_labels(place, names) for place, names in (labels or {}).items())


def _parse_labels(target: object, names: object) -> AxisLabels:
    where, axis = target if isinstance(target, tuple) and len(target) == 2 else (target, None)
    if not isinstance(where, str) or not isinstance(axis, (str, type(None))):
        raise TypeError(f"A key of labels is a layer, a weight's key or an axis, or (layer or key, axis), not {target!r}.")
    if isinstance(names, (str, bytes, Set, Mapping)) or not isinstance(names, Iterable):
        raise TypeError(
            f"labels[{target!r}] must be a sequence with one name for each entry, in their order, not {names!r:.60}."
        )
    listed = list(names)
    odd = next((name for name in listed if not isinstance(name, (str, int, float, np.generic))), None)
    if odd is not None or None in listed:
        raise TypeError(f"labels[{target!r}] must hold names or numbers, and one of them is {odd!r:.60}.")
    return AxisLabels(where, axis, tuple(str(name) for name in listed))


def apply_labels(catalog: Catalog, labels: Iterable[AxisLabels]) -> tuple[Catalog, list[ValueError]]:
    """Return the catalog with labeled axes, and an error for each set of labels that does not fit.

    Labels for a layer that is not built yet are kept until it is built.
    """
    weights = dict(catalog.weights)
    errors = []
    for each in labels:
        try:
            targets = _target_axes(catalog, each)
        except ValueError as error:
            errors.append(error)
            continue
        for key, number in targets:
            weights[key] = _with_axis_labels(weights[key], number, each.names)
    return replace(catalog, weights=MappingProxyType(weights)), errors


def copy_labels(catalog: Catalog, other: Catalog) -> Catalog:
    """Return the catalog with the labels of another catalog, for weights with the same key and shape."""
    weights = dict(catalog.weights)
    for key, theirs in other.weights.items():
        ours = weights.get(key)
        for number, axis in enumerate(theirs.axes if ours is not None and ours.shape == theirs.shape else ()):
            weights[key] = _with_axis_labels(weights[key], number, axis.labels) if axis.labels else weights[key]
    return replace(catalog, weights=MappingProxyType(weights))


def _target_axes(catalog: Catalog, labels: AxisLabels) -> list[tuple[str, int]]:
    """Return the weight key and axis number of each axis that the labels apply to."""
    place, axis = labels.target, labels.axis
    weights = _weights_of_target(catalog, place)
    if weights is None and axis is None:  # an axis name alone refers to the only layer that has such an axis
        axis, weights = place, [weight for weight in catalog.weights.values() if place in _axis_names([weight])]
    if not weights:
        if _may_be_built_later(catalog, place):
            return []
        raise ValueError(f"{labels.description}: {_unknown_target_message(catalog, place)}")
    name = _infer_axis_name(weights, labels) if axis is None else axis
    found = [(weight, number) for weight in weights for number, each in enumerate(weight.axes) if each.name == name]
    if not found:
        raise ValueError(f"{labels.description}: {unknown_name_message('axis', name, _axis_names(weights))}")
    _check_single_owner(catalog, [weight for weight, _ in found], name, labels)
    for weight, number in found:
        _check_length(weight, weight.axes[number], labels)
    return [(weight.key, number) for weight, number in found]


def _check_single_owner(catalog: Catalog, weights: list[Weight], axis: str, labels: AxisLabels) -> None:
    """Raise an error if several layers have the axis, because their entries may have different meanings."""
    owners: dict[str, Weight] = {}
    for weight in weights:
        owners.setdefault(_owner_path(catalog, weight, axis), weight)
    if len(owners) > 1:
        pairs = " or ".join(f"({weight.layer!r}, {axis!r})" for weight in list(owners.values())[:4])
        raise ValueError(
            f"{labels.description}: {len(owners)} layers there have an axis {axis!r}. Say of which: labels={{{pairs}: ...}}."
        )


def _owner_path(catalog: Catalog, weight: Weight, axis: str) -> str:
    """Return the path of the layer that owns an axis. Directions share one input, and projections share their heads."""
    kinds = {"direction", "projection"} if axis == "heads" else {"direction"}
    steps = weight.layer.split("/")
    paths = ["/".join(steps[: i + 1]) for i in range(len(steps))]
    return "/".join(step for step, path in zip(steps, paths, strict=True) if catalog.nodes[path].parent_role_kind not in kinds)


def _weights_of_target(catalog: Catalog, target: str) -> list[Weight] | None:
    """Return the weight with this key, or the weights of a layer and its sublayers; None if neither exists."""
    if target in catalog.weights:
        return [catalog.weights[target]]
    if not matching_layers(catalog, target):
        return None
    keys = dict.fromkeys(key for _, node in find_layer(catalog, target).walk() for key in node.weights)
    return [catalog.weights[key] for key in keys]


def _may_be_built_later(catalog: Catalog, target: str) -> bool:
    """Return whether something with this name may still be built."""
    return not catalog.root.built or any(
        not below.built for node in matching_layers(catalog, target) for _, below in node.walk()
    )


def _unknown_target_message(catalog: Catalog, target: str) -> str:
    if matching_layers(catalog, target):
        return f"layer {target!r} holds no weights whose entries could be named."
    names = [node.name for node in catalog.nodes.values()]
    return unknown_name_message(
        "layer, weight or axis", target, [*names, *catalog.weights, *_axis_names(catalog.weights.values())]
    )


def _axis_names(weights: Iterable[Weight]) -> list[str]:
    return list(dict.fromkeys(axis.name for weight in weights for axis in weight.axes))


def _infer_axis_name(weights: list[Weight], labels: AxisLabels) -> str:
    """Return the name of the only axis whose length matches the number of names."""
    axes = [axis for weight in weights for axis in weight.axes]
    fitting = list(dict.fromkeys(axis.name for axis in axes if len(labels.names) in _allowed_lengths(axis)))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        pairs = " or ".join(f"({labels.target!r}, {name!r})" for name in fitting)
        raise ValueError(
            f"{labels.description} fits several axes of {len(labels.names)} entries. Say which: labels={{{pairs}: ...}}."
        )
    sizes = ", ".join(dict.fromkeys(f"{axis.name} ({_format_lengths(axis)})" for axis in axes))
    raise ValueError(
        f"{labels.description} has {len(labels.names)} names, and no axis there has as many entries. There are: {sizes}."
    )


def _check_length(weight: Weight, axis: Axis, labels: AxisLabels) -> None:
    if len(labels.names) not in _allowed_lengths(axis):
        raise ValueError(
            f"{labels.description} has {len(labels.names)} names, but the axis {axis.name!r} of {weight.key!r} has "
            f"{_format_lengths(axis)} entries: give one name for each. "
            f"For one weight alone: labels={{({weight.key!r}, {axis.name!r}): ...}}."
        )


def _allowed_lengths(axis: Axis) -> tuple[int, ...]:
    """Return how many names an axis accepts: one for each entry, or one for each unit if every gate repeats the units."""
    return (axis.size, axis.block_size) if axis.is_split else (axis.size,)


def _format_lengths(axis: Axis) -> str:
    return f"{axis.size}, or {axis.block_size} in each {axis.block_kind}," if axis.is_split else str(axis.size)


def _with_axis_labels(weight: Weight, axis_index: int, names: tuple[str, ...]) -> Weight:
    """Label the entries of one axis; names of units are repeated for every gate."""
    axis = weight.axes[axis_index]
    labels = names * (axis.size // len(names)) if names else ()
    axes = (*weight.axes[:axis_index], replace(axis, labels=labels), *weight.axes[axis_index + 1 :])
    return replace(weight, axes=axes)
