"""The folder that fine-tuning leaves, written and read back."""

import pytest

from probes import InputError
from probes.heads.fine_tuned_folder import FineTuned
from probes.heads.trainer import Epoch

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("content", ['{"format": 0}', '{"format": 1}', '{"format": 1, "epochs": [{"x": 1}]}'])
def test_what_another_version_wrote_is_named_with_the_folder_to_delete(content, tmp_path):
    (tmp_path / "finetuned.json").write_text(content)
    with pytest.raises(InputError, match=rf"finetuned.json' .*; delete the folder '{tmp_path}'"):
        FineTuned.load(tmp_path)


EPOCHS = (Epoch(1, 0.7, 0.6, 0.5, 2.0), Epoch(2, 0.4, 0.5, 0.75, 3.0))


def fine_tuned(folder):
    return FineTuned(folder, "mean", ("a", "b\u00e9"), 3, 128, EPOCHS, 2, random_pooler=False)


def test_what_is_written_is_what_is_loaded(tmp_path):
    fine_tuned(tmp_path).write()
    loaded = FineTuned.load(str(tmp_path))
    assert loaded.folder == tmp_path
    assert {name: value for name, value in vars(loaded).items() if name != "folder"} == {
        name: value for name, value in vars(fine_tuned(tmp_path)).items() if name != "folder"
    }
    assert loaded.seconds == sum(epoch.seconds for epoch in EPOCHS)


def test_a_folder_without_the_last_file_is_not_finished(tmp_path):
    (tmp_path / "head.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="contains no finished fine-tuning"):
        FineTuned.load(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "", "\x00"])
def test_a_file_that_is_no_object_is_damaged(content, tmp_path):
    (tmp_path / "finetuned.json").write_text(content)
    with pytest.raises(InputError, match=rf"is damaged .*; delete the folder '{tmp_path}' and run again"):
        FineTuned.load(tmp_path)
