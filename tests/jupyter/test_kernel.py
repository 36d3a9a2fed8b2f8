"""Messages from the browser are applied one at a time, under the lock that drawing holds, and answered after it."""

import contextlib
import sys
import threading
from time import perf_counter

import ipywidgets
import pytest

from weight_explorer import WeightExplorer
from weight_explorer.jupyter import kernel


def test_a_message_is_applied_under_the_lock_and_answered_outside_it():
    lock, seen = threading.RLock(), []

    def is_free():
        """Whether another thread could take the lock now."""
        got = []
        thread = threading.Thread(target=lambda: got.append(lock.acquire(blocking=False) and (lock.release(), True)[1]))
        thread.start()
        thread.join()
        return got[0]

    slider = ipywidgets.IntSlider()
    slider.observe(lambda change: seen.append(("applied", change["new"], is_free())), names="value")
    kernel.answer_clicks(slider, lock, lambda: seen.append(("answered", slider.value, is_free())))
    data = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
    slider.comm.handle_msg({"content": {"data": data}, "buffers": []})
    assert seen == [("applied", 7, False), ("answered", 7, True)]


@pytest.mark.parametrize("interval", [0.005, 0.0001])
def test_while_a_click_is_answered_threads_take_turns_at_least_so_often_and_after_it_as_before(interval):
    during = []

    def answer():
        during.append(sys.getswitchinterval())
        raise ValueError

    slider = ipywidgets.IntSlider()
    kernel.answer_clicks(slider, threading.RLock(), answer)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        before = sys.getswitchinterval()
        with contextlib.suppress(ValueError):
            slider.comm.handle_msg({"content": {"data": {"method": "update", "state": {}, "buffer_paths": []}}, "buffers": []})
        assert during == [pytest.approx(min(before, kernel.SWITCH_INTERVAL), rel=0.01)]
        assert sys.getswitchinterval() == pytest.approx(before, abs=1e-9)
    finally:
        sys.setswitchinterval(usual)


def test_without_a_kernel_nothing_waits_and_no_cell_ends():
    assert kernel.answers_during_cells()
    assert not kernel.waits_for_cells()
    assert kernel.call_after_cell(lambda: None) is False


def test_the_training_is_told_of_an_answer(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer._session.begin(1)
    began = perf_counter()
    explorer.select("hidden")
    assert began <= explorer._session._scheduler._last_click_time <= perf_counter()
    explorer.close()
