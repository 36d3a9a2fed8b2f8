"""What the acceptance tests share: running the code that an explorer gives, and reading its CSV."""

import csv

import matplotlib.pyplot as plt


def run_code(explorer, model):
    """Run `explorer.code()` as a user would in a cell of their own, and return its names."""
    names = {"model": model, "explorer": explorer}
    exec(explorer.code(), names)
    plt.close("all")
    return names


def rows_of(explorer):
    """Return the rows of `explorer.to_csv()` as dicts."""
    lines = [line for line in explorer.to_csv().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def caption_of(explorer):
    """Return what the CSV says above its table."""
    return " ".join(line[2:] for line in explorer.to_csv().splitlines() if line.startswith("#"))
