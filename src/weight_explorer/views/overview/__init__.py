"""The Overview: all weights over all records."""
