"""Tests of `recording`: records, history and statistics."""
