"""Tests of `storage`: files."""
