"""Recording keeps its pace: by time, by batches really trained, within its share."""

import pytest

from weight_explorer.recording.pace import SHORTEST_PAUSE, Pace, check_pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_auto_recording_costs_no_more_than_its_share(clock):
    pace = Pace("auto", 0.02, clock)
    cost = records = 0
    for _ in range(100_000):
        clock.now += 0.001
        if pace.is_due(1):
            clock.now += 0.02
            pace.spent(0.02)
            cost += 0.02
            records += 1
    assert records > 50
    assert cost / (clock.now - 100) <= 0.0205
    assert pace.share == pytest.approx(cost / (clock.now - 100 - cost))


def test_auto_shows_movement_at_once(clock):
    pace = Pace("auto", 0.02, clock)
    clock.now += SHORTEST_PAUSE
    assert pace.is_due(1)


def test_auto_never_records_more_than_ten_times_a_second(clock):
    pace = Pace("auto", 1.0, clock)
    due = 0
    for _ in range(10_000):
        clock.now += 0.0005
        if pace.is_due(1):
            pace.spent(0.0)
            due += 1
    assert 40 <= due <= 50


@pytest.mark.parametrize("jump", [1, 4, 7], ids=lambda jump: f"steps_per_execution={jump}")
def test_every_n_batches_counts_batches_that_were_trained(clock, jump):
    pace = Pace(20, 0.02, clock)
    due = 0
    for _ in range(0, 2000, jump):
        if pace.is_due(jump):
            pace.spent(0.0)
            due += 1
    assert due == pytest.approx(2000 / (jump * -(-20 // jump)), abs=1)


def test_pictures_go_out_at_most_ten_times_a_second_even_with_a_record_each_batch(clock):
    pace = Pace(1, 0.02, clock)
    drawn = 0
    for _ in range(1000):
        clock.now += 0.002
        assert pace.is_due(1)
        if pace.may_draw():
            pace.drawn()
            drawn += 1
        pace.spent(0.0)
    assert 15 <= drawn <= 21


def test_epoch_recording_leaves_batches_alone(clock):
    pace = Pace("epoch", 0.02, clock)
    clock.now += 1000
    assert not pace.is_due(1000)


@pytest.mark.parametrize(
    ("record_every", "max_overhead"), [("batch", 0.1), (0, 0.1), (-1, 0.1), (True, 0.1), ("auto", 0), ("auto", 2)]
)
def test_nonsense_is_refused_with_what_came(record_every, max_overhead):
    with pytest.raises(ValueError, match=f"{record_every!r}|{max_overhead!r}"):
        check_pace(record_every, max_overhead)
