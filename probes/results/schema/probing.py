"""Tables and claims about probes and their floors."""

from __future__ import annotations

from collections.abc import Mapping

from probes.results.schema.columns import (
    ACCURACY,
    CORRECT,
    DIFFERENCE,
    INTERVAL,
    LABEL,
    LAYER,
    LOWER,
    MEASURED,
    METRIC,
    MODEL,
    OPTIONAL_N,
    POOLING,
    PREDICTED,
    PROBABILITY,
    PROBE,
    SEED,
    SIDES,
    SITE,
    SITE_LIST,
    TASK,
    TEXT_ID,
    UPPER,
    VALUE,
    ClaimSchema,
    Column,
    N,
    TableSchema,
)

TABLES: Mapping[str, TableSchema] = {
    "metrics": TableSchema(
        "Scores of every probe and floor, with 95 % confidence intervals on the test split.",
        keys=(
            MODEL,
            TASK,
            POOLING.but(nullable=True),
            LAYER.but(nullable=True),
            PROBE,
            SEED,
            Column("split", "text", "Split that was scored.", choices=("validation", "test")),
            METRIC,
            Column("class", "text", "Class of a score of one class; missing for scores of all.", nullable=True),
        ),
        values=(VALUE, *INTERVAL, N.but(nullable=True)),
    ),
    "selection": TableSchema(
        "The path of penalties at each site, and the penalty that was chosen.",
        keys=(*SITE, Column("c", "number", "Inverse strength of the L2 penalty.", nullable=True)),
        values=(
            Column("validation_log_loss", "number", "Log loss on validation.", "nats per text", nullable=True),
            Column("chosen", "flag", "Whether this penalty has the lowest validation log loss."),
            Column("converged", "flag", "Whether the solver converged."),
        ),
    ),
    "differences_from_best": TableSchema(
        "Test accuracy of each site minus that of the best site, with simultaneous 95 % confidence intervals.",
        keys=SITE,
        values=(
            Column("reference_pooling", "text", "Pooling of the best site.", optional=True),
            Column("reference_layer", "layer", "Layer of the best site.", optional=True),
            VALUE,
            *INTERVAL,
            Column("tied", "flag", "Whether the interval holds 0, so that the site ties with the best."),
        ),
    ),
    "confusion": TableSchema(
        "Number of test texts by true and predicted class, for the best site and the floors; pairs that occur.",
        keys=(TASK, PROBE, POOLING.but(nullable=True), LAYER.but(nullable=True), LABEL, PREDICTED),
        values=(Column("count", "count", "Number of test texts with this pair of classes.", "texts"),),
    ),
    "predictions": TableSchema(
        "Prediction of the best site's probe for each test text.",
        keys=(*SITE, TEXT_ID),
        values=(
            Column("text", "text", "The text.", optional=True),
            LABEL.but(optional=True),
            PREDICTED.but(optional=True),
            PROBABILITY.but(description="Probability of the predicted class.", optional=True),
            CORRECT,
        ),
    ),
    "correct_by_site": TableSchema(
        "Which test texts the probe at each site classifies correctly, for paired comparisons with other results.",
        keys=SITE,
        values=(
            Column(
                "packed_correct",
                "text",
                "Whether each test text is classified correctly, as bits in hexadecimal digits, the first text first.",
            ),
            N.but(description="Number of test texts."),
        ),
    ),
    "class_scores": TableSchema(
        "Precision, recall and F1 of every class at every site, on test.",
        keys=(*SITE, Column("class", "text", "Class.")),
        values=(
            Column("precision", "share", "Share of the texts predicted as the class that have it.", "share"),
            Column("recall", "share", "Share of the texts of the class that are predicted as it.", "share"),
            Column("f1", "share", "Harmonic mean of precision and recall."),
            LOWER.but(description="Lower end of the 95 % confidence interval of F1."),
            UPPER.but(description="Upper end of the 95 % confidence interval of F1."),
            N.but(description="Number of test texts of the class."),
        ),
    ),
    "calibration_bins": TableSchema(
        "Reliability diagram of the best site's probe: confidence and test accuracy in each bin of confidence.",
        keys=(*SITE, Column("bin", "count", "Number of the bin, from 1; bins are equally wide.")),
        values=(
            Column("lower_edge", "share", "Lower edge of the bin, which is not in it.", "probability"),
            Column("upper_edge", "share", "Upper edge of the bin.", "probability"),
            Column("confidence", "share", "Mean probability of the predicted class in the bin.", "probability"),
            ACCURACY.but(description="Test accuracy in the bin.", nullable=False),
            *INTERVAL,
            N.but(description="Number of test texts in the bin."),
        ),
    ),
    "accuracy_by_length": TableSchema(
        "Test accuracy of the best site's probe in groups of texts of similar length.",
        keys=(*SITE, Column("group", "count", "Number of the group, from 1; the shortest texts come first.")),
        values=(
            Column("shortest", "count", "Length of the shortest text.", "characters"),
            Column("longest", "count", "Length of the longest text.", "characters"),
            Column("mean_length", "number", "Mean length.", "characters"),
            ACCURACY.but(description="Test accuracy in the group.", nullable=False),
            *INTERVAL,
            N.but(description="Number of test texts in the group."),
        ),
    ),
}
"""Table -> its declaration."""

