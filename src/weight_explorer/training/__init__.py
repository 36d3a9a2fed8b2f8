"""Follows a training: callback, session, scheduler, training on a thread, reading variables."""
