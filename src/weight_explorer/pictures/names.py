"""Creates file names and shortens long names."""

from __future__ import annotations

import re

MAX_LENGTH = 120


def file_name(*parts: str) -> str:
    r"""Return a file name without a suffix that is valid on every operating system.

    >>> file_name("auto/encoder / kernel / forget gate", "matrix", "epoch 3")
    'auto_encoder_kernel_forget_gate_matrix_epoch_3'
    >>> file_name("../../etc", 'a<b>:"|?*\x00b', ""), file_name("...")
    ('etc_a_b_b', 'weights')
    """
    words = re.sub(r"[^\w.-]+|[_\s]+", "_", "_".join(filter(None, parts)))
    name = re.sub(r"_+", "_", words)
    return name[:MAX_LENGTH].strip("._-") or "weights"


def shorten_middle(name: str, max_length: int) -> str:
    """Shorten a long name to `max_length` characters by replacing its middle with an ellipsis.

    >>> shorten_middle("reader/forward_lstm/lstm_cell/kernel", 20)
    'reader/fo…ell/kernel'
    """
    half = max_length // 2
    return name if len(name) <= max_length else f"{name[: max_length - half - 1]}…{name[-half:]}"
