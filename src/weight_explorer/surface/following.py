"""To train: the callback, a training beside the cells, loops of one's own, and the way back to a record."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from weight_explorer.copies import ExplorerCallback
from weight_explorer.recording.callback import fit_is_running
from weight_explorer.surface.standing import Standing
from weight_explorer.training import Training

IS_OVER = (
    "This explorer shows a training that is over, and records no other. "
    "To train: explorer = WeightExplorer(model), and model.fit(..., callbacks=[explorer.callback])."
)


class Following(Standing):
    """Follows trainings of every kind."""

    @property
    def callback(self) -> ExplorerCallback:
        """The Keras callback to give to `fit`; the same object serves fit after fit.

        A copy of it, as Keras Tuner makes for every trial and scikit-learn's `clone` for every estimator, makes an explorer of
        the model that it is given, with the settings of this one: `copied.explorer`. A callback that was pickled for another
        process, as by joblib, records nothing and says so in the log.

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
        """Train as `model.fit` does, on a thread of its own: the cell ends at once, and the panel follows.

        Use it where clicks cannot be answered while a cell runs, or to go on working beside the training. The explorer's
        callback is added if it is not among `callbacks`. `verbose` is 0 unless you say otherwise: what `fit` prints would
        land in whatever cell runs just then. An error is shown in the panel, logged, and raised by `wait()`.

        It ends with Python: at the end of a script, `wait()` for it. `explorer.close()` stops it.

        Args:
            *args: As for `model.fit`.
            **options: As for `model.fit`.

        Returns:
            The training, with `stop()`, `pause()`, `resume()` and `wait()`, which returns Keras' History.

        Raises:
            RuntimeError: A training is running already.
            TypeError: `model.fit` takes no such arguments.
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
        if self._background is None:
            raise ValueError(IS_OVER)
        if self._is_training() or self._session.is_training:
            raise RuntimeError(
                "A training is running already. Wait for its end, or stop it: the panel has a button. Of a loop of your own in "
                "a script nobody sees the end: put it into `with explorer.training():`."
            )
        return self._background.fit(self._live.model, self.callback, args, options)

    def record(self, logs: Mapping[str, Any] | None = None, *, epoch: int | None = None, optimizer: Any = None) -> None:
        """Note one step of a training loop of your own, as `fit` does by the callback: call it after every batch.

        It records and draws as often as `record_every` says, so most calls cost next to nothing. Errors of ours are shown
        in the panel and never raised. The loop has ended when its cell has.

        Args:
            logs: Loss and metrics of this step, kept with the record.
            epoch: The number of the epoch, counted from 0 as in Keras' callbacks; on screen it is counted from 1, as Keras
                prints it. Where it changes, another epoch has begun, which is always recorded; so is its end, once an epoch
                before it or `explorer.training(batches=...)` has told its length. Where it goes back, another loop has begun.
                A loop that goes on later, or leaves epochs out, keeps its numbers on the time axis. Without it,
                all steps are batches of one epoch.
            optimizer: The Keras optimizer that made the step, or a list of them. Findings about weights that do not move need
                it: without it, which optimizer owns a weight, and at which learning rate, is unknown.

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
        callback = self.callback
        with self._session.reported():
            if self._is_training():
                raise ValueError("fit runs with the callback, which records already: record() is for loops of your own")
            callback.step(epoch, logs, optimizer)

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
        >>> with explorer.training(epochs=2, batches=1):
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

    def restore(self, step: int) -> None:
        """Put the values of a record back into the model, bit by bit.

        Args:
            step: The number of a record that keeps the values of all weights (see `history.steps`).

        Raises:
            ValueError: It does not, or there is no model; the message says what is missing. The model is as it was.
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
