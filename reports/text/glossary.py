"""The page's words: what each term means, and where a sentence uses one."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from reports.text.wording import legal


@dataclass(frozen=True)
class Term:
    """An entry of the glossary."""

    title: str
    meaning: str
    """HTML of our own."""
    used: tuple[str, ...] = ()
    """How sentences call it; longer ones first where one holds another."""
    needs: str = ""
    """Tables or traits of a result of which it takes one to need the term; empty for every result."""

    @property
    def anchor(self) -> str:
        """Anchor of its entry on the page."""
        return f"term-{re.sub('[^a-z0-9]+', '-', self.title.lower().replace('²', '2')).strip('-')}"


def glossary(traits: Collection[str]) -> tuple[Term, ...]:
    """Return the entries that a result with these tables and properties needs, in alphabetical order."""
    return tuple(term for term in TERMS if not term.needs or set(term.needs.split()) & set(traits))


def linked(text: str, terms: Sequence[Term]) -> Markup:
    """Return a sentence, escaped, with a link from the first use of each term to its entry."""
    places = {word.lower(): term for term in terms for word in term.used}
    if not places:
        return escape(legal(text))
    # Numbers keep their unit beside them by spaces that do not break.
    words = "|".join(re.escape(word).replace(r"\ ", "[ \u00a0]") for word in sorted(places, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])({words})(?![\w-])", re.IGNORECASE)
    done: set[str] = set()
    parts: list[Markup] = []
    for i, piece in enumerate(pattern.split(legal(text))):
        term = places.get(piece.lower().replace("\u00a0", " ")) if i % 2 else None
        if term is None or term.anchor in done:
            parts.append(escape(piece))
        else:
            done.add(term.anchor)
            parts.append(Markup('<a class="term" href="#{}">{}</a>').format(term.anchor, piece))
    return Markup("").join(parts)


def first_uses(html: str) -> Markup:
    """Return a section of the page with a link from only the first use of each term."""
    linked_anchors = set[str]()

    def link_or_text(match: re.Match[str]) -> str:
        if match["anchor"] in linked_anchors:
            return match["text"]
        linked_anchors.add(match["anchor"])
        return match[0]

    return Markup(_TERM_LINK.sub(link_or_text, html))


_TERM_LINK = re.compile(r'<a class="term" href="#(?P<anchor>[^"]*)">(?P<text>[^<]*)</a>')

TERMS = (
    Term(
        "Accuracy, “right”",
        "Share of texts whose label the classifier names. A <b>point</b> is one percentage point of it.",
        ("accuracy",),
    ),
    Term(
        "Anisotropy",
        "Mean cosine between the vectors of different texts: 1 where all of them point one way.",
        ("anisotropy",),
    ),
    Term(
        "AUROC",
        "Share of pairs of texts of two classes that the classifier puts in the right order; chance is 0.5.",
        ("AUROC",),
    ),
    Term(
        "Bag of words",
        "A classifier that sees how often each word occurs, and nothing of order or meaning.",
        ("bag of words",),
    ),
    Term(
        "Balanced accuracy", "Share of each class that is named rightly, averaged over classes.", ("balanced accuracy",)
    ),
    Term(
        "Baseline",
        (
            "The text with its own tokens taken out, from which scores are counted: padding, mask tokens, zero "
            "vectors, a mean, or pieces of other texts."
        ),
        (
            "baseline",
            "baselines",
        ),
        needs="explained",
    ),
    Term(
        "Calibration error, ECE",
        "How far a classifier's confidence is from how often it is right.",
        ("calibration error",),
    ),
    Term("CKA", "How alike two layers place the same texts: 1 where one is the other turned and rescaled.", ("CKA",)),
    Term("[CLS]", "A special token the tokenizer puts beside every text; many classifiers read its vector only."),
    Term(
        "Codelength",
        (
            "Bits to send the labels to someone who has the vectors; <b>compression</b> is how much shorter that "
            "is than a code for equally likely classes."
        ),
        (
            "codelength",
            "compression",
        ),
    ),
    Term(
        "Comprehensiveness",
        "Probability that a class loses without the tokens ranked first; high where they were needed.",
        ("comprehensiveness",),
        needs="faithfulness fine_tuned_faithfulness",
    ),
    Term(
        "Control task",
        "Random labels that hang on a text's type, such as its first word: they can only be learnt by heart.",
        (
            "control task",
            "control tasks",
            "control labels",
        ),
    ),
    Term(
        "Convergence delta",
        "By how much an explanation's scores miss the difference they must add up to.",
        ("convergence delta",),
    ),
    Term(
        "Erasure, LEACE",
        "The smallest change of a vector after which no linear classifier tells the label from it.",
        (
            "LEACE",
            "erased",
            "erasing",
        ),
        needs="erasure",
    ),
    Term(
        "F1",
        (
            "Harmonic mean of <b>precision</b> (of the texts given a class, the share that have it) and "
            "<b>recall</b> (of the texts that have it, the share given it). <b>Macro F1</b> is its mean over "
            "classes."
        ),
        (
            "macro F1",
            "F1",
        ),
    ),
    Term(
        "Fine-tuning",
        "Training an encoder further, together with a classifier, on the task itself.",
        (
            "fine-tuned",
            "fine-tuning",
        ),
        needs="heads",
    ),
    Term(
        "Floor",
        "A score that needs little or nothing of the encoder; what a probe must beat.",
        (
            "floor",
            "floors",
        ),
    ),
    Term(
        "Head",
        "The classifier on top of an encoder: here one linear layer, named by the vector that it reads.",
        needs="heads",
    ),
    Term(
        "Hidden state",
        "A layer's vector over a token, before the pooler.",
        (
            "hidden state",
            "hidden states",
        ),
        needs="heads",
    ),
    Term(
        "Infidelity",
        "Mean squared difference between what scores foretell of a changed input and what happens; smaller is better.",
        ("infidelity",),
        needs="infidelity",
    ),
    Term(
        "Interval",
        "Range of values that the test texts leave plausible, at 95 %.",
        (
            "95 % interval",
            "95 % intervals",
        ),
    ),
    Term("Layer", "0 is the embedding output, then one for each block of the encoder."),
    Term("Log loss", "Mean surprise at the true label, in nats; smaller is better.", ("log loss",)),
    Term(
        "Logit",
        "A classifier's score of a class before it becomes a probability.",
        (
            "logit",
            "logits",
        ),
    ),
    Term(
        "Loss gradient",
        "How the loss would change were a state moved a little: where training pulls, and how hard.",
        ("loss gradient",),
        needs="gradient_shares",
    ),
    Term(
        "Matthews correlation",
        "Correlation of labels and predictions: 1 where all are right, 0 at chance.",
        ("Matthews correlation",),
    ),
    Term("Mean", "The average of the vectors of a text's tokens.", ("mean vector",)),
    Term("Place", "A layer and a vector taken there.", ("best place",)),
    Term(
        "Planted shortcut",
        "A rare word that alone decides the label of a probe trained for it: a reason that is known.",
        (
            "planted shortcut",
            "planted",
        ),
        needs="planted_shortcut",
    ),
    Term(
        "Pooler",
        "A trained head of one layer and tanh on the last [CLS]. Below the last layer it is used here as a lens.",
        ("pooler",),
    ),
    Term("Prediction depth", "The layer from which on a text's prediction no longer changes.", ("prediction depth",)),
    Term(
        "Probe",
        "A simple classifier fitted on the vectors of a frozen encoder.",
        (
            "probe",
            "probes",
        ),
    ),
    Term(
        "Randomised parameters",
        (
            "An encoder whose trained weights are put back to random ones, block by block; explanations of it "
            "should differ."
        ),
        ("randomised",),
        needs="parameter_randomisation",
    ),
    Term(
        "Rationale",
        "Words that people marked as the reason of a label.",
        (
            "rationale",
            "rationales",
        ),
        needs="plausibility",
    ),
    Term(
        "R²",
        "Share of what varies between texts that is foretold on held-out texts: 1 all of it, 0 or less nothing.",
        ("R²",),
        needs="cls_predictability",
    ),
    Term(
        "Rank correlation",
        "How alike two rankings are: 1 the same, 0 unrelated, −1 reversed (Spearman).",
        ("rank correlation",),
        needs="ranked",
    ),
    Term("Selectivity", "Accuracy on the real label minus accuracy on control labels.", ("selectivity",)),
    Term(
        "Sufficiency",
        "Probability that a class loses with nothing but the tokens ranked first; low where they were enough.",
        ("sufficiency",),
        needs="faithfulness fine_tuned_faithfulness",
    ),
    Term("Task", "One label column of the data: a question asked of every text."),
    Term("Tied", "Not told apart from the chosen place by these test texts.", ("tied",)),
    Term(
        "Token states",
        "A layer's vectors over the tokens, each holding something of all of them: places in the network, not words.",
        (
            "token states",
            "token state",
        ),
        needs="token_shares",
    ),
    Term(
        "Untrained encoder",
        "The same architecture with random weights.",
        (
            "untrained encoder",
            "untrained encoders",
        ),
    ),
    Term(
        "V-information",
        "Bits of the label that a probe takes from a vector, against one that sees no text.",
        ("V-information",),
    ),
)
