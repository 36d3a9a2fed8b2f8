"""The diagnosis rules, one module per family of problems."""
