"""Texts and labels in every kind of sequence, and two classifiers to give them to."""

import functools

import numpy as np
import pandas as pd

from probes import Encoder, FittedProbe, ModelHead, ProbeHead
from tests.support.encoders.models import HIDDEN, build_model

TEXTS, PAIRS, LABELS = ["the film was good", "awful", "a dull plot !"], ["bad", "fine", "very good"], [1, 0, 1]
NAMES = ("negative", "positive")


@functools.cache
def probe_head():
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, np.float32))
    return ProbeHead(Encoder(*build_model("bert")), probe, layer=2, pooling="mean", class_names=NAMES)


@functools.cache
def model_head():
    names = dict(enumerate(NAMES))
    return ModelHead(Encoder(*build_model("bert", "AutoModelForSequenceClassification", id2label=names)))


def column(values):
    from datasets import Dataset

    return Dataset.from_dict({"values": list(values)})["values"]


SEQUENCES = {
    "Series of another index": lambda values: pd.Series(list(values), index=range(len(values), 0, -1)),
    "Index": pd.Index,
    "array": np.array,
    "tuple": tuple,
    "generator": lambda values: (value for value in values),
    "datasets column": column,
}
