"""Tables and claims about probes, their floors and their controls."""

from __future__ import annotations

from collections.abc import Mapping

from probes.results.schema.columns import (
    ACCURACY,
    CORRECT,
    CORRELATION,
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
    REASON,
    SEED,
    SIDES,
    SITE,
    SITE_LIST,
    TASK,
    TEXT_ID,
    UPPER,
    V_INFORMATION,
    VALUE,
    ClaimSchema,
    Column,
    N,
    TableSchema,
)

TABLES: Mapping[str, TableSchema] = {
    # Probes at every site.
    "metrics": TableSchema(
        "Scores of every probe and floor, with 95 % confidence intervals on the test split.",
        keys=(
            MODEL,
            TASK,
            POOLING.but(nullable=True),
            LAYER.but(nullable=True),
            PROBE,
            SEED,
            Column("split", "text", "Split that was scored: validation or test."),
            METRIC,
            Column("class", "text", "Class of a score of one class; missing for scores of all.", nullable=True),
        ),
        values=(VALUE, *INTERVAL, N.but(nullable=True)),
    ),
    "selection": TableSchema(
        "The path of penalties at each site, and the penalty that was chosen.",
        keys=(*SITE, Column("c", "number", "Inverse strength of the L2 penalty.", nullable=True)),
        values=(
            Column("validation_log_loss", "number", "Log loss on validation.", "nats a text", nullable=True),
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
    # Controls of the probes.
    "information": TableSchema(
        "V-information and online codelength of the label at each site.",
        keys=SITE,
        values=(
            V_INFORMATION,
            *INTERVAL,
            Column("codelength", "number", "Online codelength of the labels.", "bits a text", nullable=True),
            Column(
                "prior_codelength", "number", "Codelength from class frequencies alone.", "bits a text", nullable=True
            ),
            Column(
                "uniform_codelength",
                "number",
                "Codelength of a uniform code.",
                "bits a text",
                nullable=True,
                optional=True,
            ),
            Column("compression", "number", "Uniform codelength divided by the online codelength.", nullable=True),
            Column("prior_compression", "number", "Uniform codelength divided by the prior one.", nullable=True),
        ),
    ),
    "learning_curve": TableSchema(
        "Test accuracy against the number of training texts, at each site.",
        keys=(*SITE, Column("train_texts", "count", "Number of training texts.", "texts")),
        values=(
            Column("c", "number", "Inverse strength of the L2 penalty.", nullable=True, optional=True),
            ACCURACY,
            *INTERVAL,
            Column("log_loss", "number", "Log loss on test.", "nats a text", nullable=True, optional=True),
        ),
    ),
    "control_tasks": TableSchema(
        "Accuracy on control tasks beside the real task on the same texts, and selectivity.",
        keys=SITE,
        values=(
            Column("control_accuracy", "share", "Mean accuracy over the control tasks.", "share", nullable=True),
            Column("lowest", "share", "Lowest accuracy of a control task.", "share", nullable=True),
            Column("highest", "share", "Highest accuracy of a control task.", "share", nullable=True),
            Column("control_majority", "share", "Accuracy of the most frequent control label.", "share", nullable=True),
            ACCURACY.but(description="Accuracy on the real task, on the texts that are scored."),
            Column("selectivity", "difference", "Accuracy minus control accuracy.", "share", nullable=True),
            *INTERVAL,
            N,
            Column(
                "share_scored",
                "share",
                "Share of the test texts whose type occurs in training.",
                "share",
                nullable=True,
            ),
        ),
    ),
    "planted_signals": TableSchema(
        "Signals of known strength planted in the features of the best site, and what was measured of them.",
        keys=(
            *SITE,
            Column("gain", "number", "Accuracy above the majority class that the signal makes possible.", "share"),
            Column("repeat", "count", "Number of the draw."),
        ),
        values=(
            Column(
                "measured_gain",
                "number",
                "Accuracy above the majority class that was measured.",
                "share",
                nullable=True,
            ),
            Column("recovered", "flag", "Whether the interval of the measured gain lies above 0.", nullable=True),
        ),
    ),
    "prediction_depth": TableSchema(
        "Prediction depth of each test text: the layer from which on all probes predict what the last one predicts.",
        keys=(TASK, POOLING, TEXT_ID),
        values=(
            Column("depth", "layer", "Prediction depth."),
            Column(
                "refit_mean",
                "number",
                "Mean depth over refits on resampled texts.",
                "layers",
                nullable=True,
                optional=True,
            ),
            Column(
                "refit_sd", "number", "Standard deviation over these refits.", "layers", nullable=True, optional=True
            ),
        ),
    ),
    "prediction_depth_reliability": TableSchema(
        "How well prediction depths of two refits agree.",
        keys=(TASK, POOLING),
        values=(
            Column("mean_depth", "number", "Mean prediction depth.", "layers", nullable=True),
            CORRELATION.but(description="Correlation of the depths of two refits."),
            Column(
                "same_depth", "share", "Share of the texts with the same depth in two refits.", "share", nullable=True
            ),
            Column("by_chance", "share", "Share that would agree by chance.", "share", nullable=True),
            N,
            Column("n_constant", "count", "Layers left out because all texts have one vector.", optional=True),
        ),
    ),
    "prediction_depth_shares": TableSchema(
        "Share of the test texts whose prediction depth is a layer, and share of those whose depth is at most it.",
        keys=(TASK, POOLING, LAYER),
        values=(
            Column("share", "share", "Share of the test texts with this depth.", "share", nullable=True),
            Column(
                "cumulative_share", "share", "Share of the test texts with this depth or a lower one.", nullable=True
            ),
        ),
    ),
    "pointwise_information": TableSchema(
        "Probability of the true class and pointwise V-information of each test text at each site.",
        keys=(*SITE, TEXT_ID),
        values=(
            PROBABILITY.but(description="Probability of the true class."),
            Column("pvi", "number", "Pointwise V-information.", "bits", nullable=True),
            CORRECT,
        ),
    ),
}
"""Table -> its declaration."""

CLAIMS: Mapping[str, ClaimSchema] = {
    # Probes at every site.
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
            Column("doubts", "text", "What speaks against it: compression, v_information or power."),
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
    # Controls of the probes.
    "selectivity": ClaimSchema(
        "Accuracy of the best site's probe minus its accuracy on control tasks.",
        outcomes=SIDES,
        main="selectivity",
        numbers=(
            Column("control_accuracy", "share", "Mean accuracy on control tasks.", "share"),
            Column("control_majority", "share", "Accuracy of the most frequent control label.", "share"),
            ACCURACY.but(description="Accuracy on the real task, on the same texts.", nullable=False),
            Column("selectivity", "difference", "Accuracy minus control accuracy.", "share"),
            Column("share_scored", "share", "Share of the test texts that are scored.", nullable=True, optional=True),
            OPTIONAL_N,
        ),
    ),
    "no_control_task": ClaimSchema(
        "No valid control task exists for these texts.",
        outcomes=("absent",),
        numbers=(REASON.but(nullable=False),),
    ),
    "information": ClaimSchema(
        "V-information and online codelength of the label at the best site.",
        outcomes=SIDES,
        main="v_information",
        numbers=(
            V_INFORMATION.but(nullable=False),
            Column("codelength", "number", "Online codelength of the labels.", "bits a text"),
            Column("prior_codelength", "number", "Codelength from class frequencies alone.", "bits a text"),
            Column("uniform_codelength", "number", "Codelength of a uniform code.", nullable=True, optional=True),
            Column("compression", "number", "Uniform codelength by online codelength.", nullable=True, optional=True),
            Column("prior_compression", "number", "Uniform codelength by prior one.", nullable=True, optional=True),
        ),
    ),
    "information_agreement": ClaimSchema(
        "Whether V-information and online codelength both find information at the best site, or neither does.",
        outcomes=("agree", "disagree"),
        numbers=(),
    ),
    "learning_curve": ClaimSchema(
        "Test accuracy of the best site's probe with all training texts minus that with the next smaller number.",
        outcomes=("rising", "plateau", "cannot_tell"),
        main="gain",
        numbers=(
            Column("train_texts", "count", "Number of training texts.", "texts"),
            ACCURACY.but(description="Test accuracy with all training texts.", nullable=False),
            Column("fewer_texts", "count", "Next smaller number of training texts.", "texts"),
            Column("fewer_accuracy", "share", "Test accuracy with that number.", "share"),
            Column("gain", "difference", "Difference of the accuracies.", "share"),
            N,
        ),
    ),
    "minimum_detectable_difference": ClaimSchema(
        "Smallest difference of test accuracies that these texts can show, and the weakest recovered signal.",
        outcomes=MEASURED,
        main="difference",
        numbers=(
            DIFFERENCE.but(description="Smallest distance from the best site's accuracy that any site could show."),
            Column("usual_difference", "difference", "The same for the median site.", "share", nullable=True),
            N,
            Column("smallest", "number", "Weakest recovered planted signal.", "share", nullable=True, optional=True),
            Column("repeats", "count", "Draws of each planted signal.", nullable=True, optional=True),
            Column("weakest_tried", "difference", "Weakest planted signal.", "share", nullable=True, optional=True),
            Column("strongest_tried", "difference", "Strongest planted signal.", "share", nullable=True, optional=True),
            Column("no_signal", "text", "Why no signal could be planted.", nullable=True, optional=True),
        ),
    ),
    "prediction_depth": ClaimSchema(
        "Mean prediction depth in one pooling, and how well two refits agree on it.",
        outcomes=("reliable", "unreliable", *MEASURED),
        main="mean_depth",
        numbers=(
            POOLING,
            Column("mean_depth", "number", "Mean prediction depth.", "layers", nullable=True),
            Column(
                "half_depth", "layer", "Lowest layer that is the depth of half the texts or above it.", optional=True
            ),
            CORRELATION.but(description="Correlation of the depths of two refits."),
            Column("same_depth", "share", "Share of the texts with one depth in two refits.", "share", nullable=True),
            Column("by_chance", "share", "Share that would agree by chance.", "share", nullable=True),
            Column("share_from_first_layer", "share", "Share of the texts at the lowest depth.", nullable=True),
            OPTIONAL_N,
            Column("n_constant", "count", "Layers left out because all texts have one vector.", optional=True),
        ),
    ),
}
"""Kind of claim -> its declaration."""
