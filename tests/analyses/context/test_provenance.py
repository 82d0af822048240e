"""Provenance: what the numbers of a result were computed from."""

from probes import Encoder, __version__


def test_provenance_tells_what_the_numbers_came_from(root, result):
    p = result.provenance
    assert p.data["train"]["rows"] == 60
    assert p.data["test"]["classes"] == {"label": {"negative": 15, "positive": 15}}
    assert p.command.startswith("layerprobe run --model")
    assert p.weights == Encoder.load(str(root / "bert")).fingerprint()
    assert p.seconds > 0
    assert {"torch", "transformers", "captum"} <= set(p.versions)
    assert p.versions["layerprobe"] == __version__
