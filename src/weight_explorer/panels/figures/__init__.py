"""Pictures in matplotlib, one module for each kind: a function that draws on a figure, or on a part of one."""
