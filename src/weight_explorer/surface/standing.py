"""What the public parts of an explorer stand on: what it shows, follows and draws."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from weight_explorer import live
from weight_explorer.catalog.nodes import Catalog
from weight_explorer.catalog.walk import WeightsLostError
from weight_explorer.recording.callback import still_trains
from weight_explorer.recording.past import Past
from weight_explorer.recording.session import Reporter, Session
from weight_explorer.source import LiveSource, Source

if TYPE_CHECKING:
    from weight_explorer.copies import ExplorerCallback
    from weight_explorer.deeds import Deeds
    from weight_explorer.examiner import Examiner
    from weight_explorer.screen import Screen
    from weight_explorer.training import Background
    from weight_explorer.workbench import Workbench


class Standing:
    """Knows the parts of an explorer, which makes them. Those of a live model alone are None where it shows one of the past."""

    _source: Source
    _session: Reporter
    _screen: Screen
    _examiner: Examiner
    _callback: ExplorerCallback | None
    _background: Background | None
    _bench: Workbench | None
    _deeds: Deeds | None
    _is_displayed: bool

    @property
    def catalog(self) -> Catalog:
        """What the model holds: `catalog.root`, the tree of layers, and `catalog.weights`, from key to `Weight`.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> [(key, weight.role, weight.shape_text) for key, weight in explorer.catalog.weights.items()]
        [('tiny/dense/kernel', 'kernel', '(3, 2) = (input_dim, units)'), ('tiny/dense/bias', 'bias', '(2,) = (units,)')]
        """
        if not self._is_training():
            self._source.refresh(self._session.report)
        return self._source.catalog

    @property
    def history(self) -> Past:
        """What is known of the past: `steps(key)`, `values(key)`, `series(key)`, `histograms(key)`, `to_frame()`, `save()`.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.history.values("tiny/dense/kernel").shape  # the start and the ends of two epochs
        (3, 3, 2)
        """
        self._look()
        return self._source.past

    @property
    def _live(self) -> LiveSource:
        if not isinstance(self._source, LiveSource):
            raise TypeError("There is no live model.")
        return self._source

    def _is_training(self) -> bool:
        """Whether a training runs elsewhere than where this is asked; notices a `fit` that broke off without a word."""
        session = self._session
        if not isinstance(session, Session) or not session.is_training:
            return self._background is not None and self._background.is_unseen
        if session.is_loop:
            return threading.current_thread() is not threading.main_thread()
        if still_trains(session.thread):
            return True
        session.finish("interrupted")
        return False

    def _look(self, kind: str = "outside") -> None:
        """Outside training, record the model as it is now if any weight differs from the last record."""
        if self._is_training():
            return
        session = self._session
        self._source.refresh(session.report)
        if isinstance(session, Session):
            try:
                self._compare(session, kind)
            except WeightsLostError as error:
                session.note(error)  # what was recorded can be looked at all the same
            else:
                session.overcome(WeightsLostError)

    def _compare(self, session: Session, kind: str) -> None:
        if session.broke_off() or session.is_training:  # a loop of the user's own, which asks in between
            self._live.record_rest(session.place, session.report)
        elif changed := self._source.record_if_changed(session.place, kind):
            session.noticed(changed)

    def _look_at_rest(self) -> None:
        """Read the model before a choice is drawn; not in a running loop, whose records come as often as it was asked for."""
        if not self._session.is_training:
            self._look()

    def _redraw(self) -> None:
        """Draw; in the middle of a training only where there may be somebody who sees it, which in a script there is not."""
        if not self._session.is_training:
            self._look()
        elif not (self._is_displayed or live.may_be_seen()):
            return
        self._screen.draw(wait=False)
