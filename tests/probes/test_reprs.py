"""The repr of an encoder, a head, a probe and a sweep: one line, and no weights."""

import numpy as np

from probes import Encoder, Examples, FittedProbe, ModelHead, ProbeHead, sweep_probes
from tests.support.encoders.models import HIDDEN, build_model


def test_an_encoder_names_its_model_size_length_and_place(bert):
    assert repr(bert) == "Encoder('BertModel', 3 layers of 16, max_length=64, cpu, float32)"


def test_a_probe_names_its_classes_and_dimensions():
    probe = FittedProbe(np.ones((3, HIDDEN), dtype=np.float32), np.zeros(3, dtype=np.float32), c=0.1)
    assert repr(probe) == "FittedProbe(3 classes, 16 dimensions, c=0.1, converged=True)"


def test_a_probes_head_names_its_site_and_classes(bert):
    probe = FittedProbe(np.ones((3, HIDDEN), dtype=np.float32), np.zeros(3, dtype=np.float32))
    head = ProbeHead(bert, probe, layer=2, pooling="mean", class_names=("a", "b", "c"))
    assert repr(head) == "ProbeHead(mean at layer 2 of 'BertModel', 3 classes: a, b, c)"


def test_a_head_of_many_classes_names_the_first_ones():
    model, tokenizer = build_model("bert", "AutoModelForSequenceClassification", num_labels=300)
    printed = repr(ModelHead(Encoder(model, tokenizer)))
    assert printed.startswith("ModelHead(own head of 'BertForSequenceClassification', 300 classes: LABEL_0, LABEL_1")
    assert printed.endswith("...)")
    assert len(printed) < 160


def test_a_sweep_names_each_label_columns_best_site(three_classes):
    features, labels = three_classes
    parts = [Examples({"mean": features[None, rows]}, {"topic": labels[rows]}) for rows in np.split(np.arange(120), 3)]
    sweep = sweep_probes(*parts)
    accuracy = sweep.tasks["topic"].test[sweep.tasks["topic"].best]["accuracy"]
    assert repr(sweep) == f"Sweep(1 label column, 1 site; topic: mean at layer 0, test accuracy {accuracy:.3f})"
