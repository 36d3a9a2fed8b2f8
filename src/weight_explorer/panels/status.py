"""The head of the panel: the model on the left, where the training stands on the right. Carries the panel's own style."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class StatusPanel(anywidget.AnyWidget):
    """Shows title, phase and words.

    `answered` counts the choices that the kernel has answered: one that it does not answer is said to be waiting. `seen` is set
    by the page once the panel is in it.
    """

    _esm = HERE / "status.js"
    _css = HERE / "panel.css"

    title = traitlets.Unicode().tag(sync=True)
    phase = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    answered = traitlets.Int().tag(sync=True)
    seen = traitlets.Bool().tag(sync=True)

    def show(self, *, title: str, phase: str, words: str, problem: str) -> None:
        """Bring the head up to date in one message."""
        with self.hold_sync():
            self.title, self.phase, self.words, self.problem = title, phase, words, problem
