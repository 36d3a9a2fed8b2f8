"""Views: pure functions that turn weights, a history, and the user's choice into pictures. `registry` lists them."""
