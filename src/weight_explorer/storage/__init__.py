"""Everything in files: checkpoints and recorded runs."""
