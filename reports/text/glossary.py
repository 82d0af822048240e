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


def linked(text: str, terms: Sequence[Term], style_class: str = "term") -> Markup:
    """Return a sentence, escaped, with a link from the first use of each term to its entry.

    Args:
        text: Sentence.
        terms: Terms that are linked.
        style_class: Class of the links; `first_uses` sees only those of the class `term`.
    """
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
            parts.append(Markup('<a class="{}" href="#{}">{}</a>').format(style_class, term.anchor, piece))
    return Markup("").join(parts)


def linked_terms(terms: Sequence[Term], html: str) -> tuple[Term, ...]:
    """Return the terms that a page links to."""
    anchors = {match["anchor"] for match in _TERM_LINK.finditer(html)}
    return tuple(term for term in terms if term.anchor in anchors)


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
        "95 % CI",
        "This is the 95 % confidence interval over the test texts: Wilson's of an accuracy, Student's of a mean, a "
        "bootstrap's of other scores. It leaves out the variance from the training sample, except where training and "
        "test sampling are named.",
        ("95 % CIs", "95 % CI", "95 % interval", "95 % intervals"),
    ),
    Term(
        "Ablation",
        "Ablation replaces the vectors of a layer by their mean over the texts. The blocks above continue from there.",
        ("ablation", "ablating", "ablated"),
        needs="ablation",
    ),
    Term(
        "Anisotropy",
        "Anisotropy is the mean cosine between the vectors of different texts. It is 1 where all vectors "
        "point in one direction.",
        ("anisotropy",),
    ),
    Term(
        "Attribution",
        "An attribution gives each token of a text a score for its contribution to the output for one class.",
        ("attribution", "attributions"),
        needs="explained",
    ),
    Term(
        "AUPRC",
        "This is the area under the precision-recall curve, here of tokens ranked by their scores, against "
        "the words that annotators marked.",
        ("AUPRC",),
        needs="plausibility",
    ),
    Term(
        "AUROC",
        "This is the share of pairs of texts of two classes that the classifier ranks correctly. Chance is 0.5.",
        ("AUROC",),
    ),
    Term(
        "Bag of words",
        "This classifier uses the TF-IDF weights of the words, without their order.",
        ("bag of words",),
    ),
    Term(
        "Balanced accuracy",
        "This is the recall of each class, averaged over classes.",
        ("balanced accuracy",),
    ),
    Term(
        "Baseline",
        "The baseline of an attribution is the text with its own tokens replaced by padding, mask tokens, "
        "zero vectors, a mean or tokens of other texts. Scores are relative to it.",
        ("baseline", "baselines"),
        needs="explained",
    ),
    Term(
        "Calibration error, ECE",
        "The expected calibration error is the mean difference between the confidence of a classifier and its "
        "accuracy.",
        ("calibration error", "ECE"),
    ),
    Term(
        "CKA",
        "Linear centred kernel alignment is the similarity of two layers. It is invariant to rotation and "
        "scaling; 1 is the highest value.",
        ("CKA",),
    ),
    Term(
        "[CLS]",
        "The tokenizer adds this special token to every text. Many classifiers read only its vector.",
        ("[CLS]",),
    ),
    Term(
        "Codelength, MDL",
        "The online codelength (minimum description length) is the number of bits needed to transmit the "
        "training labels to a receiver who has the vectors. <b>Compression</b> is the codelength without the "
        "vectors, from the class frequencies alone, divided by it.",
        ("codelength", "compression", "MDL"),
    ),
    Term(
        "Completeness",
        "The scores of an attribution that satisfies completeness sum to the difference between the output of "
        "the text and that of the baseline.",
        ("completeness",),
        needs="explained",
    ),
    Term(
        "Comprehensiveness",
        "Comprehensiveness is the drop in the predicted probability when the tokens with the highest scores "
        "are removed. Higher is better.",
        ("comprehensiveness",),
        needs="faithfulness fine_tuned_faithfulness",
    ),
    Term(
        "Control task",
        "A control task assigns the same random label to all texts of one type, such as the same first word. "
        "A probe can learn it only by memorising.",
        ("control task", "control tasks", "control labels"),
    ),
    Term(
        "Convergence delta",
        "The convergence delta is the sum of the scores minus the output difference that they explain.",
        ("convergence delta",),
        needs="explained",
    ),
    Term(
        "Erasure, LEACE",
        "LEACE is the smallest change of a vector after which no linear classifier can predict the label from it.",
        ("LEACE", "erasure", "erasing", "erased"),
        needs="erasure",
    ),
    Term(
        "F1",
        "F1 is the harmonic mean of precision and recall. <b>Macro F1</b> is its mean over classes.",
        ("macro F1", "F1"),
    ),
    Term(
        "Fine-tuning",
        "Fine-tuning trains the encoder further, together with a classifier, on the task.",
        ("fine-tuned", "fine-tuning"),
        needs="heads",
    ),
    Term(
        "Floor",
        "A floor is a reference score without a trained encoder, or without its layers: the majority class, a "
        "bag of words, the layer-0 mean, an untrained encoder.",
        ("floor", "floors"),
    ),
    Term(
        "Frozen",
        "The weights of a frozen encoder stay as they are: only the probe is trained.",
        ("frozen",),
    ),
    Term(
        "Head",
        "A head is the classifier on top of an encoder: a probe, the model's own classifier, or a linear layer "
        "that is named after the vector that it reads.",
        ("head", "heads"),
    ),
    Term(
        "Hidden states",
        "The hidden states are the vectors of a layer, one for each token.",
        ("hidden states", "hidden state"),
        needs="heads",
    ),
    Term(
        "Infidelity",
        "Infidelity is the mean squared difference between the change of the output that the scores predict "
        "and the one that occurs. Lower is better.",
        ("infidelity",),
        needs="infidelity",
    ),
    Term(
        "Layer",
        "Each layer of the encoder computes one vector for each token. Layer 0 is the embedding output. The other "
        "layers are the blocks of the encoder.",
        ("layer", "layers"),
    ),
    Term(
        "Logit",
        "The logit is the score of a class before the softmax.",
        ("logit", "logits"),
    ),
    Term(
        "Log loss",
        "Log loss is the mean negative log-likelihood of the true label, in nats. Lower is better.",
        ("log loss",),
    ),
    Term(
        "Loss gradient",
        "The gradient of the loss with respect to a hidden state shows how training would change that state.",
        ("loss gradient",),
        needs="gradient_shares",
    ),
    Term(
        "Matthews correlation",
        "This is the correlation of labels and predictions. It is 1 where all predictions are correct, and 0 "
        "at chance.",
        ("Matthews correlation",),
    ),
    Term(
        "Mean pooling",
        "Mean pooling averages the vectors of the tokens of a text.",
        ("mean pooling", "mean vector"),
    ),
    Term(
        "Minimum detectable difference",
        "A true difference of this size between the best site and another is significant with a probability of 80 %, "
        "for this number of test texts.",
        ("minimum detectable difference",),
    ),
    Term(
        "Output bar",
        "The output bar of an explained text goes from the explained output at the baseline to the output at the "
        "text, which has a dot. The vertical line marks 0.",
        ("output bar",),
        needs="explained",
    ),
    Term(
        "Parameter randomisation",
        "This test replaces the weights of the encoder by random ones, block by block. The attribution should change.",
        ("parameter randomisation",),
        needs="parameter_randomisation",
    ),
    Term(
        "Planted shortcut",
        "A planted shortcut is a rare word that decides the labels on which a probe is trained. A faithful "
        "attribution ranks it first.",
        ("planted shortcut", "planted shortcuts"),
        needs="planted_shortcut",
    ),
    Term(
        "Planted signal",
        "A planted signal is a class difference of known strength that is added to the vectors, to learn "
        "which differences a probe would recover.",
        ("planted signals", "planted signal"),
        needs="planted_signals",
    ),
    Term(
        "Plausibility",
        "Plausibility is the agreement of an attribution with the words that annotators marked.",
        ("plausibility",),
        needs="plausibility",
    ),
    Term(
        "Pooler",
        "The pooler is a dense layer with tanh on [CLS] of the last layer. At a lower layer it is used as a lens.",
        ("pooler",),
    ),
    Term(
        "Pooling",
        "Pooling makes one vector of a text from the vectors of its tokens: that of [CLS], their mean, or the output "
        "of the pooler.",
        ("pooling", "poolings"),
    ),
    Term(
        "Prediction depth",
        "The prediction depth of a text is the first layer from which all later probes agree with the last.",
        ("prediction depth",),
    ),
    Term(
        "Probe",
        "A probe is a logistic regression on the vectors of a frozen encoder.",
        ("probe", "probes"),
    ),
    Term(
        "R²",
        "R² is the share of the variance between held-out texts that is predicted. It is 1 where all of it "
        "is, and 0 or less where none is.",
        ("R²",),
        needs="cls_predictability",
    ),
    Term(
        "Rank correlation",
        "The Spearman correlation of two rankings is 1 where they are equal, 0 where they are unrelated and "
        "−1 where they are reversed.",
        ("rank correlation",),
        needs="ranked",
    ),
    Term(
        "Rationale",
        "A rationale is the words that annotators marked as the reason of a label.",
        ("rationale", "rationales"),
        needs="plausibility",
    ),
    Term(
        "Resampled training set",
        "A resampled training set is drawn from the training texts with replacement (bootstrap), as many as there are. "
        "It shows how much a score depends on the training sample.",
        ("resampled training sets", "resampled training set"),
        needs="training_resampling",
    ),
    Term(
        "Selectivity",
        "Selectivity is the accuracy on the task minus the accuracy on the control task.",
        ("selectivity",),
    ),
    Term(
        "Site",
        "A site is where a probe reads the encoder: a pooling and a layer, for one label column.",
        ("site", "sites"),
    ),
    Term(
        "Sufficiency",
        "Sufficiency is the drop in the predicted probability when only the tokens with the highest scores "
        "are kept. Lower is better.",
        ("sufficiency",),
        needs="faithfulness fine_tuned_faithfulness",
    ),
    Term(
        "Task",
        "A task is one label column of the data.",
    ),
    Term(
        "Test accuracy",
        "Test accuracy is the share of test texts that are classified correctly. A <b>point</b> is one "
        "percentage point.",
        ("test accuracy", "accuracy"),
    ),
    Term(
        "Tied with the best",
        "A site is tied with the best where their test accuracies are not significantly different, by "
        "simultaneous 95 % CIs.",
        ("tied",),
    ),
    Term(
        "Token states",
        "Token states are the vectors of the tokens in a layer. Attention has mixed the tokens, so a state is "
        "not one word.",
        ("token states", "token state"),
        needs="token_shares",
    ),
    Term(
        "Untrained encoder",
        "An untrained encoder has the same architecture and random weights.",
        ("untrained encoder", "untrained encoders"),
    ),
    Term(
        "Validation",
        "The validation texts select the regularisation and the best site. The test texts select nothing.",
        ("validation",),
        needs="validation",
    ),
    Term(
        "V-information",
        "V-information is the reduction of the log loss by the vectors, compared with a probe that sees no "
        "text, in bits per text.",
        ("V-information",),
    ),
)
