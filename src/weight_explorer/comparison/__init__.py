"""Compare two sets of weights by aligning them."""
