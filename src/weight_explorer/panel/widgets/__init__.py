"""The widgets that the panel is made of."""
