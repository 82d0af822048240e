"""The texts that are explained."""

import numpy as np

from analyses.context.explanations.text_choice import choose_texts
from probes import AnalysisResult
from tests.support.commands.command_lines import call, files


def test_the_chosen_texts_are_wrong_ones_first_then_sure_then_unsure():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    p = rng.uniform(0.05, 0.95, size=200)
    log_prob = np.log(np.stack([p, 1 - p], axis=1))
    chosen = choose_texts(labels, log_prob, 20)
    wrong = log_prob.argmax(axis=1) != labels
    certainty = log_prob.max(axis=1)
    assert len(set(chosen)) == 20
    assert wrong[chosen[:10]].all()
    assert not wrong[chosen[10:]].any()
    assert certainty[chosen[10:15]].min() > certainty[chosen[15:]].max()
    np.testing.assert_array_equal(np.bincount(labels[chosen]) >= 8, True)
    assert sorted(choose_texts(labels, log_prob, 500)) == list(range(200))
    assert len(choose_texts(labels, log_prob, 0)) == 0


def test_the_models_own_mistakes_come_first_where_its_head_is_explained(root):
    words = ["--attribute", "6", "--head", "model"]
    assert call(root, "run", *files(root), *words, model="classifier", out="own head") == 0
    analysis = AnalysisResult.load(root / "own head")
    wrong = [a.predicted != a.label for a in analysis.attributions]
    metrics = analysis.tables["metrics"]
    head = metrics[(metrics["probe"] == "model_head") & (metrics["metric"] == "accuracy")]["value"].item()
    assert 0 < head < 0.9
    assert wrong == [True] * 3 + [False] * 3
