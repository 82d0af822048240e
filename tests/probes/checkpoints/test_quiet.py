"""Silence of the libraries that load models, for the time of a block."""

import pytest
from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging

from probes.checkpoints.quiet import quiet


def verbosity():
    return logging.get_verbosity(), hub_logging.get_verbosity(), logging.is_progress_bar_enabled()


@pytest.fixture
def loud():
    """Warnings and bars on, whatever an earlier test left."""
    level, hub_level, has_bars = verbosity()
    logging.set_verbosity_info()
    hub_logging.set_verbosity_info()
    logging.enable_progress_bar()
    yield verbosity()
    logging.set_verbosity(level)
    hub_logging.set_verbosity(hub_level)
    if not has_bars:
        logging.disable_progress_bar()


def test_within_the_block_warnings_and_bars_are_off(loud, caplog):
    logger = logging.get_logger("transformers.modeling_utils")
    logger.warning("before")
    with quiet():
        logger.warning("within")
        assert not logging.is_progress_bar_enabled()
        assert hub_logging.get_verbosity() > hub_logging.ERROR
    logger.warning("after")
    assert caplog.messages == ["before", "after"]


def test_levels_and_bars_are_restored_after_the_block_and_after_an_exception(loud):
    with quiet(), quiet():
        pass
    assert verbosity() == loud
    with pytest.raises(OSError, match="full"), quiet():
        raise OSError("full")
    assert verbosity() == loud


def test_bars_that_were_off_stay_off(loud):
    logging.disable_progress_bar()
    with quiet():
        pass
    assert not logging.is_progress_bar_enabled()
