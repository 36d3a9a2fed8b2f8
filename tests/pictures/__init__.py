"""Tests of `pictures`: pictures as figures, tables and files."""