CLAIMS: Mapping[str, ClaimSchema] = {
    "best_site": ClaimSchema(
        "Site with the lowest validation log loss, and its test accuracy.",
        outcomes=MEASURED,
        main="accuracy",
        numbers=(
            POOLING,
            LAYER,
            Column("c", "number", "Inverse strength of the L2 penalty.", nullable=True, optional=True),
            ACCURACY.but(nullable=False),
            Column("validation_accuracy", "share", "Validation accuracy.", "share", nullable=True, optional=True),
            Column("macro_f1", "share", "Macro F1 on test.", nullable=True, optional=True),
            N,
            Column("n_classes", "count", "Number of classes.", "classes", optional=True),
        ),
    ),
    "tied": ClaimSchema(
        "Sites whose test accuracy is not distinguishable from that of the best site.",
        outcomes=("tied", "alone"),
        main="n_sites",
        numbers=(
            Column("n_tied", "count", "Number of tied sites.", "sites", optional=True),
            Column("n_sites", "count", "Number of sites beside the best one.", "sites"),
            SITE_LIST,
        ),
    ),
    "better_than_best": ClaimSchema(
        "Sites whose test accuracy is above that of the site that validation chose.",
        outcomes=("above",),
        numbers=(SITE_LIST,),
    ),
    "floor": ClaimSchema(
        "Test accuracy of the best site beside a floor, the model's own head or the control task.",
        outcomes=SIDES,
        main="difference",
        numbers=(
            Column("floor", "text", "Name of the reference score."),
            ACCURACY.but(description="Test accuracy of the floor.", nullable=False),
            DIFFERENCE.but(description="Test accuracy of the best site minus that of the floor.", nullable=False),
            OPTIONAL_N,
            Column("seeds", "count", "Number of untrained encoders.", optional=True),
        ),
    ),
    "validation_drop": ClaimSchema(
        "Test accuracy of the best site minus its validation accuracy, beyond what its choice explains.",
        outcomes=SIDES,
        main="difference",
        numbers=(
            Column("validation_accuracy", "share", "Validation accuracy.", "share of the validation texts"),
            ACCURACY.but(nullable=False),
            DIFFERENCE.but(description="Test accuracy minus validation accuracy.", nullable=False),
            Column("n_validation", "count", "Number of validation texts, or of training texts in folds.", "texts"),
            N,
            Column("n_candidates", "count", "Number of probes that were compared on validation.", "probes"),
        ),
    ),
    "evidence": ClaimSchema(
        "How strong the evidence is that the label is decodable: the best site beside its highest floor, and what "
        "information and power say of it.",
        outcomes=("decodable", "weak", "above_floors", "not_shown"),
        main="difference",
        numbers=(
            Column("floor", "text", "Floor with the highest test accuracy."),
            ACCURACY.but(description="Test accuracy of that floor.", nullable=False),
            DIFFERENCE.but(description="Test accuracy of the best site minus that of the floor.", nullable=False),
            Column("seeds", "count", "Number of untrained encoders, where that floor is the highest.", optional=True),
            Column("n_floors", "count", "Number of floors.", "floors"),
            Column("n_above", "count", "Number of floors that the best site is above.", "floors"),
            Column("missed", "text", "Floors that the best site is not above, such as `bag_of_words`."),
            Column("doubts", "text", "Reasons against it: compression, v_information or power."),
            Column("compression", "number", "Prior codelength by online codelength.", nullable=True, optional=True),
        ),
    ),
    "best_by_pooling": ClaimSchema(
        "Best layer of each pooling, and its test accuracy.",
        outcomes=MEASURED,
        numbers=(),
        by_pooling=(
            LAYER.but(description="Best layer of the pooling."),
            ACCURACY.but(description="Test accuracy at the best layer of the pooling.", nullable=False),
        ),
    ),
    "length_effect": ClaimSchema(
        "Test accuracy of the best site's probe on the longest texts minus that on the shortest texts.",
        outcomes=SIDES,
        main="difference",
        numbers=(
            DIFFERENCE.but(description="Test accuracy on the longest minus that on the shortest.", nullable=False),
            Column("shortest_accuracy", "share", "Test accuracy on the shortest texts.", "share"),
            Column("longest_accuracy", "share", "Test accuracy on the longest texts.", "share"),
            Column("at_most", "count", "Largest length in the group of the shortest texts.", "characters"),
            Column("at_least", "count", "Smallest length in the group of the longest texts.", "characters"),
            Column("n_shortest", "count", "Number of the shortest texts.", "texts"),
            Column("n_longest", "count", "Number of the longest texts.", "texts"),
        ),
    ),
    "constant_cls": ClaimSchema(
        "Check that [CLS] at layer 0 is one vector for all texts, and its probe at the majority rate.",
        outcomes=("holds", "fails"),
        main="accuracy",
        numbers=(
            ACCURACY.but(nullable=False),
            Column("majority", "share", "Accuracy of the majority class.", "share", nullable=True, optional=True),
            Column("max_range", "number", "Largest range of a dimension.", nullable=True, optional=True),
        ),
    ),
}
"""Kind of claim -> its declaration."""
