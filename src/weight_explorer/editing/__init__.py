"""Edit a model's weights by hand: freeze elements, assign or reinitialize values, and undo edits."""
