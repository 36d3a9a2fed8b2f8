"""Pictures on the screen: anywidgets with hand-written ES modules, bqplot charts, matplotlib figures."""
