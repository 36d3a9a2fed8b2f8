"""`WeightExplorer`: the class that users call. It makes the parts, says which event goes to which handler, and delegates.

* A batch: callback → session → tracker → history. Then `session.changed` → examiner → screen.
* A click: panel → screen, which takes the choice. Then `screen.answering` → tracker → examiner, and the screen draws.
* An edit: explorer or panel → editor → history. Then the screen draws.
"""

from __future__ import annotations

import base64
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NoReturn

import ipywidgets
import keras
import traitlets
from matplotlib.figure import Figure

from weight_explorer import live, shown
from weight_explorer.catalog.elements import Elements
from weight_explorer.catalog.labels import Given, check_labels
from weight_explorer.catalog.names import refusal
from weight_explorer.catalog.nodes import Catalog
from weight_explorer.copies import CANNOT_BE_COPIED, CopyRecipe, ExplorerCallback, Settings, WarningLog
from weight_explorer.diagnosis.findings import Findings
from weight_explorer.dock import Dock
from weight_explorer.examiner import Examiner, Subject
from weight_explorer.panels.figure import figure_of, png_of
from weight_explorer.panels.panel import Panel
from weight_explorer.recording.frozen import Proof, proofs
from weight_explorer.recording.history import parse_memory
from weight_explorer.recording.past import Past
from weight_explorer.screen import Screen
from weight_explorer.source import Paths, check_model, checkpoints_of, run_of
from weight_explorer.tracker import IS_OVER, LiveTracker, Tracker, track_files
from weight_explorer.training import Training
from weight_explorer.views import summary
from weight_explorer.views.asked import choice_of, comparison_of, pinned
from weight_explorer.views.choice import Choice
from weight_explorer.views.differences import Differences, differences_of
from weight_explorer.workbench import Frozen

KEYWORDS = ("record_every", "max_overhead", "memory", "labels")


