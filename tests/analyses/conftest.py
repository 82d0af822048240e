"""Fixtures of the tests of analyses."""

import pandas as pd
import pytest

from tests.support.command_lines import rows
from tests.support.models import build_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with three files, a tiny BERT and a tiny classifier."""
    folder = tmp_path_factory.mktemp("place")
    for seed, (name, n) in enumerate({"train": 60, "validation": 24, "test": 30}.items()):
        pd.DataFrame(rows(n, seed), columns=["text", "label"]).to_csv(folder / f"{name}.csv", index=False)
    for name, auto in (("bert", "AutoModel"), ("classifier", "AutoModelForSequenceClassification")):
        model, tokenizer = build_model("bert", auto, id2label={0: "POSITIVE", 1: "NEGATIVE"})
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder
