"""Train a model and look at it with nothing but the installed package. Prints where the package is."""

from pathlib import Path

import keras
import numpy as np

import weight_explorer
from weight_explorer import WeightExplorer
from weight_explorer.recording.statistics import native


def main():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, name="dense")], name="small")
    model.compile("adam", "mse")
    explorer = WeightExplorer(model)
    model.fit(np.ones((64, 8)), np.zeros((64, 4)), epochs=3, verbose=0, callbacks=[explorer.callback])
    assert (explorer.history.values("small/dense/kernel")[-1] == model.layers[0].kernel.numpy()).all()
    explorer.figure().savefig("kernel.png")
    assert "text/html" in explorer._repr_mimebundle_()

    package = Path(weight_explorer.__file__).parent
    # If the package contains the C library, it loads on this machine.
    assert (native.library is not None) == any(package.rglob("*.so"))
    print(package)


if __name__ == "__main__":
    main()
