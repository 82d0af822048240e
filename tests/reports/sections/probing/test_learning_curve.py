"""The learning curve on the page: whether it may still rise."""

import pandas as pd
import pytest

from tests.support.pages.sections import TASK, result_with, section_of


@pytest.mark.parametrize(
    ("accuracies", "sentence"),
    [
        ((0.6, 0.7, 0.755, 0.76), "Trained on 400 texts the best place is right on 75.5 %, on all 800 on 76.0 %."),
        (
            (0.6, 0.777, 0.763, 0.79),
            "Trained on all 800 texts the best place is right on 79.0 %, on 400 of them on 76.3 %: it may not have "
            "levelled off.",
        ),
    ],
)
def test_accuracy_by_training_size_is_told_as_it_is(accuracies, sentence):
    rows = [(TASK, "mean", 4, 100 * 2**i, 0.01, p, p - 0.03, p + 0.03, 0.5) for i, p in enumerate(accuracies)]
    table = pd.DataFrame(rows, columns="task pooling layer train_texts c accuracy lower upper log_loss".split())
    assert section_of(result_with(learning_curve=table), "sizes").verdict[0].replace("\u00a0", " ") == sentence
