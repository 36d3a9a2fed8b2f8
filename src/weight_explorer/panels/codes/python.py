"""Lines of Python: how numbers and texts are written, and whether some lines give just the numbers they should."""

from __future__ import annotations

import numpy as np

# Numbers of unknown origin that are written out; more of them are read from the file that "CSV" saves.
MOST_NUMBERS = 4096


def literal(array: np.ndarray) -> str:
    """Write an array's numbers out, each as short as gives the very same number back."""
    text = np.array2string(array, separator=", ", threshold=array.size + 1, max_line_width=110, floatmode="unique")
    text = text.replace("nan", "np.nan").replace("inf", "np.inf")
    dtype = "" if array.dtype in (np.float64, np.int64, np.bool_) else f", np.{array.dtype}"
    return f"np.array({text}{dtype})"


def calls(subject: str, **words: str) -> list[str]:
    """Write the calls that set texts, which are no formulas even with dollars in them; none where there is no text."""
    return [f"{subject}.{call}({text!r}{plain(text)})" for call, text in words.items() if text]


def plain(*words: str) -> str:
    """Write the argument by which texts are no formulas, where they might be taken for some."""
    return ", parse_math=False" if any("$" in text for text in words) else ""


def csv_lines(csv_name: str) -> list[str]:
    """Write how the rows of a saved table come back as `lines`, without its notes and its head."""
    return [
        f"with open({csv_name!r}, encoding='utf-8', newline='') as file:"
        f"  # as saved by the panel, or by explorer.to_csv({csv_name!r})",
        "    rows = itertools.dropwhile(lambda row: row.startswith('#'), file)",
        "    lines = list(csv.reader(rows))[1:]",
    ]


def is_given(lines: list[str], name: str, wanted: np.ndarray, values: np.ndarray) -> bool:
    """Whether lines make of `values` an array just as wanted, to the last bit of its float32.

    They are run to know: lines that come near would be a lie. No text of users is in them.
    """
    names = {"np": np, "values": values}
    with np.errstate(all="ignore"):
        exec("\n".join(lines), names)
        made = np.asarray(names[name]).astype(np.float32)
    return made.shape == wanted.shape and np.array_equal(made, wanted, equal_nan=True)
