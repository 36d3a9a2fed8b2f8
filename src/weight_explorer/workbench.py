"""What the user does to a model by hand: each deed is checked first, done whole, and put on the time axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.names import key_called
from weight_explorer.catalog.nodes import Catalog, Weight
from weight_explorer.catalog.walk import read_values, write_values
from weight_explorer.editing import holding
from weight_explorer.editing.choosing import Chosen, choose
from weight_explorer.editing.drawing import drawn
from weight_explorer.editing.undoing import Edit, Edits
from weight_explorer.editing.values import changed
from weight_explorer.recording.callback import fit_runs_here
from weight_explorer.recording.frozen import FrozenPart, with_part, with_values, without_elements
from weight_explorer.recording.session import Session
from weight_explorer.source import LiveSource

# The part of the history's memory that undoing may take beside it.
_SHARE_OF_UNDO = 4

NOW = "It holds from the next step on"
NEXT_BATCH = "It holds from the end of the batch that is being trained"
GONE = "Nothing of it is frozen any more"
OWN_LOOPS = (
    "a tf.function of your own that was traced before has to be made again, since it cannot know; fit and train_on_batch know"
)


class Obstacle(Enum):
    """Why the weights cannot be changed now."""

    TRAINING = "A training is running, and would go on from other weights."
    CELL = "A cell is running, and may be training the model."

    def refusal(self, what: str) -> RuntimeError:
        """Return the error that says so; `what` is the verb, such as "Assign"."""
        return RuntimeError(f"{self.value} {what} when it has ended.")


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is frozen of a weight, as the answer to `freeze` and `unfreeze`.

    Attributes:
        key: The weight.
        count: How many elements are frozen now.
        of: How many it has.
        part: What was asked for, in words.
        holds: From when on it holds.
        note: What else there is to know, or "".
    """

    key: str
    count: int
    of: int
    part: str
    holds: str
    note: str = ""

    def __repr__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        return f"<{self.count} of {self.of} elements of {self.key!r} are frozen (asked for: {self.part}). {self.holds}{note}.>"


