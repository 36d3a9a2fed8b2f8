"""The panel: its state, controller and widgets."""
