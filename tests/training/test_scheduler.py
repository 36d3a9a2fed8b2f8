"""Recording keeps its pace: by time, by batches really trained, within its share."""

import pytest

from weight_explorer.training.scheduler import QUIET_AFTER_CLICK, RecordScheduler, check_schedule_arguments


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def train(pace, clock, seconds, *, batch=0.001, record=0.0, picture=0.0, epoch=None):
    """Let time pass as in a training; return how many records and pictures there were."""
    records = pictures = 0
    end, epoch_end = clock.now + seconds, clock.now + (epoch or 2 * seconds)
    while clock.now < end:
        clock.now += batch
        is_epoch_end = clock.now >= epoch_end
        if is_epoch_end:
            epoch_end += epoch
        if pace.is_due(1) or is_epoch_end:
            clock.now += record
            pace.note_record(record)
            records += 1
            if pace.may_draw():
                clock.now += picture
                pace.note_drawing(picture)
                pictures += 1
    return records, pictures


@pytest.mark.parametrize(
    ("record", "picture", "epoch"),
    [(0.02, 0.0, None), (0.001, 0.02, None), (0.3, 0.02, None), (0.001, 0.02, 1.0)],
    ids=["record", "picture", "large model", "short epochs"],
)
def test_auto_costs_no_more_than_its_share_pictures_and_epoch_ends_included(clock, record, picture, epoch):
    pace = RecordScheduler("auto", 0.02, clock)
    records, _ = train(pace, clock, 100, record=record, picture=picture, epoch=epoch)
    assert records >= 5
    assert pace.overhead <= 0.0205


def test_what_examining_takes_beside_the_training_is_saved_on_records_and_pictures(clock):
    pace, records = RecordScheduler("auto", 0.02, clock), 0
    for _ in range(100):
        records += train(pace, clock, 1, record=0.01, picture=0.01)[0]
        pace.add_background_time(0.01)
    assert records >= 30
    assert pace.overhead <= 0.0205


def test_what_the_first_second_costs_is_saved_again_within_ten(clock):
    pace = RecordScheduler("auto", 0.02, clock)
    train(pace, clock, 1, record=0.001, picture=0.01)
    assert pace.overhead > 0.04
    # Nor is there a gap until then: half of what may be spent goes on.
    for _ in range(3):
        assert train(pace, clock, 3, record=0.001, picture=0.01)[0] >= 2
    train(pace, clock, 0.2, record=0.001, picture=0.01)
    assert pace.overhead <= 0.021


def test_auto_shows_a_small_model_moving_within_the_first_second(clock):
    pace = RecordScheduler("auto", 0.02, clock)
    pace.note_record(0.001)
    pace.note_drawing(0.02)
    records, pictures = train(pace, clock, 1, record=0.001, picture=0.02)
    assert pictures >= 3
    assert records >= pictures


def test_auto_never_records_more_than_ten_times_a_second(clock):
    pace = RecordScheduler("auto", 1.0, clock)
    records, _ = train(pace, clock, 5, batch=0.0005)
    assert 40 <= records <= 50


def test_what_a_large_model_costs_is_known_before_it_is_spent_again(clock):
    pace = RecordScheduler("auto", 0.02, clock)
    pace.note_record(1.0)
    records, _ = train(pace, clock, 40, record=1.0)
    assert records == 0
    assert train(pace, clock, 100, record=1.0)[0] == 1


@pytest.mark.parametrize("jump", [1, 4, 7], ids=lambda jump: f"steps_per_execution={jump}")
def test_every_n_batches_counts_batches_that_were_trained(clock, jump):
    pace = RecordScheduler(20, 0.02, clock)
    due = 0
    for _ in range(0, 2000, jump):
        if pace.is_due(jump):
            pace.note_record(0.0)
            due += 1
    assert due == pytest.approx(2000 / (jump * -(-20 // jump)), abs=1)


def test_pictures_go_out_at_most_ten_times_a_second_even_with_a_record_each_batch(clock):
    pace = RecordScheduler(1, 0.02, clock)
    records, pictures = train(pace, clock, 2, batch=0.002)
    assert records == pytest.approx(1000, abs=2)
    assert 15 <= pictures <= 20


def test_pictures_keep_to_the_share_however_many_records_are_asked_for(clock):
    pace = RecordScheduler(1, 0.02, clock)
    _, pictures = train(pace, clock, 20, batch=0.002, record=0.001, picture=0.02)
    assert 20 * 0.02 * 0.6 <= pictures * 0.02 <= 20 * 0.02 + 0.02


def test_a_picture_comes_every_two_seconds_whatever_it_costs(clock):
    pace = RecordScheduler(1, 0.001, clock)
    _, pictures = train(pace, clock, 20, batch=0.01, picture=0.2)
    assert pictures >= 9


def test_after_an_answer_the_page_is_left_to_who_clicked(clock):
    pace = RecordScheduler(1, 0.02, clock)
    train(pace, clock, 5)
    clock.now += 5
    pace.note_click_answered()
    assert not pace.may_draw()
    clock.now += QUIET_AFTER_CLICK - 0.01
    assert not pace.may_draw()
    clock.now += 0.02
    assert pace.may_draw()


def test_cost_and_rate_are_those_of_this_training(clock):
    pace = RecordScheduler("auto", 0.02, clock)
    pace.note_record(5.0)
    pace.begin()
    clock.now += 8
    pace.note_record(1.0)
    pace.note_drawing(1.0)
    clock.now += 2
    assert pace.overhead == pytest.approx(2 / 8)
    assert pace.record_rate == (1, 10)


def test_records_are_not_counted_before_a_second_of_training(clock):
    pace = RecordScheduler("epoch", 0.02, clock)
    pace.note_record(0.02)
    clock.now += 0.5
    assert pace.record_rate is None
    clock.now += 0.5
    assert pace.record_rate == (1, 1.0)


def test_epoch_recording_leaves_batches_alone(clock):
    pace = RecordScheduler("epoch", 0.02, clock)
    clock.now += 1000
    assert not pace.is_due(1000)


@pytest.mark.parametrize(
    ("record_every", "max_overhead"), [("batch", 0.1), (0, 0.1), (-1, 0.1), (True, 0.1), ("auto", 0), ("auto", 2)]
)
def test_nonsense_is_refused_with_what_came(record_every, max_overhead):
    with pytest.raises(ValueError, match=f"{record_every!r}|{max_overhead!r}"):
        check_schedule_arguments(record_every, max_overhead)


def test_no_share_is_told_of_a_training_that_has_hardly_begun(clock):
    pace = RecordScheduler("auto", 0.02, clock)
    clock.now += 0.501
    pace.note_record(0.25)
    pace.note_drawing(0.25)
    assert pace.overhead is None  # 500 times what the training took so far
    clock.now += 0.499
    assert pace.overhead == pytest.approx(1)
