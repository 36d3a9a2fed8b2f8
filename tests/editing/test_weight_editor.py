"""Records that no training made have marks and words of their own, on the time axis and over time."""

import numpy as np
import pytest

from weight_explorer import WeightExplorer
from weight_explorer.panel.widgets.record_slider import EDITED, FIT_BOUNDARY, KEPT, OUTSIDE, RESTORED, START

KERNEL = "dense_model/hidden/kernel"


@pytest.fixture
def explorer(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    explorer.assign(KERNEL, "0, 0", 1)
    explorer.restore(1)
    kernel = dense_model.get_layer("hidden").kernel
    kernel.assign(kernel + 1)
    explorer.select("hidden", role="kernel")
    return explorer


def test_the_axis_marks_them_by_kind_and_tells_what_was_done(explorer):
    axis = explorer._panel.record_slider
    marks = np.frombuffer(axis.marks, np.uint8).tolist()
    assert marks == [KEPT | START, KEPT, KEPT, KEPT | EDITED, KEPT | RESTORED, KEPT | OUTSIDE]
    assert axis.names == [
        "", "", "",
        f"assigned 1 to 1 element (0, 0) of {KERNEL}",
        "restored at epoch 2",
        "changed outside of training at epoch 2",
    ]  # fmt: skip


def test_a_fit_after_an_edit_is_a_seam_and_no_edit(explorer, dense_model, training_data):
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    marks = np.frombuffer(explorer._panel.record_slider.marks, np.uint8)
    assert [bool(mark & FIT_BOUNDARY) for mark in marks].count(True) == 1
    assert not any(mark & FIT_BOUNDARY and mark & (EDITED | RESTORED | OUTSIDE) for mark in marks)


def test_a_training_alone_has_no_names(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert explorer._panel.record_slider.names == []


def test_over_time_has_a_line_for_each_kind_with_a_word(explorer):
    explorer.select(view="over_time")
    rules = {mark.name: mark.x.tolist() for mark in explorer._screen.state().picture.charts[0].marks if mark.kind == "rules"}
    assert {name: rules[name] for name in ("edited", "restored", "changed outside")} == {
        "edited": [2.0],
        "restored": [2.0],
        "changed outside": [2.0],
    }


def test_the_numbers_are_headed_by_the_record_and_not_by_what_was_done(explorer):
    explorer.select(step=3)
    assert explorer._screen.state().statistics.headers[1] == "record 3"
    assert "record 3 (assigned 1 to 1 element (0, 0)" in explorer._screen.state().picture.caption
