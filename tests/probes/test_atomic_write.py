"""Files written whole, also where another process has the earlier one open, as on Windows."""

from pathlib import Path

import pytest

from probes import atomic_write
from probes.atomic_write import write_atomically


@pytest.fixture
def refusals(monkeypatch):
    """Return a list of one number: how often renaming is still refused. Attempts follow each other at once."""
    remaining = [0]
    replace = Path.replace

    def refuse(self, target):
        if remaining[0]:
            remaining[0] -= 1
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(atomic_write, "RETRY_DELAYS", (0.0, 0.0))
    return remaining


def test_a_file_that_is_open_elsewhere_is_replaced_once_it_is_closed(tmp_path, refusals):
    path = tmp_path / "shard"
    path.write_bytes(b"old")
    refusals[0] = 2
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_open_file_with_the_same_content_is_left_unchanged(tmp_path, refusals):
    path = tmp_path / "shard"
    path.write_bytes(b"same")
    refusals[0] = 1000
    write_atomically(path, b"same")
    assert refusals[0] == 999
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_stays_open_is_an_error_and_leaves_no_part_file(tmp_path, refusals):
    path = tmp_path / "shard"
    path.write_bytes(b"old")
    refusals[0] = 1000
    with pytest.raises(OSError, match="shard"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_does_not_exist_and_may_not_be_written_is_refused_at_once(tmp_path, refusals):
    refusals[0] = 1000
    with pytest.raises(OSError, match=r"cannot write .*shard'"):
        write_atomically(tmp_path / "shard", b"new")
    assert refusals[0] == 999
    assert not list(tmp_path.iterdir())


def test_a_file_has_the_permissions_that_are_asked_for(tmp_path):
    path = tmp_path / "page"
    write_atomically(path, b"new", permissions=0o640)
    assert path.stat().st_mode & 0o777 == 0o640


def test_part_files_of_killed_writers_are_deleted_and_those_of_running_ones_stay(tmp_path):
    file, part = atomic_write._new_part(tmp_path / "shard")
    atomic_write.delete_abandoned_parts(tmp_path)
    assert part.exists()
    file.close()
    atomic_write.delete_abandoned_parts(tmp_path)
    assert not part.exists()
