"""Where Keras saves a model's variables in its files. Keras is asked once; after that, files are read as plain HDF5."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
from keras.src.saving import saving_lib

from weight_explorer.catalog.schema import SEED_STATE, Catalog
from weight_explorer.comparison.alignment import LayerRef

# Keras has no public way to ask where it saves a variable in a file. Only its own walk over the model reliably handles
# containers, class names with counters, and layers that override `save_own_variables`. It rejects stores that are not of this
# class. Both have existed under these names since Keras 3.0.
_save_state = saving_lib._save_state  # noqa: SLF001
_Store: Any = saving_lib.H5IOStore

# The group for weights that belong to no layer, in the legacy layout.
LEGACY_TOP_LEVEL_GROUP = "top_level_model_weights"


@dataclass(frozen=True, slots=True)
class SavedVariable:
    """What a model saves for one variable."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    keras_path: str


@dataclass(frozen=True, slots=True)
class CheckpointLayout:
    """Where a model's variables are saved in its files.

    Attributes:
        variables: Maps each key to what is saved for the variable.
        datasets: Maps each key to the name of its dataset in a Keras 3 file.
        group_sizes: Maps each group of such a file to the number of arrays that its layer saves, including non-variables.
        legacy_layers: For the legacy layout: the layer names, each with its keys in the order in which Keras saves them.
        layer_names: Maps each group to the name of its layer, if the user chose the name and Keras saves it.
        missing_reasons: Maps each key to the reason why Keras 3 files do not contain it under its own name.
    """

    variables: Mapping[str, SavedVariable]
    datasets: Mapping[str, str]
    group_sizes: Mapping[str, int]
    legacy_layers: tuple[tuple[str, tuple[str, ...]], ...]
    layer_names: Mapping[str, str]
    missing_reasons: Mapping[str, str]


def read_layout(model: Any, catalog: Catalog) -> CheckpointLayout:
    """Ask Keras where it saves the variables of a catalog. Call this once for all files, and again after the model changes.

    Nothing is written. No variable is read, except where a layer merges LoRA matrices before it saves.

    Args:
        model: A built model.
        catalog: Its catalog.

    Raises:
        ValueError: The model is not built.

    >>> from weight_explorer.catalog.builder import read_catalog
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")], name="small")
    >>> dict(read_layout(model, read_catalog(model)).datasets)
    {'small/dense/kernel': 'layers/dense/vars/0', 'small/dense/bias': 'layers/dense/vars/1'}
    """
    if not model.built:
        raise ValueError(
            f"{model.name!r} is not built, so it has no weights to look for in files. "
            "Build it first: call it on a batch, or give it an Input."
        )
    keys = {id(variable): key for key, variable in catalog.variables.items()}
    store = _record_save(model, catalog)
    groups = store.groups
    datasets: dict[str, str] = {}
    for group, written in groups.items():
        for name, value in written.items():
            if id(value) in keys:
                datasets.setdefault(keys[id(value)], f"{group}/{name}")
    spots = {key: _saved_variable(catalog, key) for key in catalog.weights}
    absent = {key: _missing_reason(catalog.weights[key].role) for key in catalog.weights if key not in datasets}
    sizes = {group: len(written) for group, written in groups.items()}
    frozen = MappingProxyType
    chosen = _user_chosen_names(catalog)
    names = {group: name for group, name in store.names.items() if name in chosen}
    return CheckpointLayout(
        frozen(spots), frozen(datasets), frozen(sizes), _legacy_layers(model, keys), frozen(names), frozen(absent)
    )


def _user_chosen_names(catalog: Catalog) -> set[str]:
    """Return the layer names that identify a layer in any session: those that Keras did not generate from the class."""
    steps = {LayerRef(node.path, node.name, node.class_name) for node in catalog.nodes.values()}
    return {step.name for step in steps if step.auto_name_number is None} - {
        step.name for step in steps if step.auto_name_number is not None
    }


def _saved_variable(catalog: Catalog, key: str) -> SavedVariable:
    variable: Any = catalog.variables[key]
    weight = catalog.weights[key]
    return SavedVariable(key, weight.shape, weight.dtype, str(variable.path))


def _missing_reason(role: str) -> str:
    if role == SEED_STATE:
        return "Keras saves no random states"
    return "its layer saves something else in its place, as layers with LoRA save their kernel merged, or does not save it"


class _RecordingStore(_Store):
    """Collects the objects that layers would save, without copying them, by the group they would be in."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
        group = f"{path}/vars" if path else "vars"
        self.names[group] = (metadata or {}).get("name", "")  # provided by Keras >= 3.9
        return self.groups.setdefault(group, {})


def _record_save(model: Any, catalog: Catalog) -> _RecordingStore:
    store = _RecordingStore()
    holders = [model, *catalog.layers.values()]
    # An optimizer copies its entire state when it is saved, and none of that state is a weight.
    skipped = {id(each) for holder in holders for each in list(vars(holder).values()) if isinstance(each, keras.Optimizer)}
    with _preserve_jit_compile(holders):
        _save_state(model, weights_store=store, assets_store=None, inner_path="", visited_saveables=skipped)
    return store


@contextlib.contextmanager
def _preserve_jit_compile(layers: Iterable[Any]) -> Iterator[None]:
    """Undo the only side effect of the Keras walk: reading `Model.jit_compile` permanently resolves "auto"."""
    undecided = [each for each in layers if vars(each).get("_jit_compile", "") is None]
    try:
        yield
    finally:
        for each in undecided:
            vars(each)["_jit_compile"] = None


def _legacy_layers(model: Any, keys: Mapping[int, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the contents of the legacy layout in order: for each layer, trainable weights first, then the rest."""
    weights = {id(weight) for weight in model.weights}
    # Keras has no public list of the model's own weights, outside its layers. Its code for the legacy layout reads these two.
    own = [each for each in model._trainable_variables + model._non_trainable_variables if id(each) in weights]  # noqa: SLF001
    held = [(layer.name, layer.trainable_weights + layer.non_trainable_weights) for layer in model.layers]
    named = [
        (name, tuple(keys.get(id(each), "") for each in variables))
        for name, variables in [*held, (LEGACY_TOP_LEVEL_GROUP, own)]
    ]
    return tuple((name, held_keys) for name, held_keys in named if held_keys)
