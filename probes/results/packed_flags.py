"""Many flags in one cell of a table: hexadecimal digits, each of which holds four."""

from __future__ import annotations

import numpy as np

from probes.checks import InputError
from probes.sequences import BoolArray


def pack_flags(flags: BoolArray) -> str:
    """Write (n,) flags as hexadecimal digits; the first flag is the highest bit of the first digit."""
    return np.packbits(flags).tobytes().hex()


def unpack_flags(digits: str, n: int) -> BoolArray:
    """Read the (n,) flags that `pack_flags` wrote.

    Raises:
        InputError: The text holds something else, or another number of flags.
    """
    try:
        packed = bytes.fromhex(digits)
    except ValueError as error:
        raise InputError(f"flags are hexadecimal digits, found {digits[:20]!r}") from error
    if len(packed) != -(-n // 8):
        raise InputError(f"{n:,} flags take {-(-n // 8):,} bytes, found {len(packed):,}")
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n).astype(bool)
