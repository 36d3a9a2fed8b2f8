"""What all training programs share: explorers that can be left out, and what a program says about itself."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from weight_explorer import WeightExplorer


class Watch:
    """Gives each model of a program an explorer, or none, so that the same program trains with and without."""

    def __init__(self, *, is_on=True):
        self.is_on = is_on
        self.explorers = {}
        self.alarms_between_fits = []

    def callbacks(self, *models):
        """Return the callbacks for `fit`; a model keeps its explorer from fit to fit."""
        self.alarms_between_fits += [str(finding) for finding in self.alarms]
        return [self._explorer(model).callback for model in models if self.is_on]

    @property
    def findings(self):
        """What all explorers find."""
        return [finding for explorer in self.explorers.values() for finding in explorer.findings]

    @property
    def alarms(self):
        """The warnings and errors among them."""
        return [finding for finding in self.findings if finding.severity != "note"]

    @contextlib.contextmanager
    def loop(self, *models):
        """Mark a training loop of these models."""
        with contextlib.ExitStack() as stack:
            for model in models if self.is_on else ():
                stack.enter_context(self._explorer(model).training())
            yield

    def record(self, logs, epoch, **optimizers):
        """Note one step of the loop in every explorer; the optimizer of each model is given by the model's name."""
        for name, explorer in self.explorers.items():
            explorer.record(logs, epoch=epoch, optimizer=optimizers[name])

    def _explorer(self, model):
        if model.name not in self.explorers:
            self.explorers[model.name] = WeightExplorer(model, record_every=1)
        return self.explorers[model.name]

    def close(self):
        for explorer in self.explorers.values():
            explorer.close()


@dataclass(frozen=True)
class Trained:
    """What a program trained.

    Attributes:
        models: All of its models.
        losses: The loss, epoch by epoch or step by step.
        inputs: The training data, as the first model is called.
        loss: Computes the loss again, where a test asks for gradients.
    """

    models: tuple[keras.Model, ...]
    losses: tuple[float, ...]
    inputs: object = None
    loss: Callable | None = None

    @property
    def weights(self) -> list[np.ndarray]:
        return [values for model in self.models for values in model.get_weights()]


@dataclass(frozen=True)
class Expected:
    """What is to be found in a broken run: a rule, how severe it is, and the endings of the keys it is true of.

    With `exactly` there must be no other alarm, and no other weight in this one.
    """

    rule: str
    severity: str
    keys: frozenset[str]
    exactly: bool = True


def expect(rule, *keys, severity="warning", exactly=True):
    return Expected(rule, severity, frozenset(keys), exactly)


@dataclass(frozen=True)
class Program:
    """A training program.

    Attributes:
        train: Trains; takes a `Watch` and the name of what is broken, "" for nothing.
        breaks: What is expected of each broken variant.
        learns: The last loss of a healthy run is below this share of the first; None where losses do not fall.
    """

    train: Callable[..., Trained]
    breaks: Mapping[str, Expected] = field(default_factory=dict)
    learns: float | None = 0.9

    @property
    def name(self) -> str:
        return self.train.__name__

    def run(self, watch, broken=""):
        """Train from the same seed."""
        keras.utils.set_random_seed(7)
        return self.train(watch, broken)
