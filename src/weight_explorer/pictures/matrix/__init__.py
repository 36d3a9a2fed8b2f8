"""A matrix of colored cells."""
