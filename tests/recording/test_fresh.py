"""Everything that is shown of all weights is as fresh as what is on screen."""

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.recording.statistics.summary import FIELD_INDEX


@pytest.fixture
def changed():
    """A model of which two weights were changed since the explorer was made, neither of which is on screen."""
    keras.utils.set_random_seed(3)
    stack = [layers.Dense(4, name=name) for name in ("one", "two", "three")]
    model = keras.Sequential([keras.Input((4,)), *stack], name="net")
    explorer = WeightExplorer(model)
    explorer.select("one", role="kernel")
    for layer in stack[1:]:
        layer.kernel.assign(np.full((4, 4), 7.0))
    return explorer


def test_the_text_has_the_new_numbers(changed):
    rows = {line.split()[0]: line.split()[-5:] for line in str(changed).splitlines() if line.startswith("net/")}
    assert rows["net/two/kernel"][-4:] == ["7", "0", "100", "%"]
    assert rows["net/one/kernel"][-2:] == ["0", "%"]


def test_the_frame_has_the_new_numbers(changed):
    frame = changed.history.to_frame()
    rows = frame[(frame.key == "net/three/kernel") & (frame.quantity == "value")]
    assert rows.iloc[-1]["mean"] == 7


def test_values_and_statistics_are_new(changed):
    assert (changed.history.values("net/two/kernel")[-1] == 7).all()
    newest = int(changed.history.record_numbers("net/two/kernel")[-1])
    assert changed.history.statistics_at("net/two/kernel", newest)[FIELD_INDEX["mean"]] == 7


def test_the_overview_is_new(changed):
    changed.select("net", view="overview", statistic="norm")
    (row,) = [line for line in changed.to_csv().splitlines() if line.startswith('"two / kernel"')]
    assert float(row.split(",")[-1]) == pytest.approx(28, rel=0.05)


def test_a_comparison_is_new(changed):
    changed.compare(0)
    assert changed.history.num_recorded == 2


def test_a_random_state_that_was_drawn_from_is_no_change_of_weights():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dropout(0.5)], name="net")
    explorer = WeightExplorer(model)
    model(np.ones((2, 4)), training=True)
    assert "changed" not in str(explorer)
    assert explorer.history.num_recorded == 1
