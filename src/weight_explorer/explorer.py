"""`WeightExplorer`: builds the parts, lays them out and wires them together."""

from __future__ import annotations

import base64
import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import keras
from matplotlib.figure import Figure

from weight_explorer import live
from weight_explorer.catalog.elements import Elements
from weight_explorer.catalog.labels import Given, check_labels
from weight_explorer.catalog.names import refusal
from weight_explorer.catalog.nodes import Catalog
from weight_explorer.catalog.walk import share_layers
from weight_explorer.deeds import Deeds, check_initializers
from weight_explorer.diagnosis.findings import Examined, Findings
from weight_explorer.examiner import SHARE, Examiner, Subject
from weight_explorer.panels.figure import figure_of, png_of
from weight_explorer.panels.film import check_film, save_film
from weight_explorer.recording.callback import TrainingCallback, fit_is_running
from weight_explorer.recording.frozen import Proof, proofs
from weight_explorer.recording.history import History, parse_memory
from weight_explorer.recording.pace import Pace, check_pace
from weight_explorer.recording.past import Past
from weight_explorer.recording.session import Reporter, Session
from weight_explorer.recording.status import Status
from weight_explorer.recording.time import Step
from weight_explorer.screen import Screen
from weight_explorer.source import LiveSource, Paths, Source, StillSource, checkpoints_of, run_of
from weight_explorer.views import summary
from weight_explorer.views.asked import choice_of, comparison_of, pinned
from weight_explorer.views.brush import brushed
from weight_explorer.views.choice import Choice, resolve
from weight_explorer.views.reading import kept_steps
from weight_explorer.views.scene import compose
from weight_explorer.workbench import Frozen, Workbench

KEYWORDS = ("record_every", "max_overhead", "memory", "labels")


