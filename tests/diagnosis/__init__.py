"""Tests of `diagnosis`: findings."""
