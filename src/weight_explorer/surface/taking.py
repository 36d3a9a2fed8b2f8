"""To take away: what is on screen as a figure, numbers, code or a film."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
from matplotlib.figure import Figure

from weight_explorer.panels.figure import figure_of
from weight_explorer.panels.film import check_film, save_film
from weight_explorer.surface.standing import Standing
from weight_explorer.views.choice import resolve
from weight_explorer.views.pictures import Picture
from weight_explorer.views.reading import kept_steps
from weight_explorer.views.scene import compose


class Taking(Standing):
    """Makes of what is on screen what the Save menu does."""

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

    def film(self, path: str | os.PathLike[str], *, frames_per_second: float = 5) -> None:
        """Save what is on screen as a film over all records that keep values: a GIF, with the same scale in every frame.

        The scale holds the numbers of all records, but for those that reach more than ten times as far as usual, such as one
        that diverged: its frame says that it reaches beyond.

        Args:
            path: The file, ending in `.gif`.
            frames_per_second: How fast it plays, above 0 and at most 50.

        Raises:
            ValueError: There is nothing to play, or an argument has no meaning.

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
        ...     with contextlib.redirect_stdout(io.StringIO()):  # how far it is
        ...         explorer.film(f"{folder}/kernel.gif")
        ...     os.listdir(folder)
        ['kernel.gif']
        """
        choice, catalog, past = self._screen.choice, self._source.catalog, self._source.past.snapshot()
        weight = resolve(catalog, choice).weight
        numbers = kept_steps(weight, past) if weight else ()
        check_film(path, frames_per_second, len(numbers))

        def pictures(color_limit: float | None) -> Iterator[tuple[Picture, str]]:
            for number in numbers:
                frame = replace(choice, step=number, color_limit=color_limit)
                scene = compose(catalog, past, frame, self._session.status)
                yield scene.picture, scene.name

        bar = keras.utils.Progbar(2 * len(numbers), unit_name="frame")
        save_film(path, pictures, frames_per_second, on_frame=lambda: bar.add(1))

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
        """Return a short script that reads the numbers on screen and pictures them with matplotlib, without the widget.

        It reads them from `model`, or from `explorer.history` where they are of the past or a training is running, and draws
        them plainly: a comment says what the panel shows beyond that, such as the order of rows.

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
        self._look()
        return self._screen.exported("code").content.decode()
