"""Extraction of features: once, in the precision and the shares requested, and in the memory there is."""

import numpy as np
import pandas as pd
import pytest

from probes import AnalysisResult, Encoder
from probes.features import in_memory
from tests.support.commands.command_lines import call, files


def test_a_second_run_extracts_nothing_and_gives_the_same_numbers(root, result, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("extracted again")

    monkeypatch.setattr("probes.features.extraction.pool_into", refuse)
    assert call(root, "layers", *files(root), out="again") == 0
    pd.testing.assert_frame_equal(AnalysisResult.load(root / "again").tables["metrics"], result.tables["metrics"])


def test_features_stored_in_half_precision_take_half_the_space_and_give_nearly_the_same_scores(root):
    sizes, scores = [], []
    for dtype in ("float16", "float32"):
        cache = root / f"cache-{dtype}"
        flags = ("--cache", str(cache), "--stored-dtype", dtype, "--no-controls", "--untrained", "0")
        assert call(root, "layers", *files(root), *flags, out=dtype) == 0
        sizes.append(sum(path.stat().st_size for path in cache.rglob("mean-*")))
        metrics = AnalysisResult.load(root / dtype).tables["metrics"]
        scores.append(metrics.query("metric == 'log_loss'")["value"].to_numpy())
    half, whole = sizes
    assert half < 0.7 * whole  # the rest describes the features
    assert 0 < np.abs(scores[0] - scores[1]).max() < 0.01


def test_too_little_memory_is_a_note_of_the_result(root, monkeypatch):
    states = Encoder.states

    def small(self, batch, *args, **options):
        if batch.mask.numel() > 100:
            raise MemoryError
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)
    assert call(root, "layers", *files(root), "--cache", str(root / "small"), out="small-result") == 0
    note = next(note for note in AnalysisResult.load(root / "small-result").notes if "memory" in note)
    assert "did not fit in the memory of cpu" in note
    # A share of the features leaves no result to note it in.
    with pytest.warns(match="did not fit in the memory of cpu"):
        assert call(root, "layers", *files(root), "--cache", str(root / "share"), "--shards", "1/1") == 0


def test_shares_of_the_features_are_extracted_apart_and_then_read_as_one(root, capsys, monkeypatch):
    words = ["layers", *files(root), "--cache", str(root / "shared cache")]
    for part in ("2/2", "1/2"):
        assert call(root, *words, "--shards", part, out="no result yet") == 0
        assert f"share {part} of the features is extracted" in capsys.readouterr().out
        assert not (root / "no result yet").exists()
    monkeypatch.setattr(in_memory, "_pooled_vectors", lambda *_a, **_o: pytest.fail("a text was read again"))
    assert call(root, *words, out="from shares") == 0
    assert (root / "from shares" / "report.html").is_file()
