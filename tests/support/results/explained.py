"""A made-up result of `run` whose explanations were checked in every way: tables and claims beside explanations."""

import dataclasses
import itertools

import numpy as np
import pandas as pd

from analyses.context.explanations.check_outcomes import check_claims
from analyses.context.explanations.means import explanation_agreement, mean_tables
from analyses.subjects.explanations.faithfulness import curve_claims
from analyses.subjects.explanations.infidelity import infidelity_claims
from analyses.subjects.explanations.planted_shortcut import hits_claims
from analyses.subjects.explanations.word_means import is_reliable
from probes.results.result import AnalysisResult, Attribution, Claim
from probes.statistics.intervals import FEWEST_EXAMPLES
from tests.support.results.probed import attribution, result

METHODS = ("integrated_gradients", "occlusion", "gradient_norm")
TEXTS = (
    "After all, the orchard is far from lovely.",
    "The lamps are fine and the harbour looks bright tonight.",
    "Nobody would call this long, slow and weary film a triumph.",
    "A warm, funny and quietly moving story.",
)
WORDS = tuple(
    "lovely warm funny moving bright charming fresh fine honest rich lively gentle deep clever good the film story of "
    "and a is far from not weary slow dull bad stale empty clumsy tired flat loud grim weak".split()
)
LEVELS = ("intact", "block 6", "blocks 5 to 6", "blocks 4 to 6", "blocks 3 to 6", "blocks 2 to 6", "all blocks")
CHOSEN = 4
OUTCOMES = {
    "faithfulness": "above",
    "baseline_bias": "uninformed",
    "plausibility": "above",
    "planted_shortcut": "valid",
    "parameter_randomisation": "changes",
    "explained_head_agreement": "above",
}


DERIVED = ("perturbation_curves", "infidelity", "planted_shortcut_hits", "attribution_check")


def checked(
    *,
    tasks: dict[str, tuple[str, ...]] | None = None,
    texts: tuple[str, ...] = TEXTS,
    heads: tuple[str, ...] = ("probe", "model"),
    methods: tuple[str, ...] = METHODS,
    word_list: tuple[str, ...] = WORDS,
    contrasts: bool = False,
    **outcomes: str,
) -> AnalysisResult:
    tasks = tasks or {"sentiment": ("negative", "positive")}
    base = result(tasks=tasks, texts=texts)
    frames = [tables(task, classes, heads, methods, texts, word_list) for task, classes in tasks.items()]
    outcomes = OUTCOMES | outcomes
    by_name = {key: pd.concat([frame[key] for frame in frames]) for key in frames[0]}
    by_name["planted_shortcut"]["valid"] = outcomes["planted_shortcut"] == "valid"
    attributions = tuple(a for task, classes in tasks.items() for a in explained(task, classes, heads, texts))
    if contrasts:
        attributions += tuple(twice(a, a.label) for a in attributions if a.target != a.label)
    checked_result = dataclasses.replace(
        base,
        settings={"explain": {"words": 400}},
        tables={**base.tables, **by_name},
        attributions=attributions,
        claims=(*base.claims, *(c for task in tasks for c in claims(task, heads, methods, outcomes))),
    )
    return with_means(checked_result)


def twice(a: Attribution, against: str) -> Attribution:
    """The attribution of the difference of two classes with opposite logits."""
    outputs = {"output": 2 * a.output, "baseline_output": 2 * a.baseline_output}
    return dataclasses.replace(a, against=against, scores=2 * a.scores, word_scores=2 * a.word_scores, **outputs)


def with_means(analysis: AnalysisResult) -> AnalysisResult:
    """The result with what an analysis derives from its tables and attributions."""
    means = mean_tables(analysis.tables)
    derived = [claim for claim in analysis.claims if claim.id not in DERIVED]
    if "perturbation_curves" in analysis.tables:
        derived += curve_claims(analysis.tables["perturbation_curves"])
    if "infidelity_means" in means:
        derived += infidelity_claims(means["infidelity_means"])
    if "planted_shortcut" in analysis.tables:
        derived += hits_claims(analysis.tables["planted_shortcut"])
    derived += check_claims(derived, means)
    tables = {**analysis.tables, **means, **explanation_agreement(analysis.attributions)}
    return dataclasses.replace(analysis, tables=tables, claims=tuple(derived))


