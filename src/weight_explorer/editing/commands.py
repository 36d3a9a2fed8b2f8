"""Run the edit commands from the screen with the weight editor, and answer each in words, including refusals."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import keras

from weight_explorer.editing.reinitialize import keras_initializer_names
from weight_explorer.editing.weight_editor import FreezeResult, WeightEditor
from weight_explorer.panel.edit_commands import (
    FREEZE,
    INITIALIZE,
    SET,
    UNDO,
    UNFREEZE,
    CommandResult,
    EditAvailability,
    EditCommand,
)
from weight_explorer.pictures.numbers import capitalize_first, format_count
from weight_explorer.views.initializer import LAYER_OWN, InitializerRequest, InitializerSample


class EditCommands:
    """Runs edit commands. Errors become results: `run` does not raise them.

    Args:
        editor: Changes the model.
    """

    def __init__(self, editor: WeightEditor) -> None:
        self._initializers: Mapping[str, Any] = MappingProxyType({})
        self._editor = editor
        self._preview: InitializerSample | None = None

    @property
    def availability(self) -> EditAvailability:
        """Which edits are currently available."""
        return EditAvailability(undo=self._editor.undo_description)

    def preview(self, requested: InitializerRequest | None, *, may_draw: bool) -> InitializerSample | None:
        """Return the requested sample, drawn once; None if it does not exist and may not be drawn now."""
        if self._preview is None or self._preview.request != requested:
            self._preview = self._draw_preview(requested) if requested and may_draw else None
        return self._preview

    def run(self, command: EditCommand) -> CommandResult:
        """Run a command, and report what was done and when it takes effect, or why nothing was done."""
        try:
            return CommandResult(_HANDLERS[command.edit](self, command))
        except (ValueError, TypeError, RuntimeError) as error:
            return CommandResult(str(error), is_refused=True)
        except Exception as error:  # noqa: BLE001 - any error is shown to the user
            return CommandResult(f"{type(error).__name__}: {error}", is_refused=True)

    @property
    def initializers(self) -> Mapping[str, Any]:
        """The user's own initializers, by name."""
        return self._initializers

    def take_initializers(self, given: Mapping[str, Any]) -> None:
        """Replace the user's initializers; see `check_initializers`."""
        check_initializers(given)
        self._initializers = MappingProxyType(dict(given))
        self._preview = None  # the next preview is drawn with the new ones

    # -- handlers --------------------------------------------------------------------------------------------------

    def _freeze(self, command: EditCommand) -> str:
        return _format_freeze_result(self._editor.freeze(command.target.key, command.target.elements))

    def _unfreeze(self, command: EditCommand) -> str:
        return " ".join(
            _format_freeze_result(frozen) for frozen in self._editor.unfreeze(command.target.key, command.target.elements)
        )

    def _set(self, command: EditCommand) -> str:
        number = _parse_number(command.value)
        self._editor.assign(command.target.key, command.target.elements, number)
        return self._with_record_number(f"Set to {number:g}: {command.target.text}")

    def _initialize(self, command: EditCommand) -> str:
        wanted = command.target.initializer_request
        if wanted is None:
            raise ValueError("Look at what it would draw first, in the view Initializer.")
        trial = self.preview(wanted, may_draw=True)
        if trial is None or trial.values is None:
            raise ValueError(trial.problem if trial else "Nothing was drawn.")
        by = trial.source + (f", seed {wanted.seed}" if trial.takes_seed else "")
        self._editor.assign_drawn(command.target.key, command.target.elements, trial.values, by)
        return self._with_record_number(f"Drawn anew by {by}: {command.target.text}")

    def _undo(self, _: EditCommand) -> str:
        return self._with_record_number(f"Undone: {self._editor.undo()}")

    def _with_record_number(self, text: str) -> str:
        return f"{text}. It is record {self._editor.last_record} on the time axis."

    # -- samples ---------------------------------------------------------------------------------------------------

    def _draw_preview(self, requested: InitializerRequest) -> InitializerSample:
        takes_seed = True
        try:
            initializer = self._make_initializer(requested)
            takes_seed = initializer is None or not callable(initializer) or isinstance(initializer, keras.Initializer)
            values, by = self._editor.draw_preview(requested.key, initializer, requested.seed if takes_seed else None)
        except Exception as error:  # noqa: BLE001 - a custom initializer may raise anything; the picture shows the error
            return InitializerSample(requested, problem=str(error) or type(error).__name__, takes_seed=takes_seed)
        values.setflags(write=False)
        return InitializerSample(requested, values, by if requested.name == LAYER_OWN else requested.text, takes_seed)

    def _make_initializer(self, requested: InitializerRequest) -> Any:
        if requested.name == LAYER_OWN:
            return None
        if not requested.is_of_keras:
            return self._initializers[requested.name]
        made = getattr(keras.initializers, requested.name)
        # The seed is set on creation: without one, Keras draws from Python's global random state, which the training uses.
        seeded = {"seed": requested.seed} if "seed" in inspect.signature(made).parameters else {}
        return made(**dict(requested.parameters), **seeded)


