"""`layerprobe layers`: the saved probes are those that were scored."""

import pandas as pd
import pytest

from probes import Encoder, load_probes


def test_the_saved_probe_gives_the_tables_accuracy(root, result):
    from probes import extract_features

    probes, info = load_probes(root / "out" / "probes.safetensors")
    test = pd.read_csv(root / "test.csv")
    store = extract_features(Encoder.load(str(root / "bert")), test["text"].tolist(), cache=root / "cache")
    truth = test["label"].map(info["classes"]["label"].index).to_numpy()
    accuracy = (probes["label/mean/2"].predict(store.read("mean", 2)) == truth).mean()
    table = result.tables["metrics"].query("probe == 'logistic' and pooling == 'mean' and layer == 2")
    row = table.query("split == 'test' and metric == 'accuracy'")
    assert row["value"].item() == pytest.approx(accuracy)
