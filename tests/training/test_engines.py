"""Other backends and several devices, each in a process of its own, held to the same promises."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends import BACKEND

ROOT = Path(__file__).parent.parent.parent
HOUR = 3600
OTHERS = [each for each in ("jax", "torch") if each != BACKEND]
# Besides the core: what knows Keras and not only the history.
MODULES = (
    *("activity", "by_hand", "catalog", "checkpoints", "desk", "edit", "every_layer", "export", "faults", "files", "findings"),
    *("freeze", "initializers", "interrupts", "keys", "live", "loops", "no_false_alarms", "places", "promises", "proofs"),
    *("random_clicking", "recorder", "runs", "session", "slices", "training", "views", "widget"),
)


def run(*command, seconds=HOUR, **environment):
    """Run Python with this environment on top of ours, and return what it says."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
    assert process.returncode == 0, said[-5000:]
    return said


def hold_tests(backend, *arguments):
    """Run tests on another backend; they must pass, and some must have run."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, KERAS_BACKEND=backend)
    assert " passed" in said
    assert " failed" not in said


@pytest.mark.parametrize("backend", OTHERS)
def test_the_core_promises_hold_on_another_backend(backend):
    hold_tests(backend, "tests/test_core.py")


@pytest.mark.long
@pytest.mark.parametrize("backend", OTHERS)
def test_every_engine_of_another_backend_keeps_them(backend):
    hold_tests(backend, "-m", "long", "tests/test_core.py")


@pytest.mark.long
@pytest.mark.parametrize("backend", OTHERS)
def test_what_knows_keras_holds_on_another_backend(backend):
    hold_tests(backend, *(f"tests/test_{name}.py" for name in MODULES))


@pytest.mark.long
def test_two_replicas_of_a_mirrored_strategy_keep_them():
    assert "kept on two replicas" in run("-m", "tests.engines.mirrored", KERAS_BACKEND="tensorflow")


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_data_parallel_on_four_devices_of_jax_keeps_them():
    flags = "--xla_force_host_platform_device_count=4"
    assert "kept on four devices" in run("-m", "tests.engines.devices", KERAS_BACKEND="jax", XLA_FLAGS=flags)


def free_ports(count):
    """Find ports of this machine that nobody listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.mark.long
def test_keras_itself_does_not_fit_on_two_workers():
    """So there is nothing to show. Where a newer Keras can, this fails: then only the chief is to show and record."""
    ports = free_ports(2)
    command = [sys.executable, "-m", "tests.engines.workers"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment, "cwd": ROOT}
    workers = [subprocess.Popen([*command, str(index), *ports], **pipes) for index in range(2)]
    try:
        said = [worker.communicate(timeout=HOUR)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for each in said:
        assert "refused: Attempt to convert a value (PerReplica" in each, each[-5000:]