class Workbench:
    """Freezes, assigns, draws anew and undoes.

    Args:
        source: The model, and the history that is recorded of it.
        session: Knows where the training stands.
        is_training: Whether a training runs elsewhere than where this is asked.
        obstacle: What may be training the model, whoever follows that; None if nothing is.
    """

    def __init__(
        self,
        source: LiveSource,
        session: Session,
        is_training: Callable[[], bool],
        obstacle: Callable[[], Obstacle | None],
    ) -> None:
        self._source = source
        self._session = session
        self._is_training = is_training
        self._obstacle = obstacle
        self._edits = Edits(source.history.memory // _SHARE_OF_UNDO)

    # -- freezing --------------------------------------------------------------------------------------------------

    def freeze(self, key: str, where: Any) -> Frozen:
        """Freeze elements of a weight; see `WeightExplorer.freeze`."""
        weight, variable = self._found(key)
        _check_freezable(weight, variable)
        chosen = choose(weight, where)
        count = int(np.count_nonzero(chosen.mask | holding.held_elements(variable)))
        is_new = holding.hold_of(variable) is None
        holds = self._at_rest(lambda: self._freeze(weight, variable, chosen), "Freeze")
        note = OWN_LOOPS if is_new and keras.backend.backend() != "torch" else ""
        return Frozen(weight.key, count, weight.size, chosen.words, holds, note)

    def unfreeze(self, key: str | None, where: Any) -> tuple[Frozen, ...]:
        """Let elements go; see `WeightExplorer.unfreeze`."""
        catalog = self._catalog()
        if key is None:
            if where is not None:
                raise ValueError("unfreeze(where=...) needs the weight that is meant: unfreeze(key, where).")
            keys = [each for each, variable in catalog.variables.items() if holding.hold_of(variable)]
        else:
            keys = [key]
        return tuple(self._let_go(each, where) for each in keys)

    def _let_go(self, key: str, where: Any) -> Frozen:
        weight, variable = self._found(key)
        chosen, held = choose(weight, where), holding.held_elements(variable)
        if not (held & chosen.mask).any():
            raise ValueError(f"Nothing of {weight.key!r} is frozen by freeze" + (f" in {chosen.words}." if held.any() else "."))
        left = int(np.count_nonzero(held & ~chosen.mask))
        holds = self._at_rest(lambda: self._release(weight.key, variable, chosen), "Unfreeze")
        return Frozen(weight.key, left, weight.size, chosen.words, holds if left else f"{GONE}. {holds}")

    def _freeze(self, weight: Weight, variable: Any, chosen: Chosen) -> None:
        key, history = weight.key, self._source.history
        known = np.zeros(weight.shape, bool)
        for part in history.frozen:
            if part.key == key and part.until is None and part.mask is not None:
                known |= part.mask
        since = self._record_what_is(key)
        holding.hold(variable, chosen.mask)
        mask = chosen.mask & ~known
        if mask.any():
            values = read_values(variable)[mask]
            history.frozen = with_part(history.frozen, FrozenPart(key, chosen.words, since, mask, values, begin=since))

    def _release(self, key: str, variable: Any, chosen: Chosen) -> None:
        history = self._source.history
        holding.release(variable, chosen.mask)
        history.frozen = without_elements(history.frozen, key, chosen.mask, history.num_recorded - 1)

    def _record_what_is(self, key: str) -> int:
        """Return the number of the record that has this weight as it is now: in a training, it may be one to come."""
        session = self._session
        if not session.is_training:
            session.noticed(self._source.record_if_changed(session.place, "outside"))
        return self._source.number_of_now(key)

    def _at_rest(self, deed: Callable[[], None], what: str) -> str:
        """Do it where no step is being trained: now, or at the end of the batch; say from when on it holds.

        Raises:
            RuntimeError: A training runs that cannot be met between two steps.
        """
        is_inside_fit, session = fit_runs_here(), self._session
        if keras.backend.backend() == "jax" and (is_inside_fit or (self._is_training() and not session.is_loop)):
            raise RuntimeError(f"A training is running, which on JAX keeps the weights to itself. {what} when it has ended.")
        obstacle = None if is_inside_fit else self._obstacle()
        if obstacle is None:
            deed()
            return NOW
        if obstacle is Obstacle.CELL:
            raise obstacle.refusal(what)
        if not session.is_training:
            raise RuntimeError(f"A training is running that cannot be reached between two steps. {what} when it has ended.")
        session.soon(deed)
        return NEXT_BATCH

    # -- editing ---------------------------------------------------------------------------------------------------

    def assign(self, key: str, where: Any, value: Any) -> None:
        """Set elements of a weight; see `WeightExplorer.assign`."""
        self._check_rest("Assign")
        weight, variable = self._found(key)
        chosen = choose(weight, where)
        after = changed(read_values(variable), chosen, value, weight.key)
        given = f"{np.asarray(after[chosen.mask][0]):g}" if np.ndim(value) == 0 else "values"
        self._edit(weight, variable, after, chosen.mask, f"assigned {given} to {_elements(chosen)} of {weight.key}")

    def reinitialize(self, key: str, initializer: Any, seed: int | None, own: Mapping[str, Any]) -> None:
        """Draw a weight anew; see `WeightExplorer.reinitialize`. `own` are the user's initializers, by name."""
        self._check_rest("Reinitialize")
        weight, variable = self._found(key)
        after, by = drawn(variable, self._source.catalog.layers[weight.layer], initializer, seed, own)
        words = f"initialized {weight.key} anew by {by}" + ("" if seed is None else f", seed {seed}")
        self._edit(weight, variable, after, np.ones(weight.shape, bool), words)

    def tried(self, key: str, initializer: Any, seed: int | None) -> tuple[np.ndarray, str]:
        """Draw values for a weight without giving them to it, and say by what; arguments as for `reinitialize`."""
        weight, variable = self._found(key)
        return drawn(variable, self._source.catalog.layers[weight.layer], initializer, seed)

    def give(self, key: str, where: Any, values: np.ndarray, by: str) -> None:
        """Give elements of a weight what was drawn for the whole of it; `by` says by what."""
        self._check_rest("Initialize")
        weight, variable = self._found(key)
        chosen = choose(weight, where)
        after = changed(read_values(variable), chosen, values[chosen.index], weight.key)
        part = "" if chosen.mask.all() else f"{_elements(chosen)} of "
        self._edit(weight, variable, after, chosen.mask, f"initialized {part}{weight.key} anew by {by}")

    @property
    def undoable(self) -> str:
        """The edit that `undo` would undo, in words, or ""."""
        return self._edits.latest

    @property
    def last_record(self) -> int:
        """The number of the newest record."""
        return self._source.past.num_recorded - 1

    def undo(self) -> str:
        """Undo the latest edit; see `WeightExplorer.undo`."""
        self._check_rest("Undo")
        edit = self._edits.take()
        variable = edit.variable()
        key = next((key for key, each in self._catalog().variables.items() if each is variable), None)
        if variable is None or key is None:
            raise ValueError(f"This cannot be undone, since the model has the weight no more: {edit.words}.")
        self._record_changes()
        self._write(key, variable, edit.undone(read_values(variable)), f"undone: {edit.words}")
        return edit.words

    def follow(self) -> None:
        """Note that frozen elements are to stay what they are now, after `restore` has put back others."""
        history = self._source.history
        for key, variable in self._source.catalog.variables.items():
            if any(part.key == key and part.until is None for part in history.frozen):
                number = self._source.number_of_now(key)
                history.frozen = with_values(history.frozen, key, read_values(variable), number)

    def _check_rest(self, what: str) -> None:
        if obstacle := self._obstacle():
            raise obstacle.refusal(what)

    def _edit(self, weight: Weight, variable: Any, after: np.ndarray, mask: np.ndarray, words: str) -> None:
        edit = Edit.of(words, weight.key, variable, read_values(variable), mask)
        self._record_changes()
        self._write(weight.key, variable, after, words)
        self._edits.add(edit)

    def _record_changes(self) -> None:
        """Record what happened outside of our sight before an edit, so that the edit's record shows the edit alone."""
        source, session = self._source, self._session
        if not source.past.num_recorded or source.recorder.moved_any(source.catalog):
            kind = "outside" if source.past.num_recorded else "start"
            source.record_now(session.place, kind)
            session.noticed(kind)

    def _write(self, key: str, variable: Any, values: np.ndarray, words: str) -> None:
        """Change a weight; frozen elements are held at what they are then."""
        history = self._source.history
        write_values(variable, values)
        holding.follow(variable)
        self._source.record_now(self._session.place, "edited", words)
        history.frozen = with_values(history.frozen, key, values, history.num_recorded - 1)

    # -- what is meant ---------------------------------------------------------------------------------------------

    def _catalog(self) -> Catalog:
        if not self._is_training():
            self._source.refresh(self._session.report)
        return self._source.catalog

    def _found(self, key: str) -> tuple[Weight, Any]:
        """Find a weight and its variable.

        Raises:
            ValueError: There is none; the message names the nearest, or says that the model is not built.
        """
        catalog = self._catalog()
        try:
            found = key_called(catalog.weights, key)
        except ValueError as error:
            unbuilt = "" if catalog.is_complete else " The model is not built: call it once, or model.build(input_shape)."
            raise ValueError(f"{error}{unbuilt}") from None
        return catalog.weights[found], catalog.variables[found]


def _check_freezable(weight: Weight, variable: Any) -> None:
    if not weight.trainable:
        raise ValueError(
            f"{weight.key!r} is moved by no optimizer as it is ({weight.reason}), so that there is nothing to freeze. "
            f"explorer.frozen() proves what trainable = False holds."
        )
    if variable.overwrite_with_gradient:
        raise ValueError(f"{weight.key!r} is replaced by its gradient at every step, which asks no constraint.")


def _elements(chosen: Chosen) -> str:
    return "all" if chosen.mask.all() else f"{chosen.count} element{'s' * (chosen.count > 1)} ({chosen.words})"
