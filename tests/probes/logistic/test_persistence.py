"""Files of probes: what is written is read."""

import numpy as np
import pytest

from probes import FittedProbe, InputError, LogisticProbe, load_probes
from probes.logistic.persistence import pack_probes


def test_packed_probes_are_the_same_probes(three_classes, tmp_path):
    x, y = three_classes
    fitted = LogisticProbe(c=0.3).fit(x, y, n_classes=3)
    (tmp_path / "probes.safetensors").write_bytes(pack_probes({"label/mean/2": fitted}, {"classes": {"label": ["a"]}}))
    probes, info = load_probes(tmp_path / "probes.safetensors")
    np.testing.assert_array_equal(probes["label/mean/2"].log_prob(x), fitted.log_prob(x))
    assert (probes["label/mean/2"].c, info["classes"]) == (0.3, {"label": ["a"]})


def test_a_file_that_holds_no_probes_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="cannot read probes"):
        load_probes(tmp_path / "absent.safetensors")


def test_probes_written_without_a_center_are_still_read(three_classes, tmp_path):
    x, y = three_classes
    fitted = LogisticProbe().fit(x, y, n_classes=3)
    folded = FittedProbe(fitted.weight, fitted.bias - fitted.weight @ fitted.center, c=1.0)
    (tmp_path / "old.safetensors").write_bytes(pack_probes({"label/mean/2": folded, "label/cls/0": fitted}, {}))
    probes, _ = load_probes(str(tmp_path / "old.safetensors"))
    assert probes["label/mean/2"].center is None
    np.testing.assert_array_equal(probes["label/cls/0"].center, fitted.center)
    np.testing.assert_allclose(probes["label/mean/2"].logits(x), fitted.logits(x), atol=1e-4)
