"""The deeds that are asked for on screen: each is done by the workbench, and answered in words, refusals included."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras

from weight_explorer.editing.drawing import names_of_keras
from weight_explorer.views.lab import OWN, Trial, Wanted
from weight_explorer.views.meant import FREEZE, INITIALIZE, SET, UNDO, UNFREEZE, Answer, Order, Possible
from weight_explorer.views.numbers import capitalized, grouped
from weight_explorer.workbench import Frozen, Workbench


class Deeds:
    """Does what is ordered; nothing it does raises.

    Args:
        bench: Changes the model.
    """

    def __init__(self, bench: Workbench) -> None:
        self._initializers: Mapping[str, Any] = MappingProxyType({})
        self._bench = bench
        self._trial: Trial | None = None

    @property
    def possible(self) -> Possible:
        """Which deeds there are now."""
        return Possible(undo=self._bench.undoable)

    def trial(self, wanted: Wanted | None, *, may_draw: bool) -> Trial | None:
        """Return the sample that is wanted, drawn once; None where it is not there and may not be drawn now."""
        if self._trial is None or self._trial.wanted != wanted:
            self._trial = self._tried(wanted) if wanted and may_draw else None
        return self._trial

    def do(self, order: Order) -> Answer:
        """Do what is ordered, and say what was done and from when on it holds, or why nothing was done."""
        try:
            return Answer(_DEEDS[order.deed](self, order))
        except (ValueError, TypeError, RuntimeError) as error:
            return Answer(str(error), is_refused=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            return Answer(f"{type(error).__name__}: {error}", is_refused=True)

    @property
    def initializers(self) -> Mapping[str, Any]:
        """The user's own initializers, by name."""
        return self._initializers

    def take_initializers(self, given: Mapping[str, Any]) -> None:
        """Use other initializers from now on; see `check_initializers`."""
        check_initializers(given)
        self._initializers = MappingProxyType(dict(given))
        self._trial = None  # what is wanted next is drawn by the new ones

    # -- one for each ----------------------------------------------------------------------------------------------

    def _freeze(self, order: Order) -> str:
        return _frozen_words(self._bench.freeze(order.meant.key, order.meant.where))

    def _unfreeze(self, order: Order) -> str:
        return " ".join(_frozen_words(frozen) for frozen in self._bench.unfreeze(order.meant.key, order.meant.where))

    def _set(self, order: Order) -> str:
        number = _number_of(order.value)
        self._bench.assign(order.meant.key, order.meant.where, number)
        return self._recorded(f"Set to {number:g}: {order.meant.words}")

    def _initialize(self, order: Order) -> str:
        wanted = order.meant.wanted
        if wanted is None:
            raise ValueError("Look at what it would draw first, in the view Initializer.")
        trial = self.trial(wanted, may_draw=True)
        if trial is None or trial.values is None:
            raise ValueError(trial.problem if trial else "Nothing was drawn.")
        by = trial.by + (f", seed {wanted.seed}" if trial.takes_seed else "")
        self._bench.give(order.meant.key, order.meant.where, trial.values, by)
        return self._recorded(f"Drawn anew by {by}: {order.meant.words}")

    def _undo(self, _: Order) -> str:
        return self._recorded(f"Undone: {self._bench.undo()}")

    def _recorded(self, words: str) -> str:
        return f"{words}. It is record {self._bench.last_record} on the time axis."

    # -- samples ---------------------------------------------------------------------------------------------------

    def _tried(self, wanted: Wanted) -> Trial:
        takes_seed = True
        try:
            initializer = self._initializer(wanted)
            takes_seed = initializer is None or not callable(initializer) or isinstance(initializer, keras.Initializer)
            values, by = self._bench.tried(wanted.key, initializer, wanted.seed if takes_seed else None)
        except Exception as error:  # noqa: BLE001 - an initializer of anybody's: the picture says what is wrong
            return Trial(wanted, problem=str(error) or type(error).__name__, takes_seed=takes_seed)
        values.setflags(write=False)
        return Trial(wanted, values, by if wanted.name == OWN else wanted.words, takes_seed)

    def _initializer(self, wanted: Wanted) -> Any:
        if wanted.name == OWN:
            return None
        if not wanted.is_of_keras:
            return self._initializers[wanted.name]
        made = getattr(keras.initializers, wanted.name)
        # With the seed from the beginning: without one Keras asks Python's global random numbers, which are the training's.
        seeded = {"seed": wanted.seed} if "seed" in inspect.signature(made).parameters else {}
        return made(**dict(wanted.parameters), **seeded)


_DEEDS: dict[str, Callable[[Deeds, Order], str]] = {
    FREEZE: Deeds._freeze,  # noqa: SLF001 - its own
    UNFREEZE: Deeds._unfreeze,  # noqa: SLF001
    SET: Deeds._set,  # noqa: SLF001
    INITIALIZE: Deeds._initialize,  # noqa: SLF001
    UNDO: Deeds._undo,  # noqa: SLF001
}


def _frozen_words(frozen: Frozen) -> str:
    note = f" {capitalized(frozen.note)}." if frozen.note else ""
    if not frozen.count:
        return f"{frozen.holds}.{note}"
    count = "All" if frozen.count == frozen.of else f"{grouped(frozen.count)} of"
    return f"{count} {grouped(frozen.of)} elements are frozen. {frozen.holds}.{note}"


def _number_of(text: str) -> float | int:
    """Read a number as Python writes it.

    Raises:
        ValueError: It is none; the message says how one is written.

    >>> _number_of(" 3 "), _number_of("-1e-3"), _number_of("inf")
    (3, -0.001, inf)
    """
    for read in (_whole, float):
        with contextlib.suppress(ValueError):
            return read(text)
    if not text.strip():
        raise ValueError("Which number? Write it in the field.")
    hint = "with a point, 0.5" if "," in text else "as 0.5, -1e-3, nan or inf"
    raise ValueError(f"{text.strip()!r} is no number: write it {hint}.")


def _whole(text: str) -> int | float:
    """Read a whole number without loss, as far as NumPy holds it so."""
    number = int(text)
    return number if number.bit_length() < 64 else float(text)


def check_initializers(given: Any) -> None:
    """Check initializers of the user's own.

    Raises:
        TypeError: It is no mapping from names to functions or initializers.
        ValueError: A name is taken; the message says by what.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"Expected {_EXPECTED}, and got {type(given).__name__}.")
    for name, initializer in given.items():
        if not isinstance(name, str) or not name or not callable(initializer):
            raise TypeError(f"Expected {_EXPECTED}, and got {name!r}: {initializer!r:.80}.")
        if name == OWN:
            raise ValueError(f"{OWN!r} stands for a layer's own initializer. Give yours another name, such as 'mine'.")
        if name in names_of_keras():
            raise ValueError(f"Keras has an initializer {name!r} already. Give yours another name, such as 'my_{name}'.")


_EXPECTED = 'names with functions (shape, dtype) or Keras initializers, such as {"mine": function}'
