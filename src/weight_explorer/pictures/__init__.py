"""Pictures: immutable descriptions of what to draw, with renderers for the browser, matplotlib, tables and text."""
