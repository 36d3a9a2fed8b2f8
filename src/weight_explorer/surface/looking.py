"""To look: choose what is on screen, and ask what was found."""

from __future__ import annotations

from collections.abc import Callable

import keras

from weight_explorer.catalog.elements import Elements
from weight_explorer.diagnosis.findings import Findings
from weight_explorer.surface.standing import Standing
from weight_explorer.views.asked import choice_of, comparison_of, pinned
from weight_explorer.views.brush import brushed
from weight_explorer.views.choice import Choice, resolve
from weight_explorer.views.differences import Differences, differences_of


class Looking(Standing):
    """Does what clicks in the panel do."""

    @property
    def selection(self) -> Elements | None:
        """What is selected in the matrix: its `key`, its `mask` of the whole weight's shape, and `words`; None for nothing.

        `explorer.freeze(explorer.selection.key, explorer.selection)` freezes it. So do `assign` and `unfreeze` take it.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.selection is None  # select with Shift and the mouse or the arrow keys
        True
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
        [('rows not moving', (1,))]
        """
        self._look()
        if not self._is_training():
            self._source.refresh_facts()
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
        """Choose what the panel shows, as clicking does; what is not given stays.

        Args:
            layer: A layer, its name, or its path where the name is not unique.
            role: Such as "kernel", "recurrent", "bias", "gamma".
            weight: A weight's key, or an ending of it that no other has, such as "dense/kernel": alone it selects the layer and
                the role as well.
            view: "matrix", "filters", "distribution", "over_time", "units", "compare", "spectrum" or "initializer"; not every
                weight has all. "overview" is of the whole model: a row for each weight, a column for each record.
            quantity: "value", "since_start", "since_last" or, where a record to compare with was chosen, "since_record".
            step: The number of a record whose values are kept (see `history.steps`), or "live" to follow the newest.
            block: A part of the weight such as "forget gate", "head 1" or "input bias", or several; "all" for the whole.
            **options: Those of the view, as they stand above the picture and in the table below. Each role keeps its own.

        Raises:
            ValueError: There is nothing of that name; the message names the nearest match.

        | view | its options: what they may be, of which a weight may have less |
        |---|---|
        | `matrix` | `rows`, `columns`: as_is, norm, change, mean, similarity, label |
        | | `colors`: drawn, sigma, time; `cell`: extreme, mean |
        | | `layout`: grid, slice; `down`, `across`: an axis; `axis_0` to `axis_7`: which entry of an axis that is not shown |
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
        | | `value`, `mean`, `stddev`, `minval`, `maxval`, `gain`, `scale`, `mode`, `distribution`: as their menus have them |
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
        self._ask(lambda before: choice_of(self._source.catalog, self._source.past.snapshot(), before, asked))

    def compare(self, against: int | None, step: int | str | None = None) -> Differences | None:
        """Show how the weights differ from those of a record, as the Compare button does, and return it for every weight.

        Args:
            against: The number of a record whose values are kept (see `history.steps`). None stops comparing.
            step: The record that is compared with it, as for `select`; at first the newest, which is the model as it is now.

        Returns:
            For each weight how many elements differ and how far, with `to_frame()`; None where comparing stops.

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
        if against is not None:
            self._look()
        self._ask(lambda before: comparison_of(self._source.catalog, self._source.past.snapshot(), before, against, step))
        if against is None:
            return None
        return differences_of(self._source.catalog, self._source.past.snapshot(), against, self._screen.choice.step)

    def pin(self, weight: str, index: tuple[int, ...]) -> None:
        """Follow one element over time, as a click on its cell does; one that is pinned is followed no longer.

        Args:
            weight: The weight's key, or an ending of it that no other has, such as "dense/kernel".
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
        self._ask(lambda before: pinned(self._source.catalog, before, weight, index))

    def _ask(self, change: Callable[[Choice], Choice]) -> None:
        _ = self.catalog  # reads the model's layers anew if they changed
        self._screen.choose(change)
        self._screen.answer()
