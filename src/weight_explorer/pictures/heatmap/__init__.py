"""A heat map of weights over records."""
