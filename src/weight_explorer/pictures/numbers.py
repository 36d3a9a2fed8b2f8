"""Formats numbers as text, and capitalizes sentences."""

from __future__ import annotations

import math


def format_exact(number: float) -> str:
    """Format a number so that a change of 1e-9 is visible, with a fixed number of decimals.

    >>> format_exact(0.25), format_exact(0.250000001), format_exact(-1.2e-9)
    ('0.2500000000', '0.2500000010', '-1.20000000e-09')
    """
    if not math.isfinite(number):
        return "unknown" if math.isnan(number) else str(number)
    if number == 0:
        return "0"
    return f"{number:.10f}" if 1e-3 <= abs(number) < 1e5 else f"{number:.8e}"


def format_rounded(number: float) -> str:
    """Format a number with three significant digits.

    >>> format_rounded(0.123456), format_rounded(1.2e-9)
    ('0.123', '1.2e-09')
    """
    return "unknown" if math.isnan(number) else f"{number:.3g}"


def format_signed(number: float) -> str:
    """Format a difference with its sign. Zero has no sign.

    >>> format_signed(1.2e-9), format_signed(0.0)
    ('+1.2e-09', '0')
    """
    if math.isnan(number):
        return ""
    return f"{number:+.3g}" if number else "0"


def format_count(number: float) -> str:
    r"""Format a count in groups of three digits, separated by narrow no-break spaces.

    >>> format_count(109640) == "109\N{NARROW NO-BREAK SPACE}640"
    True
    """
    return f"{int(number):,}".replace(",", "\u202f")


def count_noun(number: int, noun: str) -> str:
    """Format a count with its noun. The noun is plural unless the count is one.

    >>> count_noun(1, "element"), count_noun(0, "element")
    ('1 element', '0 elements')
    """
    return f"{format_count(number)} {noun}{'' if number == 1 else 's'}"


def format_share(part: float, whole: float) -> str:
    """Format a share as a percentage. The result is `0 %` or `100 %` only if the share is exactly that.

    >>> format_share(0, 7), format_share(1, 5000), format_share(4999, 5000), format_share(7, 7)
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


def capitalize_first(text: str) -> str:
    """Capitalize the first letter and keep all other letters, such as those of names.

    >>> capitalize_first("units of LSTM"), capitalize_first("")
    ('Units of LSTM', '')
    """
    return f"{text[:1].upper()}{text[1:]}"
