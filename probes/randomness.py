"""Python's global random state, which belongs to the user's program."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore Python's random state at the end of the block, as around imports of libraries that draw numbers."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
