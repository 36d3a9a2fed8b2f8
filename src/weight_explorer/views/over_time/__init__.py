"""The Over time view: statistics from record to record."""
