"""Read and write files: checkpoints and recorded runs."""
