"""A plain script: it records, has a figure, and says in one line of text how each epoch ended where that is asked for."""

import subprocess
import sys

SCRIPT = """
import logging, sys
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

model = keras.Sequential([keras.Input((6,)), layers.Dense(3, name="out")], name="small")
model.compile("sgd", "mse")
explorer = WeightExplorer(model)

def fit():
    model.fit(np.ones((32, 6)), np.ones((32, 3)), epochs=2, verbose=2, callbacks=[explorer.callback])

fit()
print("NOW IT LOGS")
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
fit()
print(explorer)
explorer.figure().savefig(sys.argv[1])
"""


def test_a_script_has_a_figure_and_if_it_logs_a_line_for_each_epoch_after_those_of_keras(tmp_path):
    file = tmp_path / "figure.png"
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-2000:]
    assert file.read_bytes().startswith(b"\x89PNG")
    before, after = result.stdout.split("NOW IT LOGS")
    assert "weight_explorer" not in before
    lines = [line for line in after.splitlines() if line]
    ours = [i for i, line in enumerate(lines) if line.startswith("weight_explorer: fit 2, epoch")]
    assert [lines[i].split(",")[1] for i in ours] == [" epoch 1 of 2", " epoch 2 of 2"]
    assert all(", loss: " in lines[i] and ", records: " in lines[i] for i in ours)
    assert [lines[i - 1].startswith("1/1 - ") for i in ours] == [True, True]
    assert "small/out/kernel  (6, 3) = (input_dim, units)" in after
