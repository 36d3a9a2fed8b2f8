"""Two replicas in one process, of a processor that is divided in two: `python -m tests.engines.mirrored`."""

import tensorflow as tf

from tests.engines import KERNEL, check_freezing, check_training, model_of, same, values_of


def make():
    """Make a model of two replicas."""
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        return model_of()


def replicas_of(variable):
    """Return the values of a variable on each device."""
    return [each.numpy() for each in variable.value.values]


def main():
    """Hold it to the promises, on both devices."""
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    model, explorer = check_training(make)
    last = explorer.history.num_recorded - 1
    for key, variable in explorer.catalog.variables.items():
        first, second = replicas_of(variable)
        assert same(explorer.history.values_at(key, last), first), key
        # What is not trained, each replica has of its own; Keras reads, shows and saves the first one's.
        assert same(first, second) or not variable.trainable, key
    moving = model.get_layer("norm").moving_mean
    assert not same(*replicas_of(moving))
    assert same(model.get_layer("norm").get_weights()[2], values_of(moving))

    model, explorer = check_freezing(make)
    frozen = explorer.history.values_at(KERNEL, explorer.check_frozen()[0].frozen_at)[1:3]
    for values in replicas_of(model.get_layer("hidden").kernel):
        assert same(values[1:3], frozen)


if __name__ == "__main__":
    main()
    print("kept on two replicas")
