"""Names of files."""

from __future__ import annotations

import re

LONGEST = 120


def file_name(*parts: str) -> str:
    r"""Make a name of a file, without a suffix, that every system takes.

    >>> file_name("auto/encoder / kernel / forget gate", "matrix", "epoch 3")
    'auto_encoder_kernel_forget_gate_matrix_epoch_3'
    >>> file_name("../../etc", 'a<b>:"|?*\x00b', ""), file_name("...")
    ('etc_a_b_b', 'weights')
    """
    words = re.sub(r"[^\w.-]+|[_\s]+", "_", "_".join(filter(None, parts)))
    name = re.sub(r"_+", "_", words)
    return name[:LONGEST].strip("._-") or "weights"
