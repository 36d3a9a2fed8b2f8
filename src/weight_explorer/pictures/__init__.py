"""Pictures: frozen descriptions of what to draw, and how each is drawn: in the browser, in matplotlib, as a table, in words."""
