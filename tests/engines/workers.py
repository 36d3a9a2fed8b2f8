"""One of several workers on this machine: `python -m tests.engines.workers INDEX PORT PORT`. Tells what Keras makes of it."""

import json
import os
import sys


def main(index, ports):
    """Fit a model on all workers together, without an explorer."""
    # TensorFlow reads it when the strategy is made, which must be before anything else is.
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    import tensorflow as tf  # noqa: PLC0415

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    from tests.engines import fit, model_of  # noqa: PLC0415

    assert strategy.num_replicas_in_sync == len(ports)
    with strategy.scope():
        model = model_of()
    try:
        fit(model)
    except ValueError as error:
        print("refused:", str(error).split(":")[0])
    else:
        print("trained")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
