"""Integration with Jupyter kernels: subshells, cells, display, and docking."""
