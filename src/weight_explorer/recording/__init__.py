"""Recording of weights: statistics, the history of records, and the recorder. `training` decides when to record."""
