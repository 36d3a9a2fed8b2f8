"""Two sets of weights, aligned."""
