"""Learning curves: the whole training set at their end, and fewer texts before it."""

import numpy as np


def test_the_largest_training_size_has_the_accuracy_of_the_probe_itself(result):
    curve = result.tables["learning_curve"]
    assert curve["train_texts"].nunique() > 2
    ends = curve[curve["train_texts"] == curve["train_texts"].max()].set_index(["pooling", "layer"])
    test = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    accuracy = test.set_index(["pooling", "layer"])["value"]
    assert len(ends) == len(accuracy)
    np.testing.assert_allclose(ends["accuracy"], accuracy[ends.index].astype(float))
