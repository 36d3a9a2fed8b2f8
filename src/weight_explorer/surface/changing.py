"""To change: freeze elements of weights, and give them other values by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from weight_explorer.deeds import check_initializers
from weight_explorer.recording.frozen import Proof, proofs
from weight_explorer.surface.looking import Looking
from weight_explorer.workbench import Frozen, Workbench

IS_OVER = "This explorer shows a training that is over. To change its model: WeightExplorer(model)."


class Changing(Looking):
    """Does what the row of deeds in the panel does; the panel follows."""

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
            key: The weight's key, or an ending of it that no other has: `list(explorer.catalog.weights)`.
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
            key: The weight, as for `freeze`; None for all that were frozen by `freeze`.
            where: Which elements, as for `freeze`; None for all.

        Returns:
            What is left, for each weight; nothing where no key was given and nothing is frozen.

        Raises:
            ValueError: There is no such weight, or none of its elements that are asked for is frozen.
            RuntimeError: A training runs that it cannot come to between two steps.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> _ = explorer.freeze("tiny/dense/kernel", "0:2, :")
        >>> [frozen.count for frozen in explorer.unfreeze("tiny/dense/kernel", "0, :")]
        [2]
        """
        left = self._workbench.unfreeze(key, where)
        self._redraw()
        return left

    def frozen(self, step: int | None = None) -> tuple[Proof, ...]:
        """Prove from the records that what is frozen has not moved, by `freeze` or by a layer's `trainable = False`.

        What counts is what was frozen at the record: what was let go since is proved up to its last record, and gone from the
        answer with the next one.

        Args:
            step: The number of a record, the newest where none is given.

        Returns:
            For each frozen part, how many of its elements differ in any bit from what they were when they were frozen.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> _ = explorer.freeze("tiny/dense/bias")
        >>> print(explorer.frozen()[0])
        tiny/dense/bias: 0 of 2 frozen elements moved from record 0 to record 0 (all)
        """
        return proofs(self.history.snapshot(), step)  # which notes which layers are frozen now, too

    def assign(self, key: str, where: Any, value: Any) -> None:
        """Set elements of a weight to a value; `undo` takes it back. It is a record on the time axis.

        Frozen elements among them are set all the same, and stay frozen at the new value. What the optimizer has noted of
        them, such as momentum, stays.

        Args:
            key: The weight's key, or an ending of it that no other has: `list(explorer.catalog.weights)`.
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
            key: The weight's key, or an ending of it that no other has: `list(explorer.catalog.weights)`.
            initializer: None for what its layer does when it is built; the name of a Keras initializer or of one of
                `explorer.initializers`; a Keras initializer itself; or any function `(shape, dtype)`, or of the shape alone.
            seed: The same gives the same values. None gives new ones each time, but for an initializer given with a seed.

        Raises:
            ValueError: There is no such weight or initializer, or it does not fit; nothing is changed.
            TypeError: `initializer` is none; nothing is changed.
            RuntimeError: A training is running.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.reinitialize("tiny/dense/bias", "ones")
        >>> model.get_layer("dense").bias.numpy().tolist()
        [1.0, 1.0]
        """
        self._workbench.reinitialize(key, initializer, seed, self.initializers)
        self._screen.draw()

    def undo(self) -> str:
        """Undo the latest edit by `assign` or `reinitialize` that is not undone yet, and say which it was.

        The elements it changed get back what they were before it, bit by bit, whatever has happened to them since; others stay
        as they are. How far back one can go is bounded by a quarter of `memory`. It is a record on the time axis.

        Raises:
            ValueError: There is none, or the model has the weight no more.
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
        undone = self._workbench.undo()
        self._screen.draw()
        return undone

    @property
    def initializers(self) -> Mapping[str, Any]:
        """Initializers of your own, by name, for the view "initializer" and `reinitialize`, beside those of Keras.

        Each is a Keras initializer or any function `(shape, dtype)`, or of the shape alone.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.initializers = {"halves": lambda shape, dtype: keras.ops.full(shape, 0.5, dtype)}
        >>> explorer.select("dense", role="kernel", view="initializer", initializer="halves", seed=3)
        """
        return MappingProxyType({} if self._deeds is None else dict(self._deeds.initializers))

    @initializers.setter
    def initializers(self, given: Mapping[str, Any]) -> None:
        if self._deeds is None:
            raise ValueError(IS_OVER)
        check_initializers(given)
        self._deeds.initializers = dict(given)
        self._deeds.forget_trial()
        self._ask(lambda before: replace(before, initializers=tuple(given)))

    @property
    def _workbench(self) -> Workbench:
        if self._bench is None:
            raise ValueError(IS_OVER)
        return self._bench
