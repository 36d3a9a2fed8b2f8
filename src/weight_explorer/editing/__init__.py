"""What is done to a model's weights by hand: holding elements still, drawing values anew, and the way back."""