class WeightExplorer(ipywidgets.VBox):
    """Shows every weight of a Keras model and keeps showing it while the model learns.

    As the last line of a Jupyter cell it displays itself: a tree of the layers, a tab for each role (kernel, recurrent, bias
    and whatever else a layer holds) and pictures of the chosen weight. Give `explorer.callback` to `fit` and the panel
    follows the training and answers clicks while the cell runs. Without a kernel it records all the same.

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
        history = History(parse_memory(memory))
        source = LiveSource(model, history, check_labels(labels))
        session = Session(history, Pace(record_every, max_overhead), record=self._record, draw=self._redraw)
        self._bench = Workbench(source, session, self._is_training)
        self._deeds = Deeds(self._bench)
        callback = TrainingCallback(session, began=self._training_began)
        self._open(source, session, callback, share=min(SHARE, max_overhead / 2))

    def _open(
        self, source: Source, session: Reporter, callback: TrainingCallback | None = None, *, share: float = SHARE
    ) -> None:
        """Put what a source has on screen; `share` is what examining may take of the time of a training."""
        self._callback = callback
        self._source = source
        self._session = session
        self._display_id = uuid.uuid4().hex
        self._is_displayed = False
        self._awaits_cell_end = False
        self._examiner = Examiner(self._subject, report=session.note, examined=self._examined, share=share)
        self._screen = Screen(source, session, look=self._look, findings=self._latest_findings, deeds=self._deeds)
        self._panel = self._screen.panel
        super().__init__([self._panel.box])
        self.add_class("weight-explorer")
        self._look()
        self._screen.draw()

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
            files: A glob such as "checkpoint/*.keras" (`.weights.h5` and `.h5` as well), a folder, a list of paths, or the
                pattern that was given to `keras.callbacks.ModelCheckpoint`, with its `{epoch}`.
            memory: Bound on what is held of files that were read.
            labels: As for the constructor.

        Raises:
            ValueError: There are no such files, or one does not fit the model; the message names the file, the weight and
                both shapes. A damaged file is left out, which the panel says.

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
            model: The model, for `restore`; without it everything can be looked at all the same.
            labels: As for the constructor; those given when it was recorded are in the file.

        Raises:
            ValueError: The file is no recorded run, or not one of this model; the message says where they differ.
            OSError: It cannot be read.
        """
        if model is not None:
            _check_model(model)
        return cls._of_the_past(run_of(path, model, check_labels(labels)), "run")

    @classmethod
    def _of_the_past(cls, source: StillSource, phase: str) -> WeightExplorer:
        explorer = cls.__new__(cls)
        explorer._bench = explorer._deeds = None  # noqa: SLF001 - its own
        status = Status(phase, problem=" ".join(source.past.notes), records=source.past.num_recorded)
        cls._open(explorer, source, Reporter(lambda: cls._redraw(explorer), status))
        return explorer

    # -- public ----------------------------------------------------------------------------------------------------

    @property
    def callback(self) -> TrainingCallback:
        """The Keras callback to give to `fit`; the same object serves fit after fit.

        Raises:
            ValueError: This explorer shows a training that is over.
        """
        if self._callback is None:
            raise ValueError(
                "This explorer shows a training that is over, and records no other. "
                "To train: explorer = WeightExplorer(model), and model.fit(..., callbacks=[explorer.callback])."
            )
        return self._callback

    @property
    def catalog(self) -> Catalog:
        """What the model holds: `catalog.root`, the tree of layers, and `catalog.weights`, from key to `Weight`."""
        if not self._is_training():
            self._source.refresh(self._session.report)
        return self._source.catalog

    @property
    def history(self) -> Past:
        """What is known of the past: `steps(key)`, `values(key)`, `series(key)`, `histograms(key)`, `to_frame()`, `save()`."""
        return self._source.past

    @property
    def selection(self) -> Elements | None:
        """What is selected in the matrix: its `key`, its `mask` of the whole weight's shape, and `words`; None for nothing.

        `explorer.freeze(explorer.selection.key, explorer.selection)` freezes it. So do `assign` and `unfreeze` take it.
        """
        choice = self._screen.choice
        weight = resolve(self._source.catalog, choice).weight
        return brushed(weight, choice.brush) if weight else None

    @property
    def findings(self) -> Findings:
        """What moved, what did not and why, and what looks like trouble: computed now, the gravest first.

        The panel shows those of the weight on screen, and marks layers in its tree, by itself; of checkpoints of more than a
        gigabyte in all, once they were asked for here.

        Each `Finding` has a sentence, its evidence in numbers, the weights it is true of, and what usually helps;
        `explorer.findings.to_frame()` has one row for each.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model)
        >>> x = np.array([[1.0, 0.0, 2.0]] * 8)
        >>> history = model.fit(x, np.ones((8, 2)), batch_size=2, callbacks=[explorer.callback], verbose=0)
        >>> [(finding.rule, finding.places[0].entries) for finding in explorer.findings]
        [('zero input', (1,))]
        """
        _ = self.catalog  # reads the model's layers anew if they changed
        if not self._is_training():
            self._source.learn(anew=True)
        return self._examiner.examine()

    def record(self, logs: Mapping[str, Any] | None = None, *, epoch: int | None = None) -> None:
        """Note one step of a training loop of your own, as `fit` does by the callback: call it after every batch.

        It records and draws as often as `record_every` says, so most calls cost next to nothing. Errors of ours are shown
        in the panel and never raised. The loop has ended when its cell has.

        Args:
            logs: Loss and metrics of this step, kept with the record.
            epoch: Counted from 0; where it changes, an epoch has ended, which is always recorded.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> for epoch in range(2):
        ...     for batch in range(5):
        ...         loss = model.train_on_batch(np.ones((8, 3)), np.zeros((8, 2)))
        ...         explorer.record({"loss": loss}, epoch=epoch)
        >>> [step.epoch for step in explorer.history.records]
        [0, 1]
        """
        callback = self.callback
        with self._session.reported():
            if self._is_training():
                raise ValueError("fit runs with the callback, which records already: record() is for loops of your own")
            callback.step(epoch, logs)

    def restore(self, step: int) -> None:
        """Put the values of a record back into the model, bit by bit.

        Args:
            step: The number of a record that keeps the values of all weights (see `history.steps`).

        Raises:
            ValueError: It does not, or there is no model; the message says what is missing. The model is as it was.
            RuntimeError: A training is running.
        """
        if self._is_training() or fit_is_running():
            raise RuntimeError("A training is running, and would go on from other weights. Restore when it has ended.")
        if self._source.model is None:
            raise ValueError("There is no model to restore into. Give it: WeightExplorer.load(path, model).")
        self._source.refresh(self._session.report)
        self._source.restore(step)
        self._look("restored")
        if self._bench:
            self._bench.follow()
        self._screen.draw()

    # -- by hand ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def training(self, epochs: int | None = None, batches: int | None = None) -> Iterator[None]:
        """Mark where a training loop of your own begins and ends; `explorer.record()` in it notes each step.

        The state before is a record, and so is what the loop left. A loop that an error breaks off, or Ctrl-C, is shown as
        interrupted, and the error goes on.

        Args:
            epochs: How many there will be, where you know.
            batches: How many batches an epoch has, where you know.

        Raises:
            RuntimeError: A training is running already.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> with explorer.training(epochs=2):
        ...     for epoch in range(2):
        ...         loss = model.train_on_batch(np.ones((8, 3)), np.zeros((8, 2)))
        ...         explorer.record({"loss": loss}, epoch=epoch)
        >>> [step.epoch for step in explorer.history.records]
        [0, 1, 2]
        """
        callback, session = self.callback, self._session
        if self._is_training() or session.is_training:
            raise RuntimeError("A training is running already: explorer.training() marks one loop of your own at a time.")
        with session.reported():
            callback.begin_loop(epochs, batches)
        try:
            yield
        except BaseException:
            self._loop_left("interrupted")
            raise
        self._loop_left("finished")

    def _loop_left(self, phase: str) -> None:
        with self._session.reported():
            if self.callback.is_in_loop:
                self.callback.end_loop(phase)

    def freeze(self, key: str, where: Any = None) -> Frozen:
        """Keep elements of a weight exactly as they are, bit by bit, at every step of an optimizer.

        It is done by a constraint on the variable, on top of the one that it has: in `fit`, `train_on_batch` and loops of
        your own that use a Keras optimizer's `apply`, whatever its momentum, weight decay or averaging. Further freezes of
        the same weight add up. Models and saved files carry no trace: a model that is loaded or cloned has to be frozen anew.
        It costs a copy of the weight, and one pass over it at every step.

        What it cannot hold: `variable.assign`, `set_weights` and the like change the elements, until the next step puts them
        back. `explorer.assign`, `reinitialize`, `undo` and `restore` change what they are held at. A `tf.function` of your
        own that was traced before a weight's first freeze cannot know of it, and has to be made again.

        During a `fit` with `explorer.callback` it holds from the next step on, or, where it is asked for from another
        thread, from the end of the batch; the answer says so.

        Args:
            key: The weight, as in `explorer.catalog.weights`.
            where: None for all; an index such as `np.s_[0:3, :]` or "0:3, :"; a boolean mask of the weight's shape; the name
                of a block such as "forget gate", or a tuple of several; or `explorer.selection`.

        Raises:
            ValueError: There is no such weight, it has no such elements, or no optimizer moves it anyway.
            RuntimeError: A training runs that it cannot come to between two steps.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("adam", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> explorer.freeze("tiny/dense/kernel", "0:2, :").count
        4
        >>> history = model.fit(np.ones((8, 3)), np.zeros((8, 2)), callbacks=[explorer.callback], verbose=0)
        >>> print(explorer.frozen()[0])
        tiny/dense/kernel: 0 of 4 frozen elements moved from record 0 to record 1 (0:2, :)
        """
        frozen = self._workbench.freeze(key, where)
        self._redraw()
        return frozen

    def unfreeze(self, key: str | None = None, where: Any = None) -> tuple[Frozen, ...]:
        """Let frozen elements train again; a weight of which none is left has its own constraint back.

        Args:
            key: The weight; None for all that were frozen by `freeze`.
            where: Which elements, as for `freeze`; None for all.

        Returns:
            What is left, for each weight.

        Raises:
            ValueError: None of them is frozen.
            RuntimeError: A training runs that it cannot come to between two steps.
        """
        left = self._workbench.unfreeze(key, where)
        self._redraw()
        return left

    def frozen(self, step: int | None = None) -> tuple[Proof, ...]:
        """Prove from the records that what is frozen has not moved, by `freeze` or by a layer's `trainable = False`.

        Args:
            step: The number of a record, the newest where none is given.

        Returns:
            For each frozen part, how many of its elements differ in any bit from what they were when they were frozen.
        """
        _ = self.catalog  # notes which layers are frozen now
        return proofs(self.history.snapshot(), step)

    def assign(self, key: str, where: Any, value: Any) -> None:
        """Set elements of a weight to a value; `undo` takes it back. It is a record on the time axis.

        Frozen elements among them are set all the same, and stay frozen at the new value. What the optimizer has noted of
        them, such as momentum, stays.

        Args:
            key: The weight, as in `explorer.catalog.weights`.
            where: Which elements, as for `freeze`; None for all.
            value: A number, or an array that NumPy broadcasts to the elements. With a mask it may have the weight's shape.

        Raises:
            ValueError: There is no such weight or element, or the value does not fit its shape or type; nothing is changed.
            TypeError: The value is no real number; nothing is changed.
            RuntimeError: A training is running.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.assign("tiny/dense/bias", 0, 0.5)
        >>> model.get_layer("dense").bias.numpy().tolist(), explorer.history.records[-1].name
        ([0.5, 0.0], 'assigned 0.5 to 1 element (0) of tiny/dense/bias')
        """
        self._workbench.assign(key, where, value)
        self._screen.draw()

    def reinitialize(self, key: str, initializer: Any = None, seed: int | None = None) -> None:
        """Draw a weight anew; `undo` takes it back. It is a record on the time axis.

        Frozen elements are drawn anew too, and stay frozen at the new values.

        Args:
            key: The weight, as in `explorer.catalog.weights`.
            initializer: None for what its layer does when it is built; the name of a Keras initializer, or one itself; or any
                function `(shape, dtype)`.
            seed: The same gives the same values. None gives new ones each time, but for an initializer given with a seed.

        Raises:
            ValueError: There is no such weight, or the initializer does not fit it; nothing is changed.
            TypeError: `initializer` is none; nothing is changed.
            RuntimeError: A training is running.
        """
        self._workbench.reinitialize(key, initializer, seed)
        self._screen.draw()

    def undo(self) -> str:
        """Undo the latest edit by `assign` or `reinitialize` that is not undone yet, and say which it was.

        The elements it changed get back what they were before it, bit by bit, whatever has happened to them since; others stay
        as they are. How far back one can go is bounded by a quarter of `memory`. It is a record on the time axis.

        Raises:
            ValueError: There is none, or the model has the weight no more.
            RuntimeError: A training is running.
        """
        undone = self._workbench.undo()
        self._screen.draw()
        return undone

    @property
    def initializers(self) -> Mapping[str, Any]:
        """Initializers of your own that the view "initializer" offers beside those of Keras, by name.

        Each is a Keras initializer or any function `(shape, dtype)`.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.initializers = {"halves": lambda shape, dtype: keras.ops.full(shape, 0.5, dtype)}
        >>> explorer.select("dense", role="kernel", view="initializer", initializer="halves", seed=3)
        """
        return {} if self._deeds is None else dict(self._deeds.initializers)

    @initializers.setter
    def initializers(self, given: Mapping[str, Any]) -> None:
        _ = self._workbench  # says that there is no model to change
        check_initializers(given)
        self._deeds.initializers = dict(given)
        self._deeds.forget_trial()
        self._ask(lambda before: replace(before, initializers=tuple(given)))

    @property
    def _workbench(self) -> Workbench:
        if self._bench is None:
            raise ValueError("This explorer shows a training that is over. To change its model: WeightExplorer(model).")
        return self._bench

    def film(self, path: str | os.PathLike[str], *, frames_per_second: float = 5) -> None:
        """Save what is on screen as a film over all records that keep values: a GIF, with the same scale in every frame.

        Args:
            path: The file, ending in `.gif`.
            frames_per_second: How fast it plays, above 0 and at most 50.

        Raises:
            ValueError: There is nothing to play, or an argument has no meaning.
        """
        choice, catalog, past = self._screen.choice, self._source.catalog, self._source.past.snapshot()
        weight = resolve(catalog, choice).weight
        numbers = kept_steps(weight, past) if weight else ()
        check_film(path, frames_per_second, len(numbers))

        def figures() -> Iterator[Figure]:
            for number in numbers:
                scene = compose(catalog, past, replace(choice, step=number), self._session.status)
                yield figure_of(scene.picture, scene.name)

        bar = keras.utils.Progbar(2 * len(numbers), unit_name="frame")
        save_film(path, figures, frames_per_second, on_frame=lambda: bar.add(1))

    def select(
        self,
        layer: str | keras.layers.Layer | None = None,
        role: str | None = None,
        weight: str | None = None,
        view: str | None = None,
        quantity: str | None = None,
        step: int | str | None = None,
        block: str | tuple[str, ...] | None = None,
        **options: str | bool | int,
    ) -> None:
        """Choose what the panel shows, as clicking does; what is not given stays.

        Args:
            layer: A layer, its name, or its path where the name is not unique.
            role: Such as "kernel", "recurrent", "bias", "gamma".
            weight: A weight's key, where the layer has several of the role.
            view: "matrix", "filters", "distribution", "over_time", "units", "compare", "spectrum" or "initializer"; not every
                weight has all. "overview" is of the whole model: a row for each weight, a column for each record.
            quantity: "value", "since_start", "since_last" or, where a record to compare with was chosen, "since_record".
            step: The number of a record whose values are kept (see `history.steps`), or "live" to follow the newest.
            block: A part of the weight such as "forget gate", "head 1" or "input bias", or several; "all" for the whole.
            **options: Those of the view, as they stand above the picture. Each role keeps its own.

        Raises:
            ValueError: There is nothing of that name; the message names the nearest match.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.select("dense", role="bias", view="distribution")
        >>> explorer.select("dens")
        Traceback (most recent call last):
            ...
        ValueError: There is no layer 'dens'. Did you mean 'dense'? There are: 'tiny', 'dense'.
        """
        asked = {"layer": layer, "role": role, "weight": weight, "block": block}
        asked |= {"view": view, "quantity": quantity, "step": step, "options": options}
        self._ask(lambda before: choice_of(self._source.catalog, self._source.past.snapshot(), before, asked))

    def compare(self, against: int | None, step: int | str | None = None) -> None:
        """Show how the weights differ from those of a record, as the Compare button does; None stops it.

        Args:
            against: The number of a record whose values are kept (see `history.steps`).
            step: The record that is compared with it, as for `select`.

        Raises:
            ValueError: The values of a record are not kept.
        """
        self._ask(lambda before: comparison_of(self._source.catalog, self._source.past.snapshot(), before, against, step))

    def _ask(self, change: Callable[[Choice], Choice]) -> None:
        _ = self.catalog  # reads the model's layers anew if they changed
        self._screen.choose(change)
        self._screen.answer()

    def pin(self, weight: str, index: tuple[int, ...]) -> None:
        """Follow one element over time, as a click on its cell does; one that is pinned is followed no longer.

        Args:
            weight: The weight's key.
            index: One index for each axis of the whole weight.

        Raises:
            ValueError: There is no such element.
        """
        self._ask(lambda before: pinned(self._source.catalog, before, weight, index))

    def figure(self) -> Figure:
        """Return what is on screen as a new matplotlib figure, to be saved as PNG, SVG or PDF with its `savefig`.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> WeightExplorer(model).figure().get_size_inches().tolist()
        [8.0, 4.5]
        """
        self._look()
        scene = self._screen.scene()
        return figure_of(scene.picture, scene.name)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        r"""Return the numbers that are drawn as CSV, and write them to a file if one is given.

        A matrix is as drawn, its rows and columns named; charts have a row for each point. Lines above the table that begin
        with `#` say what it is: `pandas.read_csv(path, comment="#")` passes over them.

        Args:
            path: The file.

        Raises:
            ValueError: There is no picture; the message says why.
            OSError: The file cannot be written.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.select("dense", role="bias")
        >>> print(explorer.to_csv())
        # tiny/dense / bias
        # The value, at the start. No number but zero has a color.
        # One number for each element.
        "","units 0","units 1"
        "",0.0,0.0
        <BLANKLINE>
        """
        self._look()
        text = self._screen.exported("csv").content.decode()
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def code(self) -> str:
        """Return Python that draws what is on screen with NumPy and matplotlib, without the widget.

        It reads the values from `model`, or from `explorer.history` where they are of the past or a training is running.

        Raises:
            ValueError: There is no picture; the message says why.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> print(WeightExplorer(model).code())             # doctest: +ELLIPSIS
        import matplotlib.pyplot as plt
        import numpy as np
        <BLANKLINE>
        # The value, at the start. Colors reach ...
        values = np.asarray(model.get_layer("dense").kernel)
        cells = values
        ...
        """
        self._look()
        return self._screen.exported("code").content.decode()

    def close(self) -> None:
        """Take the panel off the screen and free its widgets; the history stays readable."""
        if "_screen" in vars(self):  # a refused argument leaves an explorer without one
            self._is_displayed = False
            self._examiner.close()
            self._screen.close()
        super().close()

    # -- text and fallbacks ------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{summary.one_line(self._source.catalog, self._source.past, self._session.status)}>"

    def __str__(self) -> str:
        self._look()
        return summary.plain_text(self._source.catalog, self._source.past, self._session.status)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs) or {}
        bundle["text/plain"] = str(self)
        png = base64.b64encode(png_of(self.figure())).decode()
        bundle["text/html"] = summary.html_line(self._source.catalog, self._source.past, self._session.status, png)
        bundle["image/png"] = png
        return bundle

    def _ipython_display_(self) -> None:
        # Under an id, so that the picture and the text in the saved notebook can be renewed when training ends.
        live.display_bundle(self._repr_mimebundle_(), self._display_id)
        self._is_displayed = True
        self._latest_findings()

    # Keras on JAX asks for it before `set_model`, and else for methods of a callback that are not there.
    async_safe = True

    def set_model(self, model: Any) -> None:  # noqa: ARG002 - Keras' signature
        """Refuse to be taken for the callback, which Keras would otherwise do with an error that helps nobody."""
        raise TypeError("The explorer itself is no callback. Pass its callback to fit: callbacks=[explorer.callback].")

    # -- model to history ------------------------------------------------------------------------------------------

    def _record(self, step: Step) -> bool:
        """Copy all weights into the history; called in training. Says whether there is nothing to wait for."""
        _ = self.callback.model  # on the JAX backend this brings the trained values into the model's variables
        return self._live.record(step, self._session.report)

    @property
    def _live(self) -> LiveSource:
        if not isinstance(self._source, LiveSource):
            raise TypeError("There is no live model.")
        return self._source

    def _look(self, kind: str = "outside") -> None:
        """Outside training, read the model as it is now if it differs from the last record."""
        if self._is_training():
            return
        session = self._session
        self._source.refresh(session.report)
        if not isinstance(session, Session):
            return
        if session.broke_off():
            self._live.record_rest(session.place)
        selection = resolve(self._source.catalog, self._screen.choice)
        weight = selection.weight
        every = self._source.catalog.weights if selection.is_overview else ()
        for key in [weight.whole] if weight else every:
            if noticed := self._source.look(key, session.place, kind):
                session.noticed(noticed)
                return

    def _is_training(self) -> bool:
        """Whether a training runs elsewhere than where this is asked; notices a `fit` that broke off without a word."""
        session = self._session
        if not isinstance(session, Session) or not session.is_training:
            return False
        if session.is_loop:
            return threading.current_thread() is not threading.main_thread()
        if fit_is_running():
            return True
        session.finish("interrupted")
        return False

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
            self._source.learn()
        self._examiner.ask(at_once=at_rest)

    def _examined(self, seconds: float) -> None:
        if isinstance(self._session, Session):
            self._session.examined(seconds)
        self._screen.draw(wait=False)

    # -- training to screen ----------------------------------------------------------------------------------------

    def _training_began(self, model: Any) -> None:
        if not self._awaits_cell_end:
            self._awaits_cell_end = live.call_after_cell(self._cell_ended)
        ours = self._live.model
        if model is not None and not share_layers(model, ours):
            raise ValueError(
                f"this callback belongs to the explorer of {ours.name!r}, but fit trains another model, {model.name!r}: "
                f"make a WeightExplorer of that model and pass its callback"
            )

    def _cell_ended(self, succeeded: bool) -> None:
        """Notice a training that ended without a word, by Ctrl-C or an error, and renew what the notebook saves."""
        self._awaits_cell_end = False
        session = self._session
        with session.reported():
            if isinstance(session, Session) and session.is_training:
                if session.is_loop and succeeded:
                    session.loop_ended()
                else:
                    session.finish("interrupted")
            if self._is_displayed:
                live.display_bundle(self._repr_mimebundle_(), self._display_id, update=True)

    def _redraw(self) -> None:
        if not self._session.is_training:
            self._look()
        self._screen.draw(wait=False)


def _check_arguments(model: object, unknown: dict[str, Any]) -> None:
    if unknown:
        raise TypeError("WeightExplorer: " + refusal("keyword", next(iter(unknown)), KEYWORDS))
    _check_model(model)


def _check_model(model: object) -> None:
    if not isinstance(model, keras.Model):
        what = f"the class {model.__name__}" if isinstance(model, type) else f"{type(model).__name__}: {str(model)[:80]}"
        raise TypeError(
            f"WeightExplorer needs a Keras model, and got {what}. Pass the model itself: WeightExplorer(model). "
            f"A single layer can be wrapped: keras.Sequential([layer])."
        )
