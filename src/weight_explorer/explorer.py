"""`WeightExplorer`: builds the parts, lays them out and wires them together."""

from __future__ import annotations

import base64
import os
import uuid
import weakref
from typing import Any, NoReturn

import ipywidgets
import keras
import traitlets

from weight_explorer import live, shown
from weight_explorer.catalog.labels import Given, check_labels
from weight_explorer.catalog.names import refusal
from weight_explorer.catalog.walk import share_layers
from weight_explorer.copies import CANNOT_BE_COPIED, CopyRecipe, ExplorerCallback, Settings, WarningLog
from weight_explorer.deeds import Deeds
from weight_explorer.diagnosis.findings import Examined
from weight_explorer.dock import Dock
from weight_explorer.examiner import SHARE, Examiner, Subject
from weight_explorer.panels.figure import png_of
from weight_explorer.panels.panel import Panel
from weight_explorer.recording.callback import NotFollowedError, fit_is_running
from weight_explorer.recording.facts import Activity
from weight_explorer.recording.history import History, parse_memory
from weight_explorer.recording.pace import Pace, check_pace
from weight_explorer.recording.session import Reporter, Session
from weight_explorer.recording.status import Status
from weight_explorer.recording.time import Step
from weight_explorer.screen import Screen
from weight_explorer.source import LiveSource, Paths, Source, StillSource, checkpoints_of, run_of
from weight_explorer.surface.changing import Changing
from weight_explorer.surface.following import Following
from weight_explorer.surface.taking import Taking
from weight_explorer.tensors import Reader
from weight_explorer.training import Background
from weight_explorer.views import summary
from weight_explorer.workbench import Workbench

KEYWORDS = ("record_every", "max_overhead", "memory", "labels")


