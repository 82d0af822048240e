"""Tables and claims about attributions and their checks."""

from __future__ import annotations

from collections.abc import Mapping

from probes.results.schema.columns import (
    ACCURACY,
    ATTRIBUTION_CHECKS,
    BASELINE,
    CHECK_OUTCOMES,
    COMPREHENSIVENESS,
    CORRELATION,
    HEAD,
    INTERVAL,
    LAYER,
    LOG_ODDS,
    MEASURED,
    METHOD,
    ORDER,
    POOLING,
    PREDICTED,
    PROBABILITY,
    RELIABLE_TEXTS,
    SHARE,
    SIDES,
    SITE,
    SUFFICIENCY,
    TASK,
    TEXT_ID,
    TOKEN_KIND,
    VALUE,
    ClaimSchema,
    Column,
    N,
    TableSchema,
)

_TWO_BASELINES = (BASELINE, Column("other_baseline", "text", "Baseline that `baseline` is compared with."))
_RANDOMISED_BLOCKS = (
    Column("randomised_blocks", "count", "Number of randomised blocks; one more with the embeddings."),
    Column("level", "text", "Name of what is randomised, such as `blocks 4 to 6`."),
)


def _means(description: str, *group: Column) -> TableSchema:
    """Declare the means of measures over the texts of each group of rows."""
    keys = (*group, Column("measure", "text", "Name of the measure: a column of the table with a row for each text."))
    values = (VALUE.but(description="Mean over the texts."), *INTERVAL, N)
    return TableSchema(f"{description} Means over the texts.", keys=keys, values=values)


TABLES: Mapping[str, TableSchema] = {
    "faithfulness": TableSchema(
        "What erasing tokens does to the explained class, in the attribution's order and in random ones.",
        keys=(
            TASK,
            HEAD,
            LAYER.but(nullable=True, optional=True),
            POOLING.but(nullable=True, optional=True),
            METHOD.but(optional=True),
            BASELINE.but(nullable=True, optional=True),
            TEXT_ID,
            ORDER,
        ),
        values=(COMPREHENSIVENESS, SUFFICIENCY, LOG_ODDS),
    ),
    "perturbation_curves": TableSchema(
        "Mean probability of the explained class while tokens are taken out (deletion) or put back (insertion).",
        keys=(TASK, HEAD, METHOD, Column("share", "share", "Share of the text's tokens.", "share")),
        values=(
            Column("deletion", "number", "Mean probability without these tokens.", "probability", nullable=True),
            Column("insertion", "number", "Mean probability with these tokens alone.", "probability", nullable=True),
            N,
        ),
    ),
    "infidelity": TableSchema(
        "Mean squared error of the scores as a forecast of what sets of tokens are worth.",
        keys=(TASK, HEAD, METHOD, TEXT_ID),
        values=(
            VALUE.but(description="Infidelity.", unit="logits squared"),
            Column(
                "scaled",
                "number",
                "Infidelity of the best multiple of the scores.",
                "logits squared",
                nullable=True,
                optional=True,
            ),
            Column("silent", "number", "Infidelity of scores of 0.", "logits squared", nullable=True, optional=True),
            Column("n_tokens", "count", "Tokens that can be taken out.", "tokens", optional=True),
        ),
    ),
    "baseline_agreement": TableSchema(
        "How alike the attributions from two baselines rank a text's tokens.",
        keys=(
            TASK,
            HEAD,
            METHOD,
            *_TWO_BASELINES,
            TEXT_ID,
        ),
        values=(
            CORRELATION,
            Column("same_top", "flag", "Whether the same word is ranked first.", nullable=True),
        ),
    ),
    "explained_head_agreement": TableSchema(
        "How alike the attributions of the probe and of the model's own head rank a text's tokens.",
        keys=(TASK, TEXT_ID),
        values=(CORRELATION,),
    ),
    "parameter_randomisation": TableSchema(
        "Correlation with the intact encoder's attribution as its blocks are randomised from the top down.",
        keys=(
            TASK,
            HEAD,
            METHOD,
            *_RANDOMISED_BLOCKS,
            TEXT_ID,
        ),
        values=(
            CORRELATION,
            Column("absolute_correlation", "difference", "Correlation of the absolute scores.", nullable=True),
        ),
    ),
    "plausibility": TableSchema(
        "Agreement of attributions with human rationales, beside random orders.",
        keys=(TASK, HEAD, METHOD, TEXT_ID),
        values=(
            Column("f1", "number", "Token F1 of as many first tokens as are marked.", nullable=True),
            Column("iou", "number", "Intersection over union of these tokens.", nullable=True),
            Column("auprc", "number", "Area under the precision-recall curve.", nullable=True),
            Column("random_f1", "number", "Token F1 of random orders.", nullable=True),
            Column("random_iou", "number", "Intersection over union of random orders.", nullable=True),
            Column("random_auprc", "number", "Area under the precision-recall curve of random orders.", nullable=True),
            Column("n_marked", "count", "Marked tokens of the text.", "tokens"),
            Column("n_tokens", "count", "Tokens of the text without special ones.", "tokens"),
        ),
    ),
    "planted_shortcut": TableSchema(
        "How often each method ranks a word that was planted as a shortcut among the first.",
        keys=(*SITE, METHOD, Column("k", "count", "Number of first ranks that count as a hit.", "ranks")),
        values=(
            Column("valid", "flag", "Whether the probe learnt the shortcut.", optional=True),
            Column(
                "hits", "share", "Share of the texts whose planted word is among the first k.", "share", nullable=True
            ),
            *INTERVAL,
            Column("chance", "share", "Share expected from a random order.", "share", nullable=True),
            N,
        ),
    ),
    "word_means": TableSchema(
        "Mean score of each word over texts drawn at random, by explained class.",
        keys=(
            TASK,
            HEAD,
            Column("target", "text", "Explained class."),
            Column("word", "text", "The word as it is counted."),
        ),
        values=(
            N.but(description="Number of occurrences.", unit="words"),
            Column("n_texts", "count", "Number of texts that hold the word.", "texts"),
            Column("mean", "number", "Mean score.", "logits", nullable=True),
            *INTERVAL,
            Column("simultaneous_lower", "number", "Lower end of the interval for all words.", "logits", nullable=True),
            Column("simultaneous_upper", "number", "Upper end of the interval for all words.", "logits", nullable=True),
            Column("reliable", "flag", f"Whether the interval leaves out 0, or {RELIABLE_TEXTS} texts hold the word."),
        ),
    ),
    "token_shares": TableSchema(
        "Share of the decision by kind of token, for the token states of each layer.",
        keys=(
            TASK,
            HEAD,
            POOLING.but(nullable=True),
            Column("probe_layer", "layer", "Layer of the probe; missing for the model's own head.", nullable=True),
            LAYER,
            TOKEN_KIND,
            METHOD,
        ),
        values=(SHARE, N),
    ),
    "attributions_by_layer": TableSchema(
        "Prediction and attribution of the probe of each layer, beside those of the explained layer.",
        keys=(*SITE, TEXT_ID),
        values=(
            PREDICTED,
            PROBABILITY,
            CORRELATION,
            Column("same_class", "flag", "Whether the class predicted at the explained layer is predicted here."),
        ),
    ),
    "explanation_agreement": TableSchema(
        "How alike two attributions of one decision rank its tokens; rows count from 0 in attributions.jsonl.",
        keys=(Column("attribution", "count", "Row of an attribution."),),
        values=(
            Column("reference", "count", "Row of the attribution that is shown first for the decision."),
            CORRELATION,
        ),
    ),
    "faithfulness_means": _means(
        "Comprehensiveness, sufficiency and log-odds of the attribution's order and of random orders.",
        TASK,
        HEAD,
        METHOD,
    ),
    "infidelity_means": _means("Infidelity of each method.", TASK, HEAD, METHOD),
    "baseline_agreement_means": _means(
        "How alike the attributions from two baselines rank a text's tokens.", TASK, HEAD, METHOD, *_TWO_BASELINES
    ),
    "parameter_randomisation_means": _means(
        "Correlation with the intact encoder's attribution.", TASK, HEAD, METHOD, *_RANDOMISED_BLOCKS
    ),
    "plausibility_means": _means("Agreement of attributions with human rationales.", TASK, HEAD, METHOD),
    "attributions_by_layer_means": _means(
        "Attributions and predictions of the probe of each layer, beside those of the explained layer.", *SITE
    ),
}
"""Table -> its declaration."""

