"""Data parallel on four devices of JAX: `python -m tests.engines.devices`.

It needs `KERAS_BACKEND=jax` and `XLA_FLAGS=--xla_force_host_platform_device_count=4`.
"""

import keras

from tests.engines import check_freezing, check_return, check_training, model_of


def main():
    """Hold it to the promises, with every weight on four devices and every batch divided among them."""
    devices = keras.distribution.list_devices("cpu")
    assert len(devices) == 4
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    model, _ = check_training(model_of)
    assert all(len(variable.value.sharding.device_set) == 4 for variable in model.variables)
    check_freezing(model_of)
    model, _ = check_return(model_of)
    assert all(len(variable.value.sharding.device_set) == 4 for variable in model.variables)


if __name__ == "__main__":
    main()
    print("kept on four devices")