_HANDLERS: dict[str, Callable[[EditCommands, EditCommand], str]] = {
    FREEZE: EditCommands._freeze,  # noqa: SLF001 - defined in this module
    UNFREEZE: EditCommands._unfreeze,  # noqa: SLF001
    SET: EditCommands._set,  # noqa: SLF001
    INITIALIZE: EditCommands._initialize,  # noqa: SLF001
    UNDO: EditCommands._undo,  # noqa: SLF001
}


def _format_freeze_result(result: FreezeResult) -> str:
    note = f" {capitalize_first(result.note)}." if result.note else ""
    if not result.num_frozen:
        return f"{result.effective_from}.{note}"
    count = "All" if result.num_frozen == result.num_elements else f"{format_count(result.num_frozen)} of"
    return f"{count} {format_count(result.num_elements)} elements are frozen. {result.effective_from}.{note}"


def _parse_number(text: str) -> float | int:
    """Parse a number in Python notation.

    Raises:
        ValueError: The text is not a number; the message shows how to write one.

    >>> _parse_number(" 3 "), _parse_number("-1e-3"), _parse_number("inf")
    (3, -0.001, inf)
    """
    for read in (_parse_integer, float):
        with contextlib.suppress(ValueError):
            return read(text)
    if not text.strip():
        raise ValueError("Which number? Write it in the field.")
    hint = "with a point, 0.5" if "," in text else "as 0.5, -1e-3, nan or inf"
    raise ValueError(f"{text.strip()!r} is no number: write it {hint}.")


def _parse_integer(text: str) -> int | float:
    """Parse an integer without loss of precision, as far as NumPy can store it."""
    number = int(text)
    return number if number.bit_length() < 64 else float(text)


def check_initializers(initializers: Any) -> None:
    """Check the user's own initializers.

    Raises:
        TypeError: The argument is not a mapping from names to functions or initializers.
        ValueError: A name is already taken; the message says by what.
    """
    if not isinstance(initializers, Mapping):
        raise TypeError(f"Expected {_EXPECTED_INITIALIZERS}, and got {type(initializers).__name__}.")
    for name, initializer in initializers.items():
        if not isinstance(name, str) or not name or not callable(initializer):
            raise TypeError(f"Expected {_EXPECTED_INITIALIZERS}, and got {name!r}: {initializer!r:.80}.")
        if name == LAYER_OWN:
            raise ValueError(f"{LAYER_OWN!r} stands for a layer's own initializer. Give yours another name, such as 'mine'.")
        if name in keras_initializer_names():
            raise ValueError(f"Keras has an initializer {name!r} already. Give yours another name, such as 'my_{name}'.")


_EXPECTED_INITIALIZERS = 'names with functions (shape, dtype) or Keras initializers, such as {"mine": function}'
