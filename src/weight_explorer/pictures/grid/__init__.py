"""Several pictures side by side."""
