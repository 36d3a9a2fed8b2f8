"""Charts with axes."""
