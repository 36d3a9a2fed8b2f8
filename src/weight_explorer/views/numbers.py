"""Numbers as text, and how text begins."""

from __future__ import annotations

import math


def exact(number: float) -> str:
    """Write a number so that a change of 1e-9 is seen, with a steady number of decimals.

    >>> exact(0.25), exact(0.250000001), exact(-1.2e-9)
    ('0.2500000000', '0.2500000010', '-1.20000000e-09')
    """
    if not math.isfinite(number):
        return "unknown" if math.isnan(number) else str(number)
    if number == 0:
        return "0"
    return f"{number:.10f}" if 1e-3 <= abs(number) < 1e5 else f"{number:.8e}"


def rough(number: float) -> str:
    """Write a number with three digits that count.

    >>> rough(0.123456), rough(1.2e-9)
    ('0.123', '1.2e-09')
    """
    return "unknown" if math.isnan(number) else f"{number:.3g}"


def signed(number: float) -> str:
    """Write a difference with its sign, zero plainly.

    >>> signed(1.2e-9), signed(0.0)
    ('+1.2e-09', '0')
    """
    if math.isnan(number):
        return ""
    return f"{number:+.3g}" if number else "0"


def grouped(number: float) -> str:
    r"""Write a count in groups of three, with a narrow space that does not break between them.

    >>> grouped(109640) == "109\N{NARROW NO-BREAK SPACE}640"
    True
    """
    return f"{int(number):,}".replace(",", "\u202f")


def counted(number: int, noun: str) -> str:
    """Write a count with its noun, in the plural of any but one.

    >>> counted(1, "element"), counted(0, "element")
    ('1 element', '0 elements')
    """
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def share(part: float, whole: float) -> str:
    """Write a share in percent that says 0 % and 100 % only where it is exactly that.

    >>> share(0, 7), share(1, 5000), share(4999, 5000), share(7, 7)
    ('0 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    if not whole or math.isnan(part):
        return ""
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.3g} %"


def capitalized(words: str) -> str:
    """Write the first letter large, and leave all others, such as those of names, as they are.

    >>> capitalized("units of LSTM"), capitalized("")
    ('Units of LSTM', '')
    """
    return f"{words[:1].upper()}{words[1:]}"
