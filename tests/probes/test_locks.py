"""Locks on files: one holder at a time, and no file after it."""

import os

import pytest

from probes import InputError
from probes.locks import delete_lock_files, file_lock


def test_a_lock_has_one_holder_whose_process_is_named(tmp_path):
    file = tmp_path / "lock"
    with file_lock(file, "writing to 'out'"):
        assert file.read_text() == f"{os.getpid()}\n"
        with (
            pytest.raises(InputError, match=f"process {os.getpid()}.* is writing to 'out'; wait"),
            file_lock(file, "writing to 'out'"),
        ):
            pass
    assert not file.exists()
    with file_lock(file, "writing to 'out'"):
        pass


def test_a_link_is_no_lock(tmp_path):
    target = tmp_path / "target"
    target.write_text("data")
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(InputError, match="is not a regular file; delete it"), file_lock(tmp_path / "lock", "at work"):
        pass
    assert target.read_text() == "data"


def test_files_of_all_locks_are_deleted_before_a_process_is_ended(tmp_path):
    with file_lock(tmp_path / "a", "at work"), file_lock(tmp_path / "b", "at work"):
        delete_lock_files()
        assert not list(tmp_path.iterdir())
