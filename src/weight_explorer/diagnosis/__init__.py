"""What moved, what did not and why: findings in a recorded training, each with its evidence."""
