"""Vocabulary of the schema: columns, tables and claims as values, and the columns that many tables share."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "layer", "count", "share", "difference", "number", "flag"]

EXTRA_PREFIX = "x_"
"""Beginning of the names that research code chooses for its own tables, columns, claims and numbers. The schema never
declares such a name; a result holds it unchecked, and a page prints such a table without a word about it."""
KINDS: dict[Kind, str] = {
    "text": "text",
    "layer": "a layer of the model",
    "count": "a whole number from 0 on",
    "share": "a share from 0 to 1",
    "difference": "a number from -1 to 1",
    "number": "a number",
    "flag": "true or false",
}
"""Kind of a column -> its values in the words of an error message."""


@dataclass(frozen=True)
class Column:
    """A column of a table, or a number of a claim."""

    name: str
    kind: Kind
    description: str
    """One sentence for the documentation."""
    unit: str = ""
    """Unit of the values; empty for text, flags and layers."""
    nullable: bool = False
    """Whether a single value may be missing, as where nothing could be measured."""
    optional: bool = False
    """Whether the column as a whole may be absent."""
    choices: tuple[str, ...] = ()
    """The texts that a column of categories holds; empty where any text is possible."""

    def but(self, **changes: str | bool) -> Column:
        """Return the same column with other settings, such as `nullable=True`."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table."""

    description: str
    """One sentence for the documentation."""
    keys: tuple[Column, ...]
    """Columns whose values together no two rows share."""
    values: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column, the keys first."""
        return (*self.keys, *self.values)


@dataclass(frozen=True)
class ClaimSchema:
    """Outcomes and numbers of a kind of claim."""

    description: str
    """One sentence for the documentation."""
    outcomes: tuple[str, ...]
    numbers: tuple[Column, ...]
    main: str | None = None
    """Number that the page shows, and that the claim's interval belongs to; None for claims that state a fact."""
    about_task: bool = True
    """Whether the claim is about a label column."""
    by_pooling: tuple[Column, ...] = ()
    """Numbers whose names begin with a pooling and `_`; each stands here under the rest of its name."""


RELIABLE_TEXTS = 3
"""Number of texts from which on the mean of a word is reliable whatever its interval."""
RELIABLE_CORRELATION = 0.3
"""Correlation of the prediction depths of two refits below which depths are unreliable."""
PLATEAU_GAIN = 0.02
"""Test accuracy that the last doubling of the training texts may at most add on a plateau of the learning curve."""
SIDES = ("above", "below", "cannot_tell")
"""Outcomes of a comparison with 0 or with a reference score."""
MEASURED = ("measured",)
"""Outcome of a number that stands for itself."""
CHECK_OUTCOMES = ("passed", "weak", "inconclusive", "failed", "not_applicable", *MEASURED)
"""Outcomes of an attribution check; `measured` where there is nothing to compare with."""
ATTRIBUTION_CHECKS = (
    "completeness",
    "baseline_neutrality",
    "comprehensiveness",
    "sufficiency",
    "deletion_curve",
    "insertion_curve",
    "infidelity",
    "plausibility",
    "deciding_words",
    "planted_shortcut",
    "parameter_randomisation",
    "baseline_agreement",
)
"""Attribution checks that have an outcome."""


def is_extra(name: object) -> bool:
    """Return whether a name is one that research code chose for itself; see `EXTRA_PREFIX`."""
    return isinstance(name, str) and name.startswith(EXTRA_PREFIX)


