"""Edit a model's weights by hand: each edit is checked first, applied completely, and recorded on the time axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.builder import read_values, write_values
from weight_explorer.catalog.lookup import find_key
from weight_explorer.catalog.schema import Catalog, Weight
from weight_explorer.editing import freeze
from weight_explorer.editing.reinitialize import draw_values
from weight_explorer.editing.selection import ResolvedSelection, resolve_selection
from weight_explorer.editing.undo import Edit, UndoStack
from weight_explorer.editing.values import with_assigned
from weight_explorer.recording.freeze_checks import FrozenPart, add_part, release_elements, update_frozen_values
from weight_explorer.source import LiveSource
from weight_explorer.training.callback import is_called_by_fit
from weight_explorer.training.session import TrainingSession

# Undo data may take this fraction of the history's memory in addition to it.
_UNDO_MEMORY_DIVISOR = 4

EFFECTIVE_NEXT_STEP = "It holds from the next step on"
EFFECTIVE_AFTER_BATCH = "It holds from the end of the batch that is being trained"
NOTHING_FROZEN = "Nothing of it is frozen any more"
RETRACE_NOTE = (
    "a tf.function of your own that was traced before has to be made again, since it cannot know; fit and train_on_batch know"
)


class Obstacle(Enum):
    """A reason why the weights cannot be changed now."""

    TRAINING = "A training is running, and would go on from other weights."
    CELL = "A cell is running, and may be training the model."

    def refusal(self, what: str) -> RuntimeError:
        """Return the error that refuses an edit for this reason; `what` is the verb, such as "Assign"."""
        return RuntimeError(f"{self.value} {what} when it has ended.")


@dataclass(frozen=True, slots=True)
class FreezeResult:
    """The frozen elements of a weight, as returned by `freeze` and `unfreeze`.

    Attributes:
        key: The weight.
        num_frozen: How many elements are frozen now.
        num_elements: How many elements the weight has.
        requested: What was requested, in words.
        effective_from: When the change takes effect.
        note: Additional information, or "".
    """

    key: str
    num_frozen: int
    num_elements: int
    requested: str
    effective_from: str
    note: str = ""

    def __repr__(self) -> str:
        note = f"; {self.note}" if self.note else ""
        return (
            f"<{self.num_frozen} of {self.num_elements} elements of {self.key!r} are frozen (asked for: {self.requested}). "
            f"{self.effective_from}{note}.>"
        )


class WeightEditor:
    """Freezes, assigns, reinitializes and undoes.

    Args:
        source: The model, with its live history.
        session: Tracks the progress of the training.
        is_training: Returns whether a training is running outside the calling code.
        obstacle: Returns what may be training the model, whether or not it is being recorded; None if nothing is.
    """

    def __init__(
        self,
        source: LiveSource,
        session: TrainingSession,
        is_training: Callable[[], bool],
        obstacle: Callable[[], Obstacle | None],
    ) -> None:
        self._source = source
        self._session = session
        self._is_training = is_training
        self._obstacle = obstacle
        self._undo_stack = UndoStack(source.live_history.memory // _UNDO_MEMORY_DIVISOR)

    # -- freezing --------------------------------------------------------------------------------------------------

    def freeze(self, key: str, where: Any) -> FreezeResult:
        """Freeze elements of a weight; see `WeightExplorer.freeze`."""
        weight, variable = self._find_weight(key)
        _check_freezable(weight, variable)
        chosen = resolve_selection(weight, where)
        count = int(np.count_nonzero(chosen.mask | freeze.frozen_mask(variable)))
        is_new = freeze.freeze_constraint_of(variable) is None
        holds = self._run_between_steps(lambda: self._freeze(weight, variable, chosen), "Freeze")
        note = RETRACE_NOTE if is_new and keras.backend.backend() != "torch" else ""
        return FreezeResult(weight.key, count, weight.size, chosen.description, holds, note)

    def unfreeze(self, key: str | None, where: Any) -> tuple[FreezeResult, ...]:
        """Unfreeze elements; see `WeightExplorer.unfreeze`."""
        catalog = self._current_catalog()
        if key is None:
            if where is not None:
                raise ValueError("unfreeze(where=...) needs the weight that is meant: unfreeze(key, where).")
            keys = [each for each, variable in catalog.variables.items() if freeze.freeze_constraint_of(variable)]
        else:
            keys = [key]
        return tuple(self._unfreeze_weight(each, where) for each in keys)

    def _unfreeze_weight(self, key: str, where: Any) -> FreezeResult:
        weight, variable = self._find_weight(key)
        chosen, held = resolve_selection(weight, where), freeze.frozen_mask(variable)
        if not (held & chosen.mask).any():
            raise ValueError(
                f"Nothing of {weight.key!r} is frozen by freeze" + (f" in {chosen.description}." if held.any() else ".")
            )
        left = int(np.count_nonzero(held & ~chosen.mask))
        holds = self._run_between_steps(lambda: self._unfreeze(weight.key, variable, chosen), "Unfreeze")
        return FreezeResult(weight.key, left, weight.size, chosen.description, holds if left else f"{NOTHING_FROZEN}. {holds}")

    def _freeze(self, weight: Weight, variable: Any, selection: ResolvedSelection) -> None:
        key, history = weight.key, self._source.live_history
        known = np.zeros(weight.shape, bool)
        for part in history.frozen_parts:
            if part.key == key and part.last_record is None and part.mask is not None:
                known |= part.mask
        since = self._record_current_state(key)
        freeze.freeze_elements(variable, selection.mask)
        mask = selection.mask & ~known
        if mask.any():
            values = read_values(variable)[mask]
            history.frozen_parts = add_part(
                history.frozen_parts, FrozenPart(key, selection.description, since, mask, values, first_record=since)
            )

    def _unfreeze(self, key: str, variable: Any, selection: ResolvedSelection) -> None:
        history = self._source.live_history
        freeze.unfreeze_elements(variable, selection.mask)
        history.frozen_parts = release_elements(history.frozen_parts, key, selection.mask, history.num_recorded - 1)

    def _record_current_state(self, key: str) -> int:
        """Return the number of the record with the current state of the weight; during training, it may be the next record."""
        session = self._session
        if not session.is_training:
            session.note_change(self._source.record_if_changed(session.progress, "outside"))
        return self._source.current_record_number(key)

    def _run_between_steps(self, action: Callable[[], None], action_name: str) -> str:
        """Run an action while no step is being trained: now, or at the end of the batch. Return when it takes effect.

        Raises:
            RuntimeError: A training is running that cannot be reached between two steps.
        """
        is_inside_fit, session = is_called_by_fit(), self._session
        if keras.backend.backend() == "jax" and (is_inside_fit or (self._is_training() and not session.is_custom_loop)):
            raise RuntimeError(
                f"A training is running, which on JAX keeps the weights to itself. {action_name} when it has ended."
            )
        obstacle = None if is_inside_fit else self._obstacle()
        if obstacle is None:
            action()
            return EFFECTIVE_NEXT_STEP
        if obstacle is Obstacle.CELL:
            raise obstacle.refusal(action_name)
        if not session.is_training:
            raise RuntimeError(
                f"A training is running that cannot be reached between two steps. {action_name} when it has ended."
            )
        session.run_between_batches(action)
        return EFFECTIVE_AFTER_BATCH

    # -- editing ---------------------------------------------------------------------------------------------------

    def assign(self, key: str, where: Any, value: Any) -> None:
        """Set elements of a weight; see `WeightExplorer.assign`."""
        self._check_not_training("Assign")
        weight, variable = self._find_weight(key)
        chosen = resolve_selection(weight, where)
        after = with_assigned(read_values(variable), chosen, value, weight.key)
        given = f"{np.asarray(after[chosen.mask][0]):g}" if np.ndim(value) == 0 else "values"
        self._apply_edit(
            weight, variable, after, chosen.mask, f"assigned {given} to {_format_selection(chosen)} of {weight.key}"
        )

    def reinitialize(self, key: str, initializer: Any, seed: int | None, user_initializers: Mapping[str, Any]) -> None:
        """Draw new values for a weight; see `WeightExplorer.reinitialize`. `user_initializers` maps names to initializers."""
        self._check_not_training("Reinitialize")
        weight, variable = self._find_weight(key)
        after, by = draw_values(variable, self._source.catalog.layers[weight.layer], initializer, seed, user_initializers)
        words = f"initialized {weight.key} anew by {by}" + ("" if seed is None else f", seed {seed}")
        self._apply_edit(weight, variable, after, np.ones(weight.shape, bool), words)

    def draw_preview(self, key: str, initializer: Any, seed: int | None) -> tuple[np.ndarray, str]:
        """Draw values for a weight without assigning them. Return them and a description; arguments as for `reinitialize`."""
        weight, variable = self._find_weight(key)
        return draw_values(variable, self._source.catalog.layers[weight.layer], initializer, seed)

    def assign_drawn(self, key: str, where: Any, values: np.ndarray, initializer_name: str) -> None:
        """Assign drawn values of the whole weight to the selected elements; `initializer_name` describes their initializer."""
        self._check_not_training("Initialize")
        weight, variable = self._find_weight(key)
        chosen = resolve_selection(weight, where)
        after = with_assigned(read_values(variable), chosen, values[chosen.index], weight.key)
        part = "" if chosen.mask.all() else f"{_format_selection(chosen)} of "
        self._apply_edit(weight, variable, after, chosen.mask, f"initialized {part}{weight.key} anew by {initializer_name}")

    @property
    def undo_description(self) -> str:
        """The description of the edit that `undo` would undo, or ""."""
        return self._undo_stack.latest_description

    @property
    def last_record(self) -> int:
        """The number of the latest record."""
        return self._source.history.num_recorded - 1

    def undo(self) -> str:
        """Undo the latest edit; see `WeightExplorer.undo`."""
        self._check_not_training("Undo")
        edit = self._undo_stack.pop()
        variable = edit.variable()
        key = next((key for key, each in self._current_catalog().variables.items() if each is variable), None)
        if variable is None or key is None:
            raise ValueError(f"This cannot be undone, since the model has the weight no more: {edit.description}.")
        self._record_outside_changes()
        self._write_values(key, variable, edit.restored(read_values(variable)), f"undone: {edit.description}")
        return edit.description

    def update_frozen_values(self) -> None:
        """Update the stored values of frozen elements to their current values, after `restore` has changed them."""
        history = self._source.live_history
        for key, variable in self._source.catalog.variables.items():
            if any(part.key == key and part.last_record is None for part in history.frozen_parts):
                number = self._source.current_record_number(key)
                history.frozen_parts = update_frozen_values(history.frozen_parts, key, read_values(variable), number)

    def _check_not_training(self, action_name: str) -> None:
        if obstacle := self._obstacle():
            raise obstacle.refusal(action_name)

    def _apply_edit(self, weight: Weight, variable: Any, after: np.ndarray, mask: np.ndarray, description: str) -> None:
        edit = Edit.create(description, weight.key, variable, read_values(variable), mask)
        self._record_outside_changes()
        self._write_values(weight.key, variable, after, description)
        self._undo_stack.push(edit)

    def _record_outside_changes(self) -> None:
        """Record changes made outside the explorer before an edit, so that the edit's record shows the edit alone."""
        source, session = self._source, self._session
        if not source.history.num_recorded or source.recorder.has_any_changed(source.catalog):
            kind = "outside" if source.history.num_recorded else "start"
            source.record_now(session.progress, kind)
            session.note_change(kind)

    def _write_values(self, key: str, variable: Any, values: np.ndarray, description: str) -> None:
        """Assign values to a weight; frozen elements are frozen at their new values."""
        history = self._source.live_history
        write_values(variable, values)
        freeze.update_frozen_values(variable)
        self._source.record_now(self._session.progress, "edited", description)
        history.frozen_parts = update_frozen_values(history.frozen_parts, key, values, history.num_recorded - 1)

    # -- lookup ----------------------------------------------------------------------------------------------------

    def _current_catalog(self) -> Catalog:
        if not self._is_training():
            self._source.refresh_catalog(self._session.report_error)
        return self._source.catalog

    def _find_weight(self, key: str) -> tuple[Weight, Any]:
        """Find a weight and its variable.

        Raises:
            ValueError: No weight has that key; the message names the closest one, or says that the model is not built.
        """
        catalog = self._current_catalog()
        try:
            found = find_key(catalog.weights, key)
        except ValueError as error:
            unbuilt = "" if catalog.is_fully_built else " The model is not built: call it once, or model.build(input_shape)."
            raise ValueError(f"{error}{unbuilt}") from None
        return catalog.weights[found], catalog.variables[found]


def _check_freezable(weight: Weight, variable: Any) -> None:
    if not weight.trainable:
        raise ValueError(
            f"{weight.key!r} is moved by no optimizer as it is ({weight.not_trainable_text}), so that there is nothing to "
            "freeze. "
            f"explorer.check_frozen() proves what trainable = False holds."
        )
    if variable.overwrite_with_gradient:
        raise ValueError(f"{weight.key!r} is replaced by its gradient at every step, which asks no constraint.")


def _format_selection(selection: ResolvedSelection) -> str:
    return (
        "all" if selection.mask.all() else f"{selection.count} element{'s' * (selection.count > 1)} ({selection.description})"
    )
