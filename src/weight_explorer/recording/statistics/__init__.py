"""Statistics of weights and of their changes, computed in NumPy and in C."""
