"""The Matrix view: a weight as colored cells."""
