"""Memory of values that were let go of serves the next ones, never while anybody looks at it, and never beyond its bound."""

import _thread
import mmap
from pathlib import Path

import numpy as np
import pytest

from weight_explorer.recording.buffer_pool import MIN_POOLED_BYTES, MIN_SLABS, SLAB_BYTES, BufferPool
from weight_explorer.recording.statistics import native

PLENTY = MIN_SLABS * SLAB_BYTES

needs_slabs = pytest.mark.skipif(native.library is None, reason="slabs are there where the package was built with a compiler")


def address(array):
    return array.__array_interface__["data"][0]


def taken(rooms, nbytes, dtype=np.uint8):
    return rooms.allocate((nbytes // np.dtype(dtype).itemsize,), np.dtype(dtype))


@pytest.fixture(params=[PLENTY, PLENTY - 1], ids=["slabs", "no slabs"])
def rooms(request):
    return BufferPool(request.param)


@pytest.mark.parametrize(
    "nbytes", [MIN_POOLED_BYTES, MIN_POOLED_BYTES + 4, SLAB_BYTES // 4, SLAB_BYTES // 4 + 4, SLAB_BYTES + 4]
)
def test_what_nobody_holds_is_taken_again_whatever_it_was_used_as(rooms, nbytes):
    first = rooms.allocate((nbytes // 4,), np.dtype(np.float32))
    place = address(first)
    del first
    assert rooms.free_nbytes == nbytes
    second = rooms.allocate((nbytes // 2, 1), np.dtype(np.float16))
    assert (address(second), second.shape, second.dtype, second.flags.writeable) == (place, (nbytes // 2, 1), np.float16, True)
    assert rooms.free_nbytes == 0


@pytest.mark.parametrize("view", [lambda a: a[7:9], lambda a: a.reshape(2, -1).T, memoryview, lambda a: a.view("u1")])
def test_a_view_holds_its_place(rooms, view):
    array = taken(rooms, 1 << 17, np.float32)
    array.setflags(write=False)
    held = view(array)
    place = address(array)
    del array
    assert rooms.free_nbytes == 0
    other = taken(rooms, 1 << 17, np.float32)
    assert address(other) != place
    del held, other
    assert rooms.free_nbytes == 2 << 17


def test_arrays_never_overlap(rooms):
    random, held = np.random.default_rng(1), {}
    for number in range(400):
        nbytes = int(random.choice([1000, MIN_POOLED_BYTES, MIN_POOLED_BYTES + 12, 200_000, SLAB_BYTES // 4]))
        held[number] = taken(rooms, nbytes, np.uint32)
        held[number][:] = number
        if len(held) > 30:
            del held[int(random.choice(list(held)))]
        if not number % 20:
            rooms.limit_free(int(random.integers(0, 3 * SLAB_BYTES)))
    for number, array in held.items():
        assert (array == number).all()


@pytest.mark.parametrize("spare", [0, 1])
def test_where_more_is_kept_than_allowed_nothing_is_spare(rooms, spare):
    arrays = [taken(rooms, 1 << 17) for _ in range(spare)]
    del arrays
    rooms.limit_free(-5)
    assert rooms.free_nbytes == 0


def test_no_more_than_allowed_stays_spare_also_of_what_comes_back_later(rooms):
    arrays = [taken(rooms, 1 << 17) for _ in range(10)]
    rooms.limit_free(3 << 17)
    del arrays
    assert rooms.free_nbytes == 3 << 17
    rooms.limit_free(0)
    assert rooms.free_nbytes == 0


@needs_slabs
def test_what_is_let_go_of_is_given_back_to_the_system_and_its_place_is_used_again(monkeypatch):
    monkeypatch.setattr(_thread, "start_new_thread", lambda function, arguments: function(*arguments))
    rooms, num_arrays = BufferPool(PLENTY), 200
    arrays = [taken(rooms, 1 << 18) for _ in range(num_arrays)]
    places = {address(array) for array in arrays}
    before = resident()
    del arrays
    rooms.limit_free(0)
    assert before - resident() > 0.9 * num_arrays * (1 << 18)
    again = [taken(rooms, 1 << 18) for _ in range(num_arrays)]
    assert {address(array) for array in again} == places


@needs_slabs
@pytest.mark.parametrize("page_size", [mmap.PAGESIZE, 1 << 14, 1 << 16], ids=lambda size: f"{size >> 10} KiB")
@pytest.mark.parametrize(
    "nbytes", [MIN_POOLED_BYTES, MIN_POOLED_BYTES + 4, 3 * MIN_POOLED_BYTES, SLAB_BYTES // 4 - 4, SLAB_BYTES // 4]
)
def test_neighbors_of_memory_that_is_given_back_keep_their_values_whatever_the_page_size(nbytes, page_size, monkeypatch):
    use_page_size(page_size, monkeypatch)
    rooms = BufferPool(PLENTY)
    arrays = [taken(rooms, nbytes, np.uint32) for _ in range(100)]
    for number, array in enumerate(arrays):
        array[:] = number
    kept = dict(enumerate(arrays[::2]))
    del arrays, array
    rooms.limit_free(0)
    assert all((array == 2 * number).all() for number, array in kept.items())


@needs_slabs
def test_arrays_of_few_pages_are_left_to_the_allocator_which_gets_all_of_their_memory_back(monkeypatch):
    use_page_size(1 << 16, monkeypatch)
    rooms = BufferPool(PLENTY)
    arrays = [taken(rooms, MIN_POOLED_BYTES), taken(rooms, SLAB_BYTES // 4 - 4)]
    assert rooms.reserved_nbytes == 0
    arrays.append(taken(rooms, SLAB_BYTES // 4))
    assert rooms.reserved_nbytes == SLAB_BYTES - SLAB_BYTES // 4


def use_page_size(page_size, monkeypatch):
    """Have memory given back as on a machine with pages of this size, without another thread."""
    monkeypatch.setattr(native, "passes", native.NativeLibrary(native.library._cdll, page_size))
    monkeypatch.setattr(_thread, "start_new_thread", lambda function, arguments: function(*arguments))


def resident():
    """Return bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@needs_slabs
def test_arrays_of_a_slab_begin_at_lines_of_the_cache_and_the_rest_of_it_is_counted():
    rooms = BufferPool(PLENTY)
    arrays = [taken(rooms, MIN_POOLED_BYTES + 4, np.uint32) for _ in range(3)]
    assert all(address(array) % 64 == 0 for array in arrays)
    assert rooms.reserved_nbytes == SLAB_BYTES - 3 * (MIN_POOLED_BYTES + 64)


@needs_slabs
def test_the_next_slab_is_there_before_it_is_needed():
    rooms = BufferPool(PLENTY)
    arrays = [taken(rooms, SLAB_BYTES // 4) for _ in range(2)]
    assert rooms.reserved_nbytes == SLAB_BYTES // 2
    arrays.append(taken(rooms, SLAB_BYTES // 4))
    assert rooms.reserved_nbytes == SLAB_BYTES // 4 + SLAB_BYTES
    arrays += [taken(rooms, SLAB_BYTES // 4) for _ in range(2)]
    assert rooms.reserved_nbytes == 3 * SLAB_BYTES // 4


@needs_slabs
def test_without_a_thread_to_be_had_there_is_memory_all_the_same(monkeypatch):
    def start(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", start)
    rooms = BufferPool(PLENTY)
    arrays = [taken(rooms, SLAB_BYTES // 4) for _ in range(9)]
    assert len({address(array) for array in arrays}) == 9
