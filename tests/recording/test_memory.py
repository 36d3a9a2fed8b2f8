"""The bound on memory holds for the whole process, also while a record is made."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SCRIPT = """
import ctypes, gc, sys
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) * 1024

def peak_from_now():
    open("/proc/self/clear_refs", "w").write("5")

sizes = [layers.Dense(2000, name=f"dense_{i}") for i in range(6)]
model = keras.Sequential([keras.Input((2000,)), *sizes, layers.Dense(10, name="out")], name="m")
small = WeightExplorer(keras.Sequential([keras.Input((30,)), layers.Dense(20)]), memory="1 MB")  # all imports, all first calls
small.record()
small.figure()
gc.collect()
ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not be taken again unseen
peak_from_now()
before = status("VmRSS")
explorer = WeightExplorer(model, memory=sys.argv[1], record_every=1)
for _ in range(30):
    explorer.record()
    explorer.select("dense_3", role="kernel", quantity="since_start")
most = status("VmHWM") - before
print(explorer.history.nbytes, most, len(explorer.history.records))
"""


def test_a_model_four_times_the_bound_takes_no_more_memory_than_the_bound():
    bound, model = 25_000_000, 6 * 2000 * 2000 * 4
    assert model > 3 * bound
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{bound} B"], capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr[-2000:]
    nbytes, most, num_records = (int(word) for word in result.stdout.split()[-3:])
    assert num_records > 5
    assert 0.2 * bound < nbytes <= bound
    # Beside the history stand buffers of 3 MB, and the pictures and widgets of one panel.
    assert most <= bound + 20_000_000
