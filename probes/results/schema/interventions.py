"""Tables and claims about what a classifier loses where its states are edited: ablation and erasure."""

from __future__ import annotations

from collections.abc import Mapping

from probes.results.schema.columns import (
    ACCURACY,
    ACCURACY_LOSS,
    BITS_LOWER,
    BITS_UPPER,
    HEAD,
    INFORMATION_LOSS,
    INTERVAL,
    LABEL,
    LAYER,
    MEASURED,
    OPTIONAL_N,
    POOLING,
    SIDES,
    TASK,
    V_INFORMATION,
    ClaimSchema,
    Column,
    N,
    TableSchema,
)

SIMULTANEOUS_INTERVAL = tuple(
    Column(
        f"simultaneous_{end}",
        "number",
        f"{end.title()} end of the 95 % confidence interval of the accuracy loss that holds at all sites at once.",
        "share",
        nullable=True,
        optional=True,
    )
    for end in ("lower", "upper")
)

TABLES: Mapping[str, TableSchema] = {
    "ablation": TableSchema(
        "Accuracy lost where [CLS] or the content tokens are replaced by their mean in one layer.",
        keys=(HEAD, Column("replacement", "text", "What is replaced by its mean: [CLS] or content."), LAYER),
        values=(
            ACCURACY,
            ACCURACY_LOSS,
            *INTERVAL,
            *SIMULTANEOUS_INTERVAL,
            INFORMATION_LOSS,
            BITS_LOWER,
            BITS_UPPER,
            N.but(optional=True),
        ),
    ),
    "erasure": TableSchema(
        "Accuracy lost where a label is erased at a site (LEACE), beside the erasure of shuffled labels.",
        keys=(
            TASK.but(optional=True),
            HEAD,
            LABEL.but(description="Label column that is erased."),
            Column(
                "eraser",
                "text",
                "What is erased: leace (the label), shuffled or random; mean shuffled; leace - shuffled.",
            ),
            POOLING,
            LAYER,
            Column("repeat", "count", "Number of the draw."),
        ),
        values=(
            V_INFORMATION,
            Column("v_lower", "number", "Lower end of the 95 % confidence interval of it.", "bits", nullable=True),
            Column("v_upper", "number", "Upper end of the 95 % confidence interval of it.", "bits", nullable=True),
            Column(
                "use",
                "text",
                "Whether the head uses the label there: used, unused or not_decodable; missing for other erasers.",
                nullable=True,
                optional=True,
            ),
            ACCURACY_LOSS,
            *INTERVAL,
            INFORMATION_LOSS,
            BITS_LOWER,
            BITS_UPPER,
            *SIMULTANEOUS_INTERVAL,
            Column("strength", "number", "Factor by which erased parts shrink.", nullable=True, optional=True),
            N.but(optional=True),
        ),
    ),
}
"""Table -> its declaration."""

CLAIMS: Mapping[str, ClaimSchema] = {
    "ablation": ClaimSchema(
        "Accuracy that a head loses with [CLS] or the content tokens at their mean.",
        outcomes=MEASURED,
        main="largest",
        numbers=(
            HEAD,
            Column("replacement", "text", "What is replaced by its mean: [CLS] or content."),
            Column("at_zero", "number", "Loss at layer 0.", "share", nullable=True),
            Column("largest", "number", "Largest loss.", "share", nullable=True),
            Column("largest_layer", "layer", "Layer with the largest loss.", nullable=True),
            Column("first_layer", "layer", "First layer with a certain loss.", nullable=True, optional=True),
            Column("at_last", "number", "Loss at the last layer.", "share", nullable=True),
            OPTIONAL_N,
        ),
    ),
    "last_layer_ablation": ClaimSchema(
        "Accuracy that a head loses with [CLS] or the content tokens at their mean at the last layer.",
        outcomes=SIDES,
        main="accuracy_loss",
        numbers=(
            HEAD,
            Column("replacement", "text", "What is replaced by its mean: [CLS] or content."),
            LAYER,
            ACCURACY_LOSS,
            Column("first_layer", "layer", "First layer with a loss above 0; missing where none is.", nullable=True),
            N,
        ),
    ),
    "erasure": ClaimSchema(
        "Accuracy that a head loses where a label is erased minus that by shuffled labels, at the most sensitive site.",
        outcomes=(*SIDES, "not_decodable"),
        main="difference",
        numbers=(
            HEAD,
            Column("label", "text", "Label column that is erased."),
            Column("n_sites", "count", "Number of sites.", "sites"),
            Column("n_decodable", "count", "Number of sites with V-information on the label.", "sites"),
            POOLING.but(optional=True),
            LAYER.but(optional=True),
            ACCURACY_LOSS.but(optional=True),
            Column("difference", "difference", "Loss by the label minus by shuffled ones.", "share", optional=True),
            Column("shuffled", "number", "Mean loss by shuffled labels.", "share", nullable=True, optional=True),
            Column("shuffled_outcome", "text", "Outcome of that loss against 0.", optional=True, choices=SIDES),
            Column("random", "number", "Mean loss by random subspaces.", "share", nullable=True, optional=True),
            Column("strength", "number", "Factor by which those shrink parts.", nullable=True, optional=True),
            V_INFORMATION.but(optional=True),
            OPTIONAL_N,
        ),
    ),
    "unused_sites": ClaimSchema(
        "Sites where a probe reads a label although erasing it is not shown to cost a head more than shuffled labels.",
        outcomes=MEASURED,
        main="n_unused",
        numbers=(
            HEAD,
            Column("label", "text", "Label column that is erased."),
            Column("n_readable", "count", "Number of sites where a probe reads the label.", "sites"),
            Column("n_unused", "count", "Number of these where the head is not shown to use it.", "sites"),
        ),
    ),
}
"""Kind of claim -> its declaration."""