# Columns that name what a row is about.
MODEL = Column("model", "text", "Name of the model.")
TASK = Column("task", "text", "Label column.")
POOLING = Column("pooling", "text", "Pooling that makes one vector of a text: cls, mean or pooler.")
LAYER = Column("layer", "layer", "Layer; 0 is the embedding output, 1 to L are the blocks.")
PROBE = Column("probe", "text", "Kind of probe or floor: logistic, majority, bag_of_words, untrained, control, ...")
SEED = Column("seed", "count", "Seed of the run.", nullable=True)
HEAD = Column("head", "text", "Classifier: probe, model, or the name of a fine-tuned head.")
OTHER_HEAD = Column("other_head", "text", "Classifier that `head` is compared with.")
METHOD = Column("method", "text", "Attribution method.")
BASELINE = Column("baseline", "text", "Baseline of the attribution.")
TEXT_ID = Column("text_id", "count", "Row of the test split.")
LABEL = Column("label", "text", "Name of the true class.")
PREDICTED = Column("predicted", "text", "Name of the predicted class.")
TOKEN_KIND = Column("kind", "text", "Kind of token: [CLS], [SEP], other special, punctuation or content.")
ORDER = Column("order", "text", "Order of erasure: attribution, or a numbered random order.")
METRIC = Column("metric", "text", "Name of the metric.")

# Columns that hold what was measured.
VALUE = Column("value", "number", "Measured value.", nullable=True)
LOWER = Column("lower", "number", "Lower end of the 95 % confidence interval.", nullable=True)
UPPER = Column("upper", "number", "Upper end of the 95 % confidence interval.", nullable=True)
N = Column("n", "count", "Number of texts that the value is taken over.", "texts")
ACCURACY = Column("accuracy", "share", "Test accuracy.", "share of the test texts", nullable=True)
PROBABILITY = Column("probability", "share", "Probability of the explained class.", "probability", nullable=True)
CORRELATION = Column("correlation", "difference", "Spearman rank correlation of two rankings.", nullable=True)
CORRECT = Column("correct", "flag", "Whether the predicted class is the true one.", nullable=True)
SHARE = Column("share", "share", "Share that this kind of token holds.", "share", nullable=True)
V_INFORMATION = Column(
    "v_information", "number", "Usable information about the label in the vectors.", "bits per text", nullable=True
)
COMPREHENSIVENESS = Column(
    "comprehensiveness", "number", "Probability lost without the tokens ranked first.", "probability", nullable=True
)
SUFFICIENCY = Column(
    "sufficiency", "number", "Probability lost with the tokens ranked first alone.", "probability", nullable=True
)
LOG_ODDS = Column(
    "log_odds", "number", "Change in log probability without the tokens ranked first.", "nats", nullable=True
)
ACCURACY_LOSS = Column(
    "accuracy_loss", "difference", "Test accuracy lost by the intervention.", "share of the texts", nullable=True
)
INFORMATION_LOSS = Column(
    "information_loss", "number", "Log loss added by the intervention.", "bits per text", nullable=True
)
BITS_LOWER = Column(
    "bits_lower", "number", "Lower end of the 95 % confidence interval of the added log loss.", "bits", True, True
)
BITS_UPPER = Column(
    "bits_upper", "number", "Upper end of the 95 % confidence interval of the added log loss.", "bits", True, True
)
CKA = Column(
    "cka", "number", "Linear CKA: 1 where both place the texts alike, up to rotation and scale.", nullable=True
)
CKA_LOWER = Column(
    "cka_lower", "number", "Lower end of the 95 % confidence interval of the CKA.", nullable=True, optional=True
)
CKA_UPPER = Column(
    "cka_upper", "number", "Upper end of the 95 % confidence interval of the CKA.", nullable=True, optional=True
)

SITES = "sites"
"""Number of a claim that lists sites, as in `mean 3, cls 4`."""
REASON = Column("reason", "text", "Why, in a few words.", nullable=True)
OPTIONAL_N = N.but(optional=True)
TOTAL = Column("total", "count", "Number of texts or tokens in all.")
SITE_LIST = Column(SITES, "text", "Sites, such as `mean 3, cls 4`.")
DIFFERENCE = Column("difference", "difference", "Difference of test accuracies.", "share of the texts", nullable=True)
SITE = (TASK, POOLING, LAYER)
INTERVAL = (LOWER, UPPER)
