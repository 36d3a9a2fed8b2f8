"""Pictures as Python, one module for each kind: a function that writes the lines which draw it with NumPy and matplotlib."""