def explained(task: str, classes: tuple[str, ...], heads: tuple[str, ...], texts: tuple[str, ...]) -> list[Attribution]:
    """The chosen layer's probe, the model's own head, and the probes of the other layers for the same class."""
    rng, attributions = np.random.default_rng(3), []
    for head, (row, text) in itertools.product(heads, enumerate(texts)):
        a = attribution(text, task, classes, row, converged=True)
        scores = np.where(a.offsets[:, 0] >= 0, rng.normal(0.1, 0.6, len(a.tokens)), 0.0)
        a = dataclasses.replace(a, scores=scores, word_scores=scores, output=float(scores.sum()), baseline_output=0.0)
        if head == "model":
            attributions.append(dataclasses.replace(a, head="model", layer=None, pooling=None))
            continue
        for layer in (CHOSEN, *(layer_below for layer_below in range(7) if layer_below != CHOSEN)):
            moved = scores + rng.normal(0, 0.15 * abs(layer - CHOSEN), len(scores)) * (a.offsets[:, 0] >= 0)
            confidence = 0.95 - 0.12 * abs(layer - CHOSEN)
            probabilities = dict(
                zip(classes, (confidence, *[(1 - confidence) / (len(classes) - 1)] * (len(classes) - 1)), strict=True)
            )
            attributions.append(
                dataclasses.replace(
                    a,
                    layer=layer,
                    scores=moved,
                    word_scores=moved,
                    probabilities=probabilities,
                    predicted=max(probabilities, key=probabilities.__getitem__),
                )
            )
    return sorted(attributions, key=lambda a: (a.head != "probe", a.layer != CHOSEN))


def claims(task: str, heads: tuple[str, ...], methods: tuple[str, ...], outcomes: dict[str, str]) -> list[Claim]:
    erased = {"n": 24, "comprehensiveness": 0.287, "random_comprehensiveness": 0.096}
    erased |= {"sufficiency": 0.02, "random_sufficiency": 0.316}
    who = {"head": heads[0], "method": methods[0]}
    marks = {"auprc": 0.61, "random_auprc": 0.35, "f1": 0.52, "random_f1": 0.3, "iou": 0.41, "random_iou": 0.2, "n": 22}
    starts = {"n_baselines": 4, "correlation": 0.71, "same_top": 0.64, "lowest": "zero", "lowest_correlation": 0.42}
    shortcut = {
        "pooling": "mean",
        "layer": CHOSEN,
        "flipped": 0.98 if outcomes["planted_shortcut"] == "valid" else 0.62,
        "accuracy": 0.99,
        "n": 80,
        "n_train": 400,
    }
    every_claim = [
        Claim(
            "faithfulness", outcomes["faithfulness"], task, {"head": head, "method": method, **erased}, (0.137, 0.252)
        )
        for head, method in itertools.product(heads, methods)
    ]
    biases = {
        "baseline": "pad",
        "n": 24,
        "n_informed": 2 if outcomes["baseline_bias"] == "uninformed" else 15,
        "distance": 0.08,
    }
    every_claim += [Claim("baseline_bias", outcomes["baseline_bias"], task, {"head": head, **biases}) for head in heads]
    every_claim += [
        Claim("baseline_agreement", "measured", task, {**who, **starts, "n": 24}, (0.63, 0.78)),
        Claim("plausibility", outcomes["plausibility"], task, {**who, **marks}, (0.18, 0.34)),
        Claim("planted_shortcut", outcomes["planted_shortcut"], task, {**shortcut, "words": "quartz, velvet"}),
        Claim(
            "parameter_randomisation",
            outcomes["parameter_randomisation"],
            task,
            {**who, "correlation": 0.14, "n": 24},
            (0.05, 0.22),
        ),
    ]
    if len(heads) > 1:
        every_claim.append(
            Claim(
                "explained_head_agreement",
                outcomes["explained_head_agreement"],
                task,
                {"correlation": 0.58, "n": 24},
                (0.47, 0.69),
            )
        )
    return every_claim


