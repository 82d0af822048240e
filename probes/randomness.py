"""Python's global random state, which belongs to the user's program."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Give Python's random state back after the block, as around imports of libraries that draw while they load."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
