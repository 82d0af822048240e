"""Python's global random state around a block that draws numbers."""

import contextlib
import random

from probes.randomness import preserved_random_state


def test_draws_within_the_block_do_not_move_the_state():
    random.seed(0)
    expected = [random.random() for _ in range(3)]
    random.seed(0)
    with preserved_random_state():
        random.random()
        random.seed(7)
    assert [random.random() for _ in range(3)] == expected


def test_the_state_is_restored_after_an_exception():
    state = random.getstate()
    with contextlib.suppress(ImportError), preserved_random_state():
        random.random()
        raise ImportError("broken")
    assert random.getstate() == state


def test_without_the_block_the_state_moves():
    state = random.getstate()
    random.random()
    assert random.getstate() != state
    random.setstate(state)
