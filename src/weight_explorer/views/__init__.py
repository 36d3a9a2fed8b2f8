"""What to draw, as pure functions from weights, history and choice to pictures. `registry` lists the views."""