CLAIMS: Mapping[str, ClaimSchema] = {
    "convergence": ClaimSchema(
        "Whether the scores of every attribution sum to the output difference they explain.",
        outcomes=("holds", "fails"),
        main="n_converged",
        about_task=False,
        numbers=(
            N.but(description="Number of attributions with a convergence delta.", unit="attributions"),
            Column("n_converged", "count", "Number of attributions within the tolerance.", "attributions"),
            Column("tolerance", "number", "Tolerance, relative to the explained difference."),
            Column("smallest", "difference", "Tolerance in logits where that is larger.", "logits", nullable=True),
            Column("max_abs_delta", "number", "Largest absolute convergence delta.", "logits", nullable=True),
        ),
    ),
    "baseline_bias": ClaimSchema(
        "Whether a head favours a class at the baseline.",
        outcomes=("informed", "uninformed"),
        main="distance",
        numbers=(
            HEAD,
            BASELINE,
            N,
            Column("n_informed", "count", "Number of texts at whose baseline the head favours a class.", "texts"),
            Column("distance", "number", "Mean distance from an uninformed prediction; 1 the most.", nullable=True),
            Column("nearest", "text", "Baseline with the smallest distance.", nullable=True, optional=True),
            Column("nearest_distance", "number", "Its distance.", nullable=True, optional=True),
            Column("limit", "number", "Largest distance of a neutral baseline.", nullable=True, optional=True),
            Column("chosen_for", "text", "Head that the baseline was chosen for.", nullable=True, optional=True),
        ),
    ),
    "deciding_words": ClaimSchema(
        "Whether the word with the highest score is one that is known to decide.",
        outcomes=SIDES,
        main="hits",
        numbers=(
            Column("hits", "share", "Share of the texts whose first word is a deciding one.", "share of the texts"),
            N,
            Column("random", "number", "Share with permuted token scores.", nullable=True),
        ),
    ),
    "faithfulness": ClaimSchema(
        "Comprehensiveness and sufficiency of a method, beside random orders.",
        outcomes=SIDES,
        main="comprehensiveness",
        numbers=(
            HEAD,
            METHOD,
            N,
            COMPREHENSIVENESS,
            Column("random_comprehensiveness", "number", "Comprehensiveness of random orders.", nullable=True),
            SUFFICIENCY,
            Column("random_sufficiency", "number", "Sufficiency of random orders.", nullable=True),
        ),
    ),
    "baseline_agreement": ClaimSchema(
        "How alike the attributions from other baselines rank a text's tokens.",
        outcomes=MEASURED,
        main="correlation",
        numbers=(
            HEAD,
            METHOD,
            N,
            Column("n_baselines", "count", "Number of baselines.", "baselines"),
            CORRELATION,
            Column("same_top", "share", "Share of the texts with the same first word.", nullable=True),
            Column("lowest", "text", "Baseline with the lowest correlation."),
            Column("lowest_correlation", "number", "Its correlation.", nullable=True),
        ),
    ),
    "plausibility": ClaimSchema(
        "Agreement of a method's ranking with human rationales, beside random orders.",
        outcomes=SIDES,
        main="auprc",
        numbers=(
            HEAD,
            METHOD,
            N,
            Column("auprc", "number", "Area under the precision-recall curve.", nullable=True),
            Column("random_auprc", "number", "The same for random orders.", nullable=True),
            Column("f1", "number", "Token F1.", nullable=True),
            Column("random_f1", "number", "The same for random orders.", nullable=True),
            Column("iou", "number", "Intersection over union.", nullable=True),
            Column("random_iou", "number", "The same for random orders.", nullable=True),
        ),
    ),
    "planted_shortcut": ClaimSchema(
        "Whether a probe learnt a planted shortcut, so that attributions can be tested on it.",
        outcomes=("valid", "not_learned"),
        main="flipped",
        numbers=(
            POOLING,
            LAYER,
            Column("flipped", "share", "Share of the texts whose prediction the other word flips.", nullable=True),
            ACCURACY,
            N,
            Column("words", "text", "The planted words."),
            Column("n_train", "count", "Number of training texts.", "texts", optional=True),
        ),
    ),
    "perturbation_curves": ClaimSchema(
        "Whether a method's mean deletion curve lies below that of a random order, and its insertion curve above it.",
        outcomes=("both", "one", "neither", "measured"),
        main="deletion",
        numbers=(
            HEAD,
            METHOD,
            Column("deletion", "number", "Mean probability along the deletion curve.", "probability"),
            Column("insertion", "number", "Mean probability along the insertion curve.", "probability"),
            N,
        ),
    ),
    "infidelity": ClaimSchema(
        "Whether the lowest infidelity of several methods differs from the next one by more than its sampling error.",
        outcomes=("below", "cannot_tell", "measured"),
        main="infidelity",
        numbers=(
            HEAD,
            METHOD,
            Column("infidelity", "number", "Mean infidelity of the method.", "logits squared", nullable=True),
            N,
            Column("other_method", "text", "Method with the next lowest infidelity.", optional=True),
        ),
    ),
    "planted_shortcut_hits": ClaimSchema(
        "How often the method explained with ranks a planted word first, beside a random order.",
        outcomes=SIDES,
        main="hits",
        numbers=(
            METHOD,
            Column("k", "count", "Number of first ranks that count as a hit.", "ranks"),
            Column("hits", "share", "Share of the texts whose planted word is among the first k.", "share"),
            Column("chance", "share", "Share expected from a random order.", "share"),
            N,
        ),
    ),
    "parameter_randomisation": ClaimSchema(
        "Whether the ranking changes once all parameters are random.",
        outcomes=("changes", "unchanged", "cannot_tell"),
        main="correlation",
        numbers=(HEAD, METHOD, N, CORRELATION),
    ),
    "attribution_check": ClaimSchema(
        "Outcome of an attribution check; the interval is that of the gain, or of the value where there is no gain.",
        outcomes=CHECK_OUTCOMES,
        main="value",
        about_task=False,
        numbers=(
            Column("check", "text", "Name of the check.", choices=ATTRIBUTION_CHECKS),
            HEAD.but(optional=True),
            METHOD.but(optional=True),
            Column("value", "number", "Result of the check.", nullable=True),
            Column("reference", "number", "Result at random, or the threshold.", nullable=True, optional=True),
            Column(
                "gain", "number", "By how much the value is better than the reference.", nullable=True, optional=True
            ),
            N,
            Column("n_holding", "count", "Number of texts or attributions that meet a criterion.", optional=True),
        ),
    ),
    "explained_head_agreement": ClaimSchema(
        "How alike the probe and the model's own head rank a text's tokens.",
        outcomes=SIDES,
        main="correlation",
        numbers=(CORRELATION, N),
    ),
}
"""Kind of claim -> its declaration."""
