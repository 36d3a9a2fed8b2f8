"""Tests of `panel`: the panel without a browser."""
