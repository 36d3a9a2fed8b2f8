"""Tests of `training`: following a training."""
