"""Tables and claims about the controls of probes: control tasks, information, training size, power and depth."""

from __future__ import annotations

from collections.abc import Mapping

from probes.results.schema.columns import (
    ACCURACY,
    CORRECT,
    CORRELATION,
    DIFFERENCE,
    INTERVAL,
    LAYER,
    MEASURED,
    OPTIONAL_N,
    POOLING,
    PROBABILITY,
    REASON,
    SIDES,
    SITE,
    TASK,
    TEXT_ID,
    V_INFORMATION,
    ClaimSchema,
    Column,
    N,
    TableSchema,
)

N_TYPES = Column("n_types", "count", "Number of input types in training.", "types", optional=True)
HIDDEN = Column("hidden", "count", "Number of dimensions of the vectors.", optional=True)
N_LAYERS = Column("n_layers", "count", "Number of layers.", "layers")
BEST_LAYER = Column("best_layer", "layer", "Layer of the best site.")
BEST_ACCURACY = Column("best_accuracy", "share", "Test accuracy of the best site.", "share of the test texts")
ALL_LAYERS_DIFFERENCE = DIFFERENCE.but(
    description="Test accuracy of the all-layers probe minus that of the best layer.", nullable=False
)
RESAMPLED_ACCURACY = (
    ACCURACY.but(description="Test accuracy of the probe on all training texts.", nullable=False),
    Column("refit_mean", "share", "Mean test accuracy of the refits.", "share of the test texts"),
    Column("refit_sd", "number", "Standard deviation of these accuracies.", "share of the test texts"),
    Column("refit_lowest", "share", "Lowest of these accuracies.", "share of the test texts"),
    Column("refit_highest", "share", "Highest of these accuracies.", "share of the test texts"),
)
"""Test accuracy on all training texts, and over refits on resampled training sets."""
RESAMPLED_COUNTS = (
    Column("n_best", "count", "Resampled training sets in which the site has the lowest log loss on validation."),
    Column("n_best_or_tied", "count", "Resampled training sets in which its test accuracy is not below the best's."),
    Column("n_refits", "count", "Number of resampled training sets."),
    N,
)
"""How often a site is the best one of a resampled training set, or tied with it."""

TABLES: Mapping[str, TableSchema] = {
    "information": TableSchema(
        "V-information and online codelength of the label at each site.",
        keys=SITE,
        values=(
            V_INFORMATION,
            *INTERVAL,
            Column("codelength", "number", "Online codelength of the labels.", "bits per text", nullable=True),
            Column(
                "prior_codelength", "number", "Codelength from class frequencies alone.", "bits per text", nullable=True
            ),
            Column(
                "uniform_codelength",
                "number",
                "Codelength of a uniform code.",
                "bits per text",
                nullable=True,
                optional=True,
            ),
            Column("compression", "number", "Prior codelength divided by the online codelength.", nullable=True),
            Column("uniform_compression", "number", "Uniform codelength by the online one.", nullable=True),
        ),
    ),
    "learning_curve": TableSchema(
        "Test accuracy against the number of training texts, at each site.",
        keys=(*SITE, Column("train_texts", "count", "Number of training texts.", "texts")),
        values=(
            Column("c", "number", "Inverse strength of the L2 penalty.", nullable=True, optional=True),
            ACCURACY,
            *INTERVAL,
            Column("log_loss", "number", "Log loss on test.", "nats per text", nullable=True, optional=True),
        ),
    ),
    "all_layers": TableSchema(
        "Test accuracy of a probe on all layers of a pooling together, beside that of the best layer.",
        keys=(TASK, POOLING),
        values=(
            N_LAYERS,
            Column("c", "number", "Inverse strength of the L2 penalty."),
            Column("validation_log_loss", "number", "Log loss on validation, or on a fold.", "nats per text"),
            ACCURACY.but(description="Test accuracy of the all-layers probe.", nullable=False),
            *INTERVAL,
            BEST_LAYER,
            BEST_ACCURACY,
            ALL_LAYERS_DIFFERENCE,
            Column("difference_lower", "number", "Lower end of the 95 % confidence interval of the difference."),
            Column("difference_upper", "number", "Upper end of the 95 % confidence interval of the difference."),
            N,
            Column("converged", "flag", "Whether the solver converged."),
        ),
    ),
    "training_resampling": TableSchema(
        "Test accuracy of each site over resampled training sets, and in how many of them the site is best or tied.",
        keys=SITE,
        values=(*RESAMPLED_ACCURACY, *INTERVAL, *RESAMPLED_COUNTS),
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
            N_TYPES,
            HIDDEN,
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
    "selectivity": ClaimSchema(
        "Accuracy of the best site's probe minus its accuracy on control tasks.",
        outcomes=(*SIDES, "uninformative"),
        main="selectivity",
        numbers=(
            Column("control_accuracy", "share", "Mean accuracy on control tasks.", "share"),
            Column("control_majority", "share", "Accuracy of the most frequent control label.", "share"),
            ACCURACY.but(description="Accuracy on the real task, on the same texts.", nullable=False),
            Column("selectivity", "difference", "Accuracy minus control accuracy.", "share"),
            Column("share_scored", "share", "Share of the test texts that are scored.", nullable=True, optional=True),
            N_TYPES,
            HIDDEN,
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
            Column("codelength", "number", "Online codelength of the labels.", "bits per text"),
            Column("prior_codelength", "number", "Codelength from class frequencies alone.", "bits per text"),
            Column("uniform_codelength", "number", "Codelength of a uniform code.", nullable=True, optional=True),
            Column("compression", "number", "Prior codelength by online codelength.", nullable=True, optional=True),
            Column("uniform_compression", "number", "Uniform codelength by online one.", nullable=True, optional=True),
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
    "all_layers": ClaimSchema(
        "Test accuracy of a probe on all layers of the best site's pooling minus that of the best layer.",
        outcomes=SIDES,
        main="difference",
        numbers=(
            POOLING,
            N_LAYERS,
            ACCURACY.but(description="Test accuracy of the all-layers probe.", nullable=False),
            BEST_LAYER,
            BEST_ACCURACY,
            ALL_LAYERS_DIFFERENCE,
            N,
        ),
    ),
    "training_resampling": ClaimSchema(
        "Test accuracy of the best site, whose interval holds training and test sampling, and in how many resampled "
        "training sets the site is best or tied.",
        outcomes=MEASURED,
        main="accuracy",
        numbers=(POOLING, LAYER, *RESAMPLED_ACCURACY, *RESAMPLED_COUNTS),
    ),
    "minimum_detectable_difference": ClaimSchema(
        "Difference of test accuracies that these texts show with 80 % power, and the weakest recovered signal.",
        outcomes=MEASURED,
        main="difference",
        numbers=(
            DIFFERENCE.but(description="Difference from the best site that is significant with 80 % power."),
            Column(
                "smallest_difference", "difference", "Smallest difference that is significant.", "share", nullable=True
            ),
            N,
            Column("smallest", "number", "Weakest recovered planted signal.", "share", nullable=True, optional=True),
            Column("repeats", "count", "Draws of each planted signal.", nullable=True, optional=True),
            Column("weakest_tried", "difference", "Weakest planted signal.", "share", nullable=True, optional=True),
            Column("strongest_tried", "difference", "Strongest planted signal.", "share", nullable=True, optional=True),
            Column("strongest_recovered", "count", "Draws that recovered the strongest.", nullable=True, optional=True),
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
