"""Silence for the libraries that load models."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from logging import CRITICAL


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Turn off loading bars and reports on weights; missing weights become errors or fields of the checkpoint."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    level = logging.get_verbosity()
    hub_level = hub_logging.get_verbosity()
    has_bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub_logging.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if has_bars:
            logging.enable_progress_bar()
