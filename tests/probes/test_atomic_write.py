"""A file that is open elsewhere and may not be replaced, as on Windows."""

from pathlib import Path

import pytest

from probes import atomic_write
from probes.atomic_write import put_in_place
from probes.features.store import write_whole


@pytest.fixture
def refusals(monkeypatch):
    """A list of how often renaming is still refused; nobody waits in earnest."""
    left, replace = [0], Path.replace

    def refused(self, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr(atomic_write, "WAITS", (0.0, 0.0))
    return left


def test_a_file_that_is_open_elsewhere_is_replaced_once_it_is_closed(tmp_path, refusals):
    path = tmp_path / "shard"
    path.write_bytes(b"old")
    refusals[0] = 2
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_open_file_that_is_the_same_is_left_where_it_is(tmp_path, refusals):
    path = tmp_path / "shard"
    path.write_bytes(b"same")
    refusals[0] = 1000
    write_whole(path, b"same")
    assert refusals[0] == 999
    assert list(tmp_path.iterdir()) == [path]


def test_another_file_that_stays_open_is_an_error_and_leaves_nothing_behind(tmp_path, refusals):
    path = tmp_path / "shard"
    path.write_bytes(b"old")
    refusals[0] = 1000
    with pytest.raises(OSError, match="shard"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_may_not_be_written_for_another_reason_is_refused_at_once(tmp_path, refusals):
    part = tmp_path / "part"
    part.write_bytes(b"new")
    refusals[0] = 1000
    with pytest.raises(PermissionError):
        put_in_place(part, tmp_path / "shard", b"new")
    assert refusals[0] == 999
