"""Tests of `comparison`: two sets of weights."""