class WeightExplorer(ipywidgets.VBox):
    """Shows every weight of a Keras model, and keeps up with the model while it trains.

    Put the explorer on the last line of a Jupyter cell to display it: a tree of the layers, a tab for each role (kernel,
    recurrent, bias and whatever else a layer holds), and pictures of the selected weight. Pass `explorer.callback` to `fit`,
    and the panel follows the training and answers clicks while the cell runs. In a script, without a Jupyter kernel, the
    explorer records in the same way and shows nothing.

    | to | use |
    |---|---|
    | look at weights | the panel; `select`, `compare`, `pin`, `selection`, `findings`, `dock`, `print(explorer)` |
    | train | `callback` with `model.fit`; `fit` in the background; `record` and `training` in your own loop |
    | read | `catalog` (what the model holds), `history` (every record: values, statistics, histograms, `to_frame`, `save`) |
    | change weights | `freeze`, `unfreeze`, `frozen`; `assign`, `reinitialize`, `undo`, `initializers`; `restore` |
    | export | `figure`, `to_csv`, `code`, `film` |
    | look at an earlier training | `from_checkpoints`, `load` |

    Args:
        model: The Keras model. If it is not built yet, the panel fills in once it is.
        record_every: When to record during training: "auto" (as often as `max_overhead` allows), "epoch", or a number of
            batches. The state before training and the end of every epoch are always recorded.
        max_overhead: The share of the training time that "auto" recording may cost, above 0 and at most 1.
        memory: The most memory that the history may take, in bytes or as text such as "256 MB".
        labels: Names for the entries of axes, such as a vocabulary, feature names or class names. A key is a layer or the key
            of a weight (then its axis of that length is labeled), a pair `(layer, axis)`, or the name of an axis that only one
            layer has. Names of units serve every gate of a recurrent layer. For example
            `{("embedding", "input_dim"): vocabulary, "out": ["cat", "dog"]}`.

    Raises:
        TypeError: `model` is not a Keras model, or a keyword is unknown.
        ValueError: An argument is out of range or does not fit; the message says what was expected.

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
        if unknown:
            raise TypeError("WeightExplorer: " + refusal("keyword", next(iter(unknown)), KEYWORDS))
        self._callback: ExplorerCallback | None = None
        if isinstance(model, Tracker):  # from `from_checkpoints` and `load`, which a subclass inherits with this constructor
            self._track(model)
        else:
            check_model(model)
            settings = Settings(record_every, max_overhead, memory, check_labels(labels))
            tracker = LiveTracker(model, settings)
            recipe = CopyRecipe(type(self), settings, WarningLog())
            self._callback = ExplorerCallback(tracker.session, explorer=self, recipe=recipe)
            self._track(tracker)
            self._follow(tracker, self._callback)
        self._open()

    @classmethod
    def from_checkpoints(
        cls, model: keras.Model, files: Paths, *, memory: int | str = "256 MB", labels: Given | None = None
    ) -> WeightExplorer:
        """Explore a training from its checkpoint files: each file becomes one record, sorted by epoch.

        The model is left as it is, and only what you look at is read from the files. `explorer.restore(step)` puts the values
        of one of them into the model.

        Args:
            model: The model that the checkpoints belong to, built.
            files: A glob such as "checkpoint/*.keras", a folder, a list of paths, or the pattern given to
                `keras.callbacks.ModelCheckpoint`, with its `{epoch}`. Formats: `.keras`, `.weights.h5`, `.h5`, and the
                `.weights.json` of sharded weights.
            memory: The most memory that values read from the files may take.
            labels: As for the constructor.

        Raises:
            ValueError: There are no such files, or one does not fit the model; the message names the file, the weight and
                both shapes. A damaged file, or one that is not a Keras checkpoint, is left out, and the panel says so.

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
        source = checkpoints_of(model, files, parse_memory(memory), check_labels(labels))
        return cls._over(track_files(source, "checkpoints"))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], model: keras.Model | None = None, *, labels: Given | None = None
    ) -> WeightExplorer:
        """Explore a run that `explorer.history.save(path)` wrote, with or without its model.

        Args:
            path: The file.
            model: The model, which only `restore` needs. It may be reloaded, cloned or built again: weights are matched by
                their place in the model, and keep the keys that they have in the run.
            labels: As for the constructor. Labels that were given for the recording are in the file.

        Raises:
            ValueError: The file is not a recorded run, or belongs to another model; the message says where they differ.
            OSError: The file cannot be read.

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
        return cls._over(track_files(run_of(path, model, check_labels(labels)), "run"))

    @classmethod
    def _over(cls, tracker: Any) -> WeightExplorer:
        """Make an explorer of a training that is over: the constructor takes its tracker in the place of the model."""
        return cls(tracker)

    # -- wiring ----------------------------------------------------------------------------------------------------

    def _track(self, tracker: Tracker) -> None:
        """Make the parts that every explorer has, and say which event goes to which handler."""
        self._tracker = tracker
        self._source = source = tracker.source
        self._session = session = tracker.session
        self._deeds = tracker.deeds
        self._examiner = examiner = Examiner(
            lambda: Subject(source.catalog, source.past, source.facts), report=session.note, share=tracker.examining_share
        )
        self._screen = screen = Screen(source, session, findings=lambda: examiner.latest, deeds=tracker.deeds)
        # There is a record, or the status changed:
        session.changed.subscribe(tracker.update_at_rest, self._examine, screen.draw_if_seen)
        # A click is about to be answered, which draws:
        screen.answering.subscribe(tracker.update_at_rest, self._examine)
        # There are new findings:
        examiner.examined.subscribe(session.spent_beside, lambda _: screen.draw(wait=False))

    def _follow(self, tracker: LiveTracker, callback: ExplorerCallback) -> None:
        """Say what a training's events lead to."""
        tracker.session.sketch = self._screen.sketch
        callback.began.subscribe(self._await_end_of_cell, tracker.begin)
        callback.stepped.subscribe(tracker.source.training.note_step)
        tracker.background.ended.subscribe(tracker.session.changed.publish, self._renew_output)

    def _open(self) -> None:
        """Make the widget itself, and look at the model.

        The widgets of the panel are made when they are needed: ipywidgets holds every widget that was opened, and with them the
        model.
        """
        self._dock = Dock()
        self._display_id = uuid.uuid4().hex
        self._awaits_end_of_cell = False
        self._own_layout: ipywidgets.Layout | None = None
        self._may_open = False
        super(ipywidgets.Box, self).__init__()  # that of VBox would set `children`
        self._may_open = True
        self.add_class("weight-explorer")
        self._tracker.update()
        self._take_place(is_shown=False)

    def _examine(self) -> None:
        """Have what is new examined, if somebody may see the findings: at once, or as the pace of a running training allows."""
        with self._session.noted():
            if self._screen.is_watched and self._source.is_light:
                is_at_rest = not self._session.is_training
                if is_at_rest:
                    self._tracker.refresh_facts()
                self._examiner.ask(at_once=is_at_rest)

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def catalog(self) -> Catalog:
        """What the model holds: `catalog.root` is the tree of layers, `catalog.weights` maps each key to its `Weight`.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> [(key, weight.role, weight.shape_text) for key, weight in explorer.catalog.weights.items()]
        [('tiny/dense/kernel', 'kernel', '(3, 2) = (input_dim, units)'), ('tiny/dense/bias', 'bias', '(2,) = (units,)')]
        """
        return self._tracker.catalog

    @property
    def history(self) -> Past:
        """What was recorded: `steps(key)`, `values(key)`, `series(key)`, `histograms(key)`, `to_frame()`, `save(path)`.

        Unless a training is running, reading the history first records the model as it is now, if its weights changed.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.history.values("tiny/dense/kernel").shape  # before training, and after each of the two epochs
        (3, 3, 2)
        """
        return self._tracker.history

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def selection(self) -> Elements | None:
        """The elements selected in the matrix, or None: their `key`, `words` and `mask`, which has the shape of the weight.

        `freeze`, `unfreeze` and `assign` accept it: `explorer.freeze(explorer.selection.key, explorer.selection)`.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.selection is None  # to select, hold Shift and use the mouse or the arrow keys
        True
        """
        return self._screen.selection

    @property
    def findings(self) -> Findings:
        """What the weights show about the training: what moved, what did not and why, and signs of trouble, worst first.

        They are computed when you ask. The panel does the same on its own: it lists the findings about the selected weight and
        marks layers in the tree. For checkpoints of more than a gigabyte in all, it waits until you have asked here.

        Each `Finding` has a sentence, its evidence in numbers, the weights it is about, and what usually helps.
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
        [('rows not moving', (1,))]
        """
        self._tracker.update()
        self._tracker.refresh_facts()
        return self._examiner.examine()

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
        """Choose what the panel shows, as clicks do. Whatever you leave out stays as it is.

        Args:
            layer: A layer, its name, or its path if several layers have that name.
            role: For example "kernel", "recurrent", "bias", "gamma".
            weight: The key of a weight, or any unique end of it, such as "dense/kernel". It selects the layer and role too.
            view: "matrix", "filters", "distribution", "over_time", "units", "compare", "spectrum" or "initializer"; which of
                them there are depends on the weight. "overview" shows the whole model: a row per weight, a column per record.
            quantity: "value", "since_start", "since_last", or "since_record" once a record to compare with is selected.
            step: The number of a record whose values are kept (see `history.steps`), or "live" to follow the newest record.
            block: A part of the weight, such as "forget gate", "head 1" or "input bias", or several; "all" for the whole.
            **options: The options of the view, as they appear above the picture; see the table. Each role remembers its own.

        Raises:
            ValueError: A name or number is unknown; the message suggests the nearest match.

        | view | options and their values; a weight may offer fewer |
        |---|---|
        | `matrix` | `rows`, `columns`: as_is, norm, change, mean, similarity, label |
        | | `colors`: drawn, sigma, time; `cell`: extreme, mean |
        | | `layout`: grid, slice; `down`, `across`: an axis; `axis_0` to `axis_7`: a number, on an axis not shown |
        | `filters` | `channels`: rgb, rows, strongest, one, norm, mean, filter; `channel`, `filter`, `page`: a number |
        | | `sort`: number, norm, change, similarity, gamma; `colors`: common, own |
        | `distribution` | `form`: histogram, ridges, percentiles; `blocks`: together, overlaid, beside |
        | | `initializer`, `log`: True, False |
        | `over_time` | `statistic`: spread, mean, std, minimum, maximum, median, q01, q99, norm, change, update_ratio, moved,
            zeros, nans, infs; `lines`: this, layer, role, blocks; `below`: logs, sizes, nothing; `log`: True, False |
        | `units` | `rank`: filters, channels, units, gates, inputs, and the like; `by`: magnitude, value, change |
        | | `window`: True, False; `unit`: a number |
        | `compare` | `against`: start, before, record, or "weight" and a key; `show`: all, dots; `compute`: now |
        | `spectrum` | `show`: values, vectors; `vector`: a number; `random`: now, start; `log`: True, False; `compute`: now |
        | `initializer` | `initializer`: own, a class such as HeNormal, or one of `explorer.initializers`; `seed`: a number |
        | | `value`, `mean`, `stddev`, `minval`, `maxval`, `gain`, `scale`, `mode`, `distribution`: as in their menus |
        | `overview` | `statistic`: update_ratio, batch_ratio, since_start, moved, norm, std, largest_change, zeros, broken |
        | | `rows`: common, own |

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.select("dense", role="bias", view="distribution")
        >>> explorer.select("dense", role="kernel", view="matrix", rows="norm", columns="mean")
        >>> explorer.select("dens")
        Traceback (most recent call last):
            ...
        ValueError: There is no layer 'dens'. Did you mean 'dense'? There are: 'tiny', 'dense'.
        """
        asked = {"layer": layer, "role": role, "weight": weight, "block": block}
        asked |= {"view": view, "quantity": quantity, "step": step, "options": options}
        self._choose(lambda before: choice_of(self._source.catalog, self._source.past.snapshot(), before, asked))

    def compare(self, against: int | None, step: int | str | None = None) -> Differences | None:
        """Compare the weights with those of an earlier record: the panel shows it, as its Compare button does.

        Args:
            against: The number of a record whose values are kept (see `history.steps`). None stops comparing.
            step: The record to compare with it, as for `select`; by default the newest, which is the model as it is now.

        Returns:
            For every weight how many elements differ and by how much, with `to_frame()`; None if `against` is None.

        Raises:
            ValueError: The values of a record are not kept.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.select("dense", view="matrix")
        >>> explorer.compare(0)  # how every weight differs from the start  # doctest: +ELLIPSIS
        Record 2 (epoch 2) against record 0 (start): 2 of 2 weights differ.
        weight             changed  norm of change  relative  largest change
        tiny/dense/kernel  6 of 6   ...
        tiny/dense/bias    2 of 2   ...
        """
        self._tracker.update()
        self._choose(lambda before: comparison_of(self._source.catalog, self._source.past.snapshot(), before, against, step))
        return self._differences(against)

    def pin(self, weight: str, index: tuple[int, ...]) -> None:
        """Follow one element over time, as a click on its cell does. Pin it again to stop.

        Args:
            weight: The key of the weight, or any unique end of it, such as "dense/kernel".
            index: One index for each axis of the whole weight.

        Raises:
            ValueError: There is no such element.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.pin("tiny/dense/kernel", (2, 1))
        >>> explorer.select("dense", role="kernel", view="over_time")
        """
        self._choose(lambda before: pinned(self._source.catalog, before, weight, index))

    def dock(self, where: str = "right") -> None:
        """Show the panel beside the notebook in JupyterLab, where it stays in sight while you run cells below.

        This needs the package sidecar: `pip install "weight-explorer[dock]"`. A panel that is docked already moves.

        Args:
            where: "right", "left", "above" or "below" the notebook; "tab" for a tab next to that of the notebook; or "sidebar"
                for JupyterLab's right sidebar, which is narrow until you drag it wider.

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

    def _choose(self, change: Callable[[Choice], Choice]) -> None:
        _ = self.catalog  # reads the layers of the model again, if they changed
        self._screen.choose(change)
        self._screen.answer()

    def _differences(self, against: int | None) -> Differences | None:
        if against is None:
            return None
        return differences_of(self._source.catalog, self._source.past.snapshot(), against, self._screen.choice.step)

    # -- training --------------------------------------------------------------------------------------------------

    @property
    def callback(self) -> ExplorerCallback:
        """The Keras callback to pass to `fit`. It is the same object for every `fit`.

        Tools such as Keras Tuner and scikit-learn's `clone` copy callbacks. A copy makes a new explorer, with the settings of
        this one, for the model that it is given: `copied.explorer`. A callback that was pickled for another process, as joblib
        does, records nothing and says so in the log.

        Raises:
            ValueError: This explorer shows a training that is over.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.callback.status.phase
        'finished'
        """
        if self._callback is None:
            raise ValueError(IS_OVER)
        return self._callback

    def fit(self, *args: Any, **options: Any) -> Training:
        """Train in the background: like `model.fit`, but the cell ends at once and the panel follows the training.

        Use it if clicks are not answered while a cell runs, or to keep working during the training. The explorer's callback
        is added unless it is among `callbacks`. `verbose` defaults to 0, because what `fit` prints would appear in whichever
        cell happens to run. An error in the training is shown in the panel, logged, and raised by `wait()`.

        The training ends with the Python process, so a script has to `wait()` for it. `explorer.close()` stops it.

        Args:
            *args: As for `model.fit`.
            **options: As for `model.fit`.

        Returns:
            The training, with `stop()`, `pause()`, `resume()` and `wait()`, which returns Keras' History.

        Raises:
            RuntimeError: A training is running already.
            TypeError: `model.fit` does not take these arguments.
            ValueError: This explorer shows a training that is over.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> training = explorer.fit(np.ones((8, 3)), np.zeros((8, 2)), epochs=3)
        >>> len(training.wait().history["loss"]), explorer.history.num_recorded
        (3, 4)
        """
        return self._tracker.live.fit(self.callback, args, options)

    def record(self, logs: Mapping[str, Any] | None = None, *, epoch: int | None = None, optimizer: Any = None) -> None:
        """Note one step of your own training loop: call it after every batch, as `fit` calls the callback.

        It records and draws as often as `record_every` says, so most calls cost next to nothing. Errors in the explorer are
        shown in the panel and never raised. The loop counts as finished when its cell has ended.

        Args:
            logs: The loss and metrics of this step, which are kept with the record.
            epoch: The number of the epoch, counted from 0 as in Keras' callbacks; the panel counts from 1, as Keras prints it.
                When it changes, a new epoch has begun, which is always recorded. The end of an epoch is recorded too, once
                its length is known: from the epoch before it, or from `explorer.training(batches=...)`. When it goes back,
                another loop has begun. A loop that continues later, or skips epochs, keeps its numbers on the time axis.
                Without it, all steps are batches of one epoch.
            optimizer: The Keras optimizer that made the step, or a list of them. Findings about weights that do not move need
                it: otherwise nobody knows which optimizer updates a weight, and with which learning rate.

        Raises:
            ValueError: This explorer shows a training that is over.

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
        >>> [step.epoch for step in explorer.history.records]  # the start, and the first and last batch of the second epoch
        [0, 1, 1]
        """
        self._tracker.live.step(self.callback, epoch, logs, optimizer)

    def training(self, epochs: int | None = None, batches: int | None = None) -> AbstractContextManager[None]:
        """Mark where your own training loop begins and ends; call `explorer.record()` in it after each step.

        The state before the loop is recorded, and so is the state after it. If an error or Ctrl-C ends the loop, the panel says
        that it was interrupted, and the error is raised as usual.

        Args:
            epochs: How many epochs there will be, if you know.
            batches: How many batches an epoch has, if you know.

        Raises:
            RuntimeError: A training is running already.
            ValueError: This explorer shows a training that is over.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> with explorer.training(epochs=2, batches=1):
        ...     for epoch in range(2):
        ...         loss = model.train_on_batch(np.ones((8, 3)), np.zeros((8, 2)))
        ...         explorer.record({"loss": loss}, epoch=epoch)
        >>> [step.epoch for step in explorer.history.records]
        [0, 1, 2]
        """
        self._tracker.live.check_idle()
        return self.callback.loop(epochs, batches)

    def restore(self, step: int) -> None:
        """Put the values of a record back into the model, bit by bit.

        Args:
            step: The number of a record that keeps the values of every weight (see `history.steps`).

        Raises:
            ValueError: The record does not keep all values, or there is no model; the message says what is missing. The model
                is not changed.
            RuntimeError: A training is running.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.restore(0)
        >>> model.get_layer("dense").bias.numpy().tolist()
        [0.0, 0.0]
        """
        self._tracker.restore(step)
        self._draw()

    # -- changing weights ------------------------------------------------------------------------------------------

    def freeze(self, key: str, where: Any = None) -> Frozen:
        """Keep elements of a weight exactly as they are, bit by bit, while the rest trains.

        It adds a constraint to the variable, which the optimizer applies at every step, on top of the constraint that the
        variable has already. So it holds in `fit`, in `train_on_batch` and in your own loop if that uses `optimizer.apply` of a
        Keras optimizer, whatever the momentum, weight decay or averaging. Freezing more of the same weight adds up. Neither the
        model nor a saved file keeps a trace, so a model that you load or clone has to be frozen again. Freezing costs a copy
        of the weight, and one pass over it at every step.

        What a freeze cannot prevent: `variable.assign`, `set_weights` and the like change the elements, until the next step
        puts them back. `explorer.assign`, `reinitialize`, `undo` and `restore` set new values for them to be held at. A
        `tf.function` of your own that was traced before the first freeze of a weight does not know about it; make it again.

        During a `fit` with `explorer.callback` the freeze holds from the next step on. If another thread asks for it, it holds
        from the end of the current batch. The result says which.

        Args:
            key: The key of the weight, or any unique end of it; `list(explorer.catalog.weights)` lists them.
            where: Which elements: None for all; an index such as `np.s_[0:3, :]` or "0:3, :"; a boolean mask of the weight's
                shape; the name of a block such as "forget gate", or a tuple of names; or `explorer.selection`.

        Raises:
            ValueError: There is no such weight, it has no such elements, no optimizer updates it anyway, or this explorer shows
                a training that is over.
            RuntimeError: A training is running that cannot be reached between two steps.

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
        frozen = self._tracker.live.editor.freeze(key, where)
        self._session.changed.publish()
        return frozen

    def unfreeze(self, key: str | None = None, where: Any = None) -> tuple[Frozen, ...]:
        """Let frozen elements train again. Once none is left, the weight has its own constraint back.

        Args:
            key: The weight, as for `freeze`; None for everything that `freeze` froze.
            where: Which elements, as for `freeze`; None for all.

        Returns:
            For each weight, what is still frozen; empty if no key was given and nothing is frozen.

        Raises:
            ValueError: There is no such weight, or none of these elements is frozen.
            RuntimeError: A training is running that cannot be reached between two steps.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> _ = explorer.freeze("tiny/dense/kernel", "0:2, :")
        >>> [frozen.count for frozen in explorer.unfreeze("tiny/dense/kernel", "0, :")]
        [2]
        """
        left = self._tracker.live.editor.unfreeze(key, where)
        self._session.changed.publish()
        return left

    def frozen(self, step: int | None = None) -> tuple[Proof, ...]:
        """Check in the records that frozen elements did not move, whether by `freeze` or by a layer's `trainable = False`.

        The check covers what was frozen at that record. Elements that were unfrozen since are checked up to their last frozen
        record, and are no longer listed from the next record on.

        Args:
            step: The number of a record; by default the newest.

        Returns:
            For each frozen part, how many of its elements differ in any bit from their values when they were frozen.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> _ = explorer.freeze("tiny/dense/bias")
        >>> print(explorer.frozen()[0])
        tiny/dense/bias: 0 of 2 frozen elements moved from record 0 to record 0 (all)
        """
        return proofs(self.history.snapshot(), step)  # reading the history also notes which layers are frozen now

    def assign(self, key: str, where: Any, value: Any) -> None:
        """Set elements of a weight to a value. The edit becomes a record on the time axis, and `undo` takes it back.

        Frozen elements are set too, and stay frozen at the new value. The optimizer keeps what it has stored for the elements,
        such as momentum.

        Args:
            key: The key of the weight, or any unique end of it; `list(explorer.catalog.weights)` lists them.
            where: Which elements, as for `freeze`; None for all.
            value: A number, or an array that NumPy can broadcast to the elements. With a mask it may have the weight's shape.

        Raises:
            ValueError: There is no such weight or element, or the value does not fit its shape or type; nothing is changed.
            TypeError: The value is not a real number; nothing is changed.
            RuntimeError: A training is running.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.assign("tiny/dense/bias", 0, 0.5)
        >>> model.get_layer("dense").bias.numpy().tolist(), explorer.history.records[-1].name
        ([0.5, 0.0], 'assigned 0.5 to 1 element (0) of tiny/dense/bias')
        """
        self._tracker.live.editor.assign(key, where, value)
        self._draw()

    def reinitialize(self, key: str, initializer: Any = None, seed: int | None = None) -> None:
        """Draw new initial values for a weight. The edit becomes a record on the time axis, and `undo` takes it back.

        Frozen elements get new values too, and stay frozen at them.

        Args:
            key: The key of the weight, or any unique end of it; `list(explorer.catalog.weights)` lists them.
            initializer: None for the one that the layer uses when it is built; the name of a Keras initializer or of one of
                `explorer.initializers`; a Keras initializer; or any function of `(shape, dtype)`, or of the shape alone.
            seed: The same seed gives the same values. Without one they are new each time, unless the initializer has a seed.

        Raises:
            ValueError: There is no such weight or initializer, or they do not fit together; nothing is changed.
            TypeError: `initializer` is not an initializer; nothing is changed.
            RuntimeError: A training is running.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.reinitialize("tiny/dense/bias", "ones")
        >>> model.get_layer("dense").bias.numpy().tolist()
        [1.0, 1.0]
        """
        self._tracker.live.editor.reinitialize(key, initializer, seed, self.initializers)
        self._draw()

    def undo(self) -> str:
        """Undo the latest edit by `assign` or `reinitialize`, and return its description. Undoing again goes further back.

        The elements that the edit changed get back their earlier values, bit by bit, whatever happened to them since; other
        elements stay as they are. How far you can go back is limited by a quarter of `memory`. Undoing is a record on the time
        axis, too.

        Raises:
            ValueError: There is no edit to undo, or the model no longer has the weight.
            RuntimeError: A training is running.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.assign("tiny/dense/bias", None, 0.5)
        >>> explorer.undo()
        'assigned 0.5 to all of tiny/dense/bias'
        >>> model.get_layer("dense").bias.numpy().tolist()
        [0.0, 0.0]
        """
        undone = self._tracker.live.editor.undo()
        self._draw()
        return undone

    @property
    def initializers(self) -> Mapping[str, Any]:
        """Your own initializers by name, which the view "initializer" and `reinitialize` offer besides those of Keras.

        Assign a dictionary to set them. Each is a Keras initializer, or any function of `(shape, dtype)` or of the shape alone.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.initializers = {"halves": lambda shape, dtype: keras.ops.full(shape, 0.5, dtype)}
        >>> explorer.select("dense", role="kernel", view="initializer", initializer="halves", seed=3)
        """
        return self._deeds.initializers if self._deeds else MappingProxyType({})

    @initializers.setter
    def initializers(self, given: Mapping[str, Any]) -> None:
        self._tracker.live.deeds.take_initializers(given)
        self._choose(lambda before: replace(before, initializers=tuple(given)))

    # -- exporting -------------------------------------------------------------------------------------------------

    def figure(self) -> Figure:
        """Return the picture on screen as a new matplotlib figure; its `savefig` saves it as PNG, SVG or PDF.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> WeightExplorer(model).figure().get_size_inches().tolist()
        [8.0, 4.5]
        """
        self._tracker.update()
        scene = self._screen.scene()
        return figure_of(scene.picture, scene.name)

    def film(self, path: str | os.PathLike[str], *, frames_per_second: float = 5) -> None:
        """Save an animated GIF of the picture on screen, with one frame for each record that keeps values.

        All frames have the same scale. It covers the numbers of all records, except those that reach more than ten times as far
        as usual, such as a record of a training that diverged: that frame says that its numbers go beyond the scale.

        Args:
            path: The file, ending in `.gif`.
            frames_per_second: The speed, above 0 and at most 50.

        Raises:
            ValueError: There is nothing to animate, or an argument is out of range.

        >>> import contextlib
        >>> import io
        >>> import os
        >>> import tempfile
        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with contextlib.redirect_stdout(io.StringIO()):  # hides the progress bar
        ...         explorer.film(f"{folder}/kernel.gif")
        ...     os.listdir(folder)
        ['kernel.gif']
        """
        self._screen.save_film(path, frames_per_second, _progress_bar)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        r"""Return the numbers of the picture on screen as CSV, and also write them to a file if you give a path.

        A matrix has the rows and columns of the picture, with their names. A chart has one row for each point. The lines above
        the table, which begin with `#`, say what it shows; `pandas.read_csv(path, comment="#")` skips them.

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
        self._tracker.update()
        return self._screen.exported_text("csv", path)

    def code(self) -> str:
        """Return a short script that reads the numbers on screen and draws them with matplotlib.

        The script reads the values from `model`, or from `explorer.history` if they are of an earlier record or a training is
        running. It draws them plainly: a comment says what the panel shows in addition, such as the order of rows.

        Raises:
            ValueError: There is no picture; the message says why.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> print(WeightExplorer(model).code())             # doctest: +ELLIPSIS
        import matplotlib.pyplot as plt
        <BLANKLINE>
        # tiny/dense / kernel. The panel says: The value, at the start. Colors reach ...
        values = model.get_layer("dense").kernel.numpy()
        cells = values
        plt.imshow(cells, cmap="RdBu_r", vmin=..., vmax=..., aspect="auto")
        plt.colorbar()
        plt.xlabel('units')
        plt.ylabel('input_dim')
        plt.suptitle('tiny/dense / kernel')
        plt.show()
        <BLANKLINE>
        """
        self._tracker.update()
        return self._screen.exported_text("code")

    # -- widgets, when they are needed -----------------------------------------------------------------------------

    def open(self) -> None:
        """Connect to the page. ipywidgets calls it when the explorer is displayed or becomes part of another widget."""
        if self._may_open:
            super().open()

    @property
    def model_id(self) -> str:
        """The name of this widget in the page."""
        self.open()
        return super().model_id

    @traitlets.default("children")
    def _make_children(self) -> tuple[ipywidgets.Widget, ...]:
        if not self._may_open:
            return ()
        panel = self._panel
        self._examine()
        return (panel.box,)

    @traitlets.default("layout")
    def _make_layout(self) -> ipywidgets.Layout:
        self._own_layout = ipywidgets.Layout()
        return self._own_layout

    @property
    def _panel(self) -> Panel:
        return self._screen.open_panel()

    def _draw(self) -> None:
        """Draw after a call that changed the weights."""
        self._examine()
        self._screen.draw()

    def close(self) -> None:
        """Remove the panel from the page and free its widgets. The history can still be read.

        You rarely need to call it. In a notebook, an explorer closes by itself when the cell that showed it runs again, unless
        a variable, a list or another object still holds it, another cell shows it, or it follows a training that is running.
        IPython's `Out` forgets it then as well. An explorer that was never displayed is freed like any other Python object.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.close()
        >>> explorer.history.values("tiny/dense/kernel").shape
        (1, 3, 2)
        """
        if "_screen" in vars(self):  # not if an argument was refused
            self._screen.is_displayed = self._may_open = False
            for part in (self._tracker, self._examiner, self._dock, self._screen):
                part.close()
            if self._own_layout:
                self._own_layout.close()
        shown.leave(self)
        super().close()

    # -- in a notebook ---------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<{summary.one_line(self._source.catalog, self._source.past, self._session.status)}>"

    def __str__(self) -> str:
        self._tracker.update()
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
            return  # it was closed, so there is a picture and text, but no panel
        self._screen.is_displayed = True
        self._take_place(is_shown=True)
        self._examine()

    def _take_place(self, *, is_shown: bool) -> None:
        """Note that the running cell made or shows this explorer, in place of those that it showed in an earlier run."""
        with self._session.reported():
            shown.take_place(self, is_shown=is_shown, is_docked=self._dock.is_open)

    def _await_end_of_cell(self, *_: object) -> None:
        """When a training begins in a cell, have the end of the cell noticed."""
        if not self._awaits_end_of_cell and threading.current_thread() is threading.main_thread():
            self._awaits_end_of_cell = live.call_after_cell(self._cell_ended)

    def _cell_ended(self, succeeded: bool) -> None:
        """Notice a training that ended without a word, by Ctrl-C or an error, and renew what the notebook saves."""
        self._awaits_end_of_cell = False
        with self._session.reported():
            self._tracker.live.session.leave_cell(succeeded=succeeded)
            self._renew_output()

    def _renew_output(self) -> None:
        """Renew the picture and the text that the notebook saves."""
        if self._screen.is_displayed:
            live.display_bundle(self._repr_mimebundle_(), self._display_id, update=True)

    # -- what an explorer is not -----------------------------------------------------------------------------------

    def __copy__(self) -> NoReturn:
        raise TypeError(CANNOT_BE_COPIED)

    def __deepcopy__(self, memo: dict[int, Any]) -> NoReturn:
        raise TypeError(CANNOT_BE_COPIED)

    def __reduce__(self) -> NoReturn:
        raise TypeError(CANNOT_BE_COPIED)

    # Keras on JAX asks for it before `set_model`, and otherwise complains about methods that a callback would have.
    async_safe = True

    def set_model(self, model: Any) -> None:  # noqa: ARG002 - Keras' signature
        """Refuse to be used as the callback; without this, Keras raises an error that does not help."""
        raise TypeError("The explorer itself is no callback. Pass its callback to fit: callbacks=[explorer.callback].")


def _progress_bar(num_steps: int) -> Callable[[], object]:
    bar = keras.utils.Progbar(num_steps, unit_name="frame")
    return lambda: bar.add(1)