def tables(
    task: str,
    classes: tuple[str, ...],
    heads: tuple[str, ...],
    methods: tuple[str, ...],
    texts: tuple[str, ...],
    word_list: tuple[str, ...],
) -> dict[str, pd.DataFrame]:
    rng, n = np.random.default_rng(0), 24
    places = {"probe": (CHOSEN, "mean"), "model": (None, None)}
    erased, fell, missed, starts, depths, marks = [], [], [], [], [], []
    for head, (m, method), text in itertools.product(heads, enumerate(methods), range(n)):
        level = 0.3 - 0.07 * m
        for order in ("attribution", *(f"random {i}" for i in range(5))):
            lost, retained = (level, 0.03 + 0.05 * m) if order == "attribution" else (0.09, 0.31)
            noise = rng.normal(0, 0.09, 2)
            place = (task, head, *places[head], method, "pad", text, order)
            erased.append((*place, lost + noise[0], retained + noise[1], -3 * lost + noise[0]))
        missed.append((task, head, method, text, float(rng.gamma(2, 0.02 * (1 + m)))))
        for other_baseline, alike in (("mask", 0.86), ("zero", 0.42), ("mean", 0.78), ("sampled", 0.7)):
            rank = float(np.clip(rng.normal(alike, 0.12), -1, 1))
            starts.append((task, head, method, "pad", other_baseline, text, rank, bool(rng.random() < alike)))
        for depth, level_name in enumerate((*LEVELS, "embeddings too")):
            rank = 1.0 if depth == 0 else float(np.clip(rng.normal(0.75 ** (depth + m) * (1 + m / 2), 0.1), -1, 1))
            depths.append((task, head, method, depth, level_name, text, rank, abs(rank)))
        scores = [float(np.clip(rng.normal(centre, 0.15), 0, 1)) for centre in (0.52, 0.41, 0.61, 0.3, 0.2, 0.35)]
        marks.append((task, head, method, text, *scores, 2, 11))
    for head, (m, method) in itertools.product(heads, enumerate((*methods, "random"))):
        for share in np.linspace(0, 1, 21):
            speed = 1.1 if method == "random" else 4 - m
            fell.append(
                (task, head, method, share, 0.4 + 0.5 * (1 - share) ** speed, 0.9 - 0.5 * (1 - share) ** speed, n)
            )
    hits = [
        (task, "mean", CHOSEN, method, k, share, max(0.0, share - 0.08), min(1.0, share + 0.04), 0.09 * k, 80)
        for m, method in enumerate(methods)
        for k, share in ((1, 0.95 - 0.3 * m), (3, 0.98 - 0.2 * m), (5, 1.0 - 0.1 * m))
    ]
    strengths = np.linspace(0.9, -0.9, len(word_list))
    seen = [
        (
            task,
            head,
            target,
            word,
            3 * texts_with,
            texts_with,
            mean,
            *limits,
            *together,
            is_reliable(*limits, texts_with),
        )
        for head in heads
        for sign, target in zip((-1, *[1] * (len(classes) - 1)), classes, strict=True)
        for i, (word, strength) in enumerate(zip(word_list, strengths, strict=True))
        for texts_with in (1 + (7 * i) % 23,)
        for mean in (float(sign * strength),)
        for limits in ((mean - 0.15, mean + 0.2) if texts_with > 1 else (float("nan"),) * 2,)
        for together in ((mean - 0.25, mean + 0.3) if texts_with >= FEWEST_EXAMPLES else (float("nan"),) * 2,)
    ]
    kinds = ("[CLS]", "[SEP]", "other special", "punctuation", "content")
    sits = []
    for layer in range(CHOSEN + 1):
        for head in heads:
            held = np.array([0.06 * layer, 0.04 * layer, 0.0, 0.09, 1.0])
            held[4] = 1 - held[:4].sum()
            place = (task, head, *places[head][::-1])
            sits += [(*place, layer, k, s, n, "integrated_gradients") for k, s in zip(kinds, held, strict=True)]
    for layer in range(7):
        held = np.array([0.12 + 0.02 * layer, 0.1, 0.0, 0.1, 0.68 - 0.02 * layer])
        sits += [(task, "probe", "mean", layer, layer, k, s, n, "direct") for k, s in zip(kinds, held, strict=True)]
    deep = [
        (
            task,
            "mean",
            layer,
            text,
            classes[0] if abs(layer - CHOSEN) < 4 else classes[-1],
            0.9 - 0.1 * abs(layer - CHOSEN),
            rank,
            abs(layer - CHOSEN) < 4,
        )
        for layer in range(7)
        for text in range(n)
        for rank in (
            1.0 if layer == CHOSEN else float(np.clip(rng.normal(0.9 - 0.12 * abs(layer - CHOSEN), 0.1), -1, 1)),
        )
    ]
    agree = [(task, text, float(np.clip(rng.normal(0.58, 0.2), -1, 1))) for text in range(n)] if len(heads) > 1 else []
    columns = {
        "faithfulness": "task head layer pooling method baseline text_id order comprehensiveness sufficiency log_odds",
        "perturbation_curves": "task head method share deletion insertion n",
        "infidelity": "task head method text_id value",
        "baseline_agreement": "task head method baseline other_baseline text_id correlation same_top",
        "explained_head_agreement": "task text_id correlation",
        "parameter_randomisation": "task head method randomised_blocks level text_id correlation absolute_correlation",
        "plausibility": "task head method text_id f1 iou auprc random_f1 random_iou random_auprc n_marked n_tokens",
        "planted_shortcut": "task pooling layer method k hits lower upper chance n",
        "word_means": "task head target word n n_texts mean lower upper simultaneous_lower simultaneous_upper reliable",
        "token_shares": "task head pooling probe_layer layer kind share n method",
        "attributions_by_layer": "task pooling layer text_id predicted probability correlation same_class",
    }
    rows = (erased, fell, missed, starts, agree, depths, marks, hits, seen, sits, deep)
    return {
        key: pd.DataFrame(cells, columns=names.split())
        for (key, names), cells in zip(columns.items(), rows, strict=True)
        if cells
    }