class WeightExplorer(Changing, Following, Taking, ipywidgets.VBox):
    """Shows every weight of a Keras model and keeps showing it while the model learns.

    As the last line of a Jupyter cell it displays itself: a tree of the layers, a tab for each role (kernel, recurrent, bias
    and whatever else a layer holds) and pictures of the chosen weight. Give `explorer.callback` to `fit` and the panel
    follows the training and answers clicks while the cell runs. Without a kernel it records all the same.

    | what for | members |
    |---|---|
    | to look | the panel; `select`, `compare`, `pin`, `selection`, `findings`, `dock`, `print(explorer)` |
    | to train | `callback` for `fit`; `fit` beside the cells; `record`, `training` for loops of your own |
    | to read | `catalog` (what the model holds), `history` (every record: values, statistics, histograms, `to_frame`, `save`) |
    | to change | `freeze`, `unfreeze`, `frozen`; `assign`, `reinitialize`, `undo`, `initializers`; `restore` |
    | to take away | `figure`, `to_csv`, `code`, `film` |
    | of the past | `from_checkpoints`, `load` |

    Args:
        model: The model. It need not be built: the panel fills in when it is.
        record_every: "auto" (as often as `max_overhead` allows), "epoch", or a number of batches. The state before training
            and the end of every epoch are always recorded.
        max_overhead: The share of the training time that "auto" recording may cost, above 0 and at most 1.
        memory: Bound on what the history keeps, in bytes or as text such as "256 MB".
        labels: Names for the entries of axes: a vocabulary, feature names, class names. A key is a layer or a weight's key,
            whose axis of that length is meant, or `(layer, axis)`, or an axis alone where one layer has it. A name for each
            unit serves every gate. Such as `{("embedding", "input_dim"): vocabulary, "out": ["cat", "dog"]}`.

    Raises:
        TypeError: `model` is no Keras model, or a keyword is unknown.
        ValueError: An argument has no meaning; the message says what was expected.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((8, 3)), np.zeros((8, 2)), callbacks=[explorer.callback], verbose=0)
        >>> explorer.history.values("tiny/dense/kernel")[-1].shape
        (3, 2)
        >>> explorer.close()
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        record_every: str | int = "auto",
        max_overhead: float = 0.02,
        memory: int | str = "256 MB",
        labels: Given | None = None,
        **unknown: Any,
    ) -> None:
        _check_arguments(model, unknown)
        check_pace(record_every, max_overhead)
        settings = Settings(record_every, max_overhead, memory, check_labels(labels))
        history = History(parse_memory(memory))
        source = LiveSource(model, history, settings.labels, Reader())
        pace = Pace(record_every, max_overhead)
        session = Session(
            history,
            pace,
            record=self._record,
            draw=self._redraw,
            between=live.pump(),
            sketch=self._sketch,
            note_epoch_end=self._note_epoch_end,
        )
        self._background = Background(session, ended=self._background_ended)
        self._bench = Workbench(source, session, self._is_training)
        self._deeds = Deeds(self._bench)
        recipe = CopyRecipe(type(self), settings, WarningLog())
        callback = ExplorerCallback(
            session,
            began=self._training_began,
            stepped=source.training.note_step,
            explorer=weakref.ref(self),
            recipe=recipe,
        )
        self._open(source, session, callback, share=min(SHARE, max_overhead / 2))

    def _open(
        self, source: Source, session: Reporter, callback: ExplorerCallback | None = None, *, share: float = SHARE
    ) -> None:
        """Make ready to show what a source has; `share` is what examining may take of the time of a training.

        Widgets are made when they are needed: ipywidgets holds each that was ever opened, and with them the model.
        """
        self._callback = callback
        self._source = source
        self._session = session
        self._display_id = uuid.uuid4().hex
        self._is_displayed = False
        self._awaits_cell_end = False
        self._dock = Dock()
        self._examiner = Examiner(self._subject, report=session.note, examined=self._examined, share=share)
        self._screen = Screen(source, session, look=self._look_at_rest, findings=self._latest_findings, deeds=self._deeds)
        self._own_layout: ipywidgets.Layout | None = None
        self._may_open = False
        super(ipywidgets.Box, self).__init__()  # VBox' own would set `children`
        self._may_open = True
        self.add_class("weight-explorer")
        self._look()
        self._take_place(is_shown=False)

    # -- widgets, when they are needed -----------------------------------------------------------------------------

    def open(self) -> None:
        """Connect to the page: done when the explorer is displayed, or made part of another widget."""
        if self._may_open:
            super().open()

    @property
    def model_id(self) -> str:
        """What names this widget in the page."""
        self.open()
        return super().model_id

    @traitlets.default("children")
    def _make_children(self) -> tuple[ipywidgets.Widget, ...]:
        return (self._panel.box,) if self._may_open else ()

    @traitlets.default("layout")
    def _make_layout(self) -> ipywidgets.Layout:
        self._own_layout = ipywidgets.Layout()
        return self._own_layout

    @property
    def _panel(self) -> Panel:
        return self._screen.open_panel()

    # -- copies ----------------------------------------------------------------------------------------------------

    def __copy__(self) -> NoReturn:
        raise TypeError(CANNOT_BE_COPIED)

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        raise TypeError(CANNOT_BE_COPIED)

    def __reduce__(self) -> NoReturn:
        raise TypeError(CANNOT_BE_COPIED)

    # -- of a training that is over --------------------------------------------------------------------------------

    @classmethod
    def from_checkpoints(
        cls, model: keras.Model, files: Paths, *, memory: int | str = "256 MB", labels: Given | None = None
    ) -> WeightExplorer:
        """Play checkpoint files as a time axis, one record for each, sorted by epoch.

        Nothing is loaded into the model: of each file only what is looked at is read. `explorer.restore(step)` puts one of
        them into the model.

        Args:
            model: The model that they are of, built.
            files: A glob such as "checkpoint/*.keras" (`.weights.h5`, `.h5` and the `.weights.json` of sharded weights as
                well), a folder, a list of paths, or the pattern that was given to `keras.callbacks.ModelCheckpoint`, with its
                `{epoch}`.
            memory: Bound on what is held of files that were read.
            labels: As for the constructor.

        Raises:
            ValueError: There are no such files, or one does not fit the model; the message names the file, the weight and
                both shapes. A file that is damaged or no Keras checkpoint is left out, which the panel says.

        >>> import tempfile
        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for epoch in range(1, 4):
        ...         _ = model.get_layer("dense").bias.assign([0.0, float(epoch)])
        ...         model.save(f"{folder}/{epoch:02d}.keras")
        ...     explorer = WeightExplorer.from_checkpoints(model, f"{folder}/*.keras")
        ...     explorer.history.values("tiny/dense/bias")[:, 1].tolist()
        [1.0, 2.0, 3.0]
        """
        _check_model(model)
        source = checkpoints_of(model, files, parse_memory(memory), check_labels(labels))
        return cls._of_the_past(source, "checkpoints")

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], model: keras.Model | None = None, *, labels: Given | None = None
    ) -> WeightExplorer:
        """Open a run that `explorer.history.save(path)` wrote, with the model that it is of or without.

        Args:
            path: The file.
            model: The model, for `restore`; without it everything can be looked at all the same. It may be reloaded, cloned
                or built again: its weights are found by their place, and keep the keys that they have in the run.
            labels: As for the constructor; those given when it was recorded are in the file.

        Raises:
            ValueError: The file is no recorded run, or not one of this model; the message says where they differ.
            OSError: It cannot be read.

        >>> import tempfile
        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     explorer.history.save(f"{folder}/run.h5")
        ...     WeightExplorer.load(f"{folder}/run.h5").history.values("tiny/dense/kernel").shape
        (1, 3, 2)
        """
        if model is not None:
            _check_model(model)
        return cls._of_the_past(run_of(path, model, check_labels(labels)), "run")

    @classmethod
    def _of_the_past(cls, source: StillSource, phase: str) -> WeightExplorer:
        explorer = cls.__new__(cls)
        explorer._bench = explorer._deeds = explorer._background = None  # noqa: SLF001 - its own
        status = Status(phase, problem=" ".join(source.past.notes), records=source.past.num_recorded)
        cls._open(explorer, source, Reporter(explorer._redraw, status))  # noqa: SLF001 - as above
        return explorer

    # -- on the page -----------------------------------------------------------------------------------------------

    def dock(self, where: str = "right") -> None:
        """Keep the panel beside the notebook in JupyterLab, so that it stays in sight while cells below run.

        It needs the package sidecar: `pip install "weight-explorer[dock]"`. Where it stands once, it is moved.

        Args:
            where: "right", "left", "above" or "below" the notebook; "tab", in its place; or "sidebar", on the page's right,
                which is narrow until you draw it wider.

        Raises:
            ImportError: sidecar is not installed.
            ValueError: There is no such place.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> WeightExplorer(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])).dock("rihgt")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: There is no place 'rihgt'. Did you mean 'right'? There are: 'right', 'left', ...
        """
        self._dock.show(self._repr_mimebundle_(), self._source.catalog.root.name, where)
        self._take_place(is_shown=True)

    def close(self) -> None:
        """Take the panel off the screen and free its widgets; the history stays readable.

        In a notebook that happens by itself where the cell that showed it is run again, no variable, list or other object
        holds it any more, no other cell shows it and no training runs that it follows. `Out` forgets it then as well.
        An explorer that was never displayed needs no closing: like any object, it is freed when nothing holds it.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.close()
        >>> explorer.history.values("tiny/dense/kernel").shape
        (1, 3, 2)
        """
        if "_screen" in vars(self):  # a refused argument leaves an explorer without one
            self._is_displayed = self._may_open = False
            if self._background:
                self._background.close()
            self._examiner.close()
            self._dock.close()
            self._screen.close()
            if self._own_layout:
                self._own_layout.close()
        shown.leave(self)
        super().close()

    # -- text and fallbacks ------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{summary.one_line(self._source.catalog, self._source.past, self._session.status)}>"

    def __str__(self) -> str:
        self._look()
        return summary.plain_text(self._source.catalog, self._source.past, self._session.status)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self.open()
        bundle: dict[str, Any] = (super()._repr_mimebundle_(**kwargs) or {}) if self.comm is not None else {}
        bundle["text/plain"] = str(self)
        png = base64.b64encode(png_of(self.figure())).decode()
        bundle["text/html"] = summary.html_line(self._source.catalog, self._source.past, self._session.status, png)
        bundle["image/png"] = png
        return bundle

    def _ipython_display_(self) -> None:
        if live.is_in_terminal():
            live.display_bundle({"text/plain": str(self)}, self._display_id)
            return
        # Under an id, so that the picture and the text in the saved notebook can be renewed when training ends.
        live.display_bundle(type(self)._repr_mimebundle_(self), self._display_id)
        if self.comm is None:
            return  # closed: a picture and words are all there is
        self._is_displayed = True
        self._take_place(is_shown=True)
        live.call_after_every_cell(_close_replaced)
        self._latest_findings()

    def _take_place(self, *, is_shown: bool) -> None:
        """Note where this one is, and close those that the same cell left before and nobody needs any more."""
        with self._session.reported():
            for reference in shown.take_place(self, is_shown=is_shown):
                _leave(reference)

    def _leave(self) -> None:
        """Close, and have IPython forget it, unless a training is followed or somebody holds it.

        One without widgets needs no closing: Python frees it when nobody holds it.
        """
        if self._screen.has_panel and not (self._is_training() or self._session.is_training or live.is_held(self)):
            self.close()
            live.forget(self)

    # Keras on JAX asks for it before `set_model`, and else for methods of a callback that are not there.
    async_safe = True

    def set_model(self, model: Any) -> None:  # noqa: ARG002 - Keras' signature
        """Refuse to be taken for the callback, which Keras would otherwise do with an error that helps nobody."""
        raise TypeError("The explorer itself is no callback. Pass its callback to fit: callbacks=[explorer.callback].")

    # -- model to history ------------------------------------------------------------------------------------------

    def _record(self, step: Step) -> bool:
        """Copy all weights into the history; called in training. Says whether there is nothing to wait for."""
        _ = self.callback.model  # on the JAX backend this brings the trained values into the model's variables
        is_done = self._live.record(step, self._session.report)
        self._spent_beside(self._live.recorder.seconds_beside())
        return is_done

    def _note_epoch_end(self) -> None:
        _ = self.callback.model  # as above
        self._live.training.note_rates()

    # -- history to findings ---------------------------------------------------------------------------------------

    def _subject(self) -> Subject:
        source = self._source
        return Subject(source.catalog, source.past, source.facts)

    def _latest_findings(self) -> Examined:
        """Return the latest findings, and have newer ones made where somebody may see them."""
        is_seen = self._is_displayed or live.is_in_kernel()
        if is_seen and self._source.is_light and not self._examiner.is_here:
            self._ask_examiner()
        return self._examiner.latest

    def _ask_examiner(self) -> None:
        """Have what is new examined: as the pace allows while a model trains, and else at once."""
        at_rest = not self._session.is_training
        if at_rest and not fit_is_running():
            self._source.refresh_facts()
        self._examiner.ask(at_once=at_rest)

    def _examined(self, seconds: float) -> None:
        self._spent_beside(seconds)
        self._screen.draw(wait=False)

    def _spent_beside(self, seconds: float) -> None:
        if isinstance(self._session, Session):
            self._session.spent_beside(seconds)

    # -- training to screen ----------------------------------------------------------------------------------------

    def _training_began(self, model: Any, activity: Activity) -> None:
        if not self._awaits_cell_end and not self._session.status.is_beside:
            self._awaits_cell_end = live.call_after_cell(self._cell_ended)
        if self._background:
            self._background.check_alone()
        ours = self._live.model
        if model is not None and not share_layers(model, ours):
            raise NotFollowedError(
                f"this callback belongs to the explorer of {ours.name!r}, but fit trains another model, {model.name!r}: "
                f"make a WeightExplorer of that model and pass its callback. Nothing of this fit is recorded"
            )
        self._live.training.begin(activity, model)

    def _cell_ended(self, succeeded: bool) -> None:
        """Notice a training that ended without a word, by Ctrl-C or an error, and renew what the notebook saves."""
        self._awaits_cell_end = False
        session = self._session
        with session.reported():
            if isinstance(session, Session) and session.is_training and not session.status.is_beside:
                if session.is_loop and succeeded:
                    session.loop_ended()
                else:
                    session.finish("interrupted")
            self._renew()

    def _background_ended(self) -> None:
        self._redraw()
        self._renew()

    def _renew(self) -> None:
        """Renew the picture and the text that the notebook saves."""
        if self._is_displayed:
            live.display_bundle(self._repr_mimebundle_(), self._display_id, update=True)

    def _sketch(self) -> bool:
        return self._screen.sketch()


def _leave(reference: weakref.ref[WeightExplorer], *, even_docked: bool = True) -> None:
    explorer = reference()
    if explorer is not None and (even_docked or not explorer._dock.is_open):  # noqa: SLF001 - this module's own class
        explorer._leave()  # noqa: SLF001 - as above


def _close_replaced(_: Any) -> None:
    """Close what the cell that just ended showed in an earlier run, and nobody needs any more; not what is docked."""
    for reference in shown.replaced_by_cell():
        _leave(reference, even_docked=False)


def _check_arguments(model: object, unknown: dict[str, Any]) -> None:
    if unknown:
        raise TypeError("WeightExplorer: " + refusal("keyword", next(iter(unknown)), KEYWORDS))
    _check_model(model)


# The packages of Keras 2, whose models look like those of Keras 3.
KERAS_2 = ("tf_keras.", "tensorflow.python.keras.")


def _check_model(model: object) -> None:
    if isinstance(model, keras.Model):
        return
    kind = model if isinstance(model, type) else type(model)
    package = next((name for name in KERAS_2 for base in kind.__mro__ if f"{base.__module__}.".startswith(name)), None)
    if package:
        raise TypeError(
            f"WeightExplorer needs a model of Keras 3, and {kind.__name__} is one of Keras 2 ({package.rstrip('.')}). "
            f"Build it with `import keras`, not with tf_keras. If it was built with tf.keras, the environment variable "
            f"TF_USE_LEGACY_KERAS makes that Keras 2: start Python without it."
        )
    what = f"the class {model.__name__}" if isinstance(model, type) else f"{type(model).__name__}: {str(model)[:80]}"
    raise TypeError(
        f"WeightExplorer needs a Keras model, and got {what}. Pass the model itself: WeightExplorer(model). "
        f"A single layer can be wrapped: keras.Sequential([layer])."
    )
