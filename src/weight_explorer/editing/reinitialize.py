"""Draw new values for a weight, with the initializer that created it or with another one."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.lookup import unknown_name_message
from weight_explorer.editing.values import cast_values

_NUM_SEEDS = 2**31
_NO_INITIALIZERS: Mapping[str, Any] = MappingProxyType({})
# Functions in the Keras initializers module that are not initializers.
_NOT_INITIALIZERS = ("deserialize", "get", "serialize")


@cache
def keras_initializer_names() -> tuple[str, ...]:
    """Return the names of Keras' own initializers: first in the form `he_normal`, then `HeNormal`."""
    names = (name for name in dir(keras.initializers) if not name.startswith("_") and name not in _NOT_INITIALIZERS)
    return tuple(sorted(names, key=lambda name: (not name.islower(), name)))


def draw_values(
    variable: Any, layer: Any, initializer: Any, seed: int | None, user_initializers: Mapping[str, Any] = _NO_INITIALIZERS
) -> tuple[np.ndarray, str]:
    """Draw values for a weight in its data type. Return the values and a description of the initializer.

    Args:
        variable: The weight.
        layer: The layer that holds it.
        initializer: None for the layer's own initializer; a Keras initializer or its name; the name of a user's initializer;
            or a function of `(shape, dtype)` or `(shape)` that returns values.
        seed: The same seed gives the same values; None gives new values each time.
        user_initializers: The user's initializers, by name.

    Raises:
        TypeError: The argument is not an initializer, or the initializer does not return real numbers.
        ValueError: The values have another shape, or the weight's initializer is not known.
    """
    if initializer is None:
        values, words = _draw_as_built(variable, layer, seed)
    else:
        draw, words = _with_seed(initializer, seed, user_initializers)
        values = _call_initializer(draw, words, tuple(variable.shape), variable.dtype)
    values = cast_values(values, np.dtype(np.asarray(keras.ops.convert_to_numpy(variable.value)).dtype), repr(variable.path))
    if values.shape != tuple(variable.shape):
        raise ValueError(f"The initializer gave the shape {values.shape}, and {variable.path!r} has {tuple(variable.shape)}.")
    return values, words


def _call_initializer(initializer: Callable[..., Any], description: str, shape: tuple[int, ...], dtype: str) -> Any:
    """Call an initializer with the first signature that it accepts: `(shape, dtype)`, `(shape, dtype=...)`, or `(shape)`."""
    try:
        asked = inspect.signature(initializer)
    except (TypeError, ValueError):  # a function written in C may have no signature
        return initializer(shape, dtype)
    for arguments, options in (((shape, dtype), {}), ((shape,), {"dtype": dtype}), ((shape,), {})):
        try:
            asked.bind(*arguments, **options)
        except TypeError:
            continue
        return initializer(*arguments, **options)
    raise TypeError(
        f"The initializer {description}{asked} cannot be called with a shape and a type. Give a function (shape, dtype)."
    )


def _resolve_initializer(initializer: Any, user_initializers: Mapping[str, Any]) -> Any:
    """Return the initializer that an argument refers to.

    Raises:
        TypeError: The argument is not an initializer.
        ValueError: No initializer has that name; the message names the closest one.
    """
    if isinstance(initializer, str) and initializer in user_initializers:
        return user_initializers[initializer]
    try:
        found = keras.initializers.get(initializer)
    except (TypeError, ValueError):
        found = None
    if found is None and isinstance(initializer, str):
        raise ValueError(unknown_name_message("initializer", initializer, (*user_initializers, *keras_initializer_names())))
    if not callable(found):
        raise TypeError(f"initializer={initializer!r} is no Keras initializer, nor its name, nor a function (shape, dtype).")
    return found


def _with_seed(initializer: Any, seed: int | None, user_initializers: Mapping[str, Any]) -> tuple[Callable[..., Any], str]:
    """Return the initializer with the seed applied, and its name."""
    found = _resolve_initializer(initializer, user_initializers)
    name = initializer if isinstance(initializer, str) and initializer in user_initializers else _initializer_name(found)
    if isinstance(found, keras.Initializer):
        config = found.get_config()
        if "seed" in config:
            # Recreated without a seed, it picks a new one; an existing initializer returns the same values on every call.
            found = type(found).from_config(config if seed is None else {**config, "seed": seed})
    elif seed is not None:
        raise ValueError(f"{name} is a function, which takes no seed. Set the seed in it, and leave seed=None.")
    return found, name


def _initializer_name(initializer: Any) -> str:
    return getattr(initializer, "__name__", type(initializer).__name__)


def _draw_as_built(variable: Any, layer: Any, seed: int | None) -> tuple[Any, str]:
    """Draw as the layer does when it is built, including what it adds to its initializers, such as a bias of ones."""
    seed = random.randrange(_NUM_SEEDS) if seed is None else seed
    place = next(number for number, each in enumerate(layer.variables) if each is variable)
    try:
        twin = type(layer).from_config(_set_config_seed(layer.get_config(), seed))
        twin.build_from_config(layer.get_build_config() or {})
        made = twin.variables[place]
        if (made.name, made.shape) == (variable.name, variable.shape):
            return made.value, "its own initializer"
    except Exception:  # noqa: BLE001 - a custom layer may fail to rebuild; then its initializer is used
        pass
    own = getattr(layer, f"{variable.name}_initializer", None)
    if own is None:
        raise ValueError(
            f"By what {variable.path!r} was initialized is not known: {type(layer).__name__} cannot be made again from its "
            f"get_config(), and has no {variable.name}_initializer. Give one: initializer=..."
        )
    config = own.get_config() if isinstance(own, keras.Initializer) else {}
    if "seed" in config:
        own = type(own).from_config({**config, "seed": seed})
    return own(tuple(variable.shape), variable.dtype), "its own initializer"


def _set_config_seed(config: Any, seed: int) -> Any:
    """Return a layer's config with all seeds set to this one."""
    if isinstance(config, dict):
        return {key: seed if key == "seed" else _set_config_seed(value, seed) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_set_config_seed(value, seed) for value in config)
    return config
