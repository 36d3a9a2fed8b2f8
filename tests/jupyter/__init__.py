"""Tests of `jupyter`: kernels, cells and docking."""
