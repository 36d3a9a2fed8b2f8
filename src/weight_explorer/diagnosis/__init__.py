"""Diagnosis: findings about what changed during training, what did not and why, each with its evidence."""
