"""Following a training: callback, session, record scheduler, background training, and reading of variables."""
