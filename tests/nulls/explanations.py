"""Explanations whose scores say nothing of the head, and explanations of a head whose reasons are planted."""

import dataclasses
import types
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.context.explanations.check_outcomes import check_claims
from analyses.context.explanations.explanations import Case
from analyses.context.explanations.means import mean_tables
from analyses.subjects.explanations import attributions as attributions_subject
from analyses.subjects.explanations import faithfulness, planted_shortcut, plausibility
from probes.attribution.attribute import attribute
from probes.attribution.word_means import word_means
from probes.attribution_checks.planted_shortcut import rare_words
from probes.data.datasets import Splits, TextDataset
from probes.features.in_memory import pool_texts
from probes.heads.heads import ProbeHead
from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticProbe
from probes.probing.penalty_selection import DEFAULT_CS, select_probe
from probes.results.result import Attribution, Claim
from reports.sections.explanations.word_means import _is_quotable
from tests.nulls.material import Material, splits_of, taken

LAYER = 2
"""Layer of the explained head: the blocks above it are not run."""
POOLING = "mean"
N_TEXTS = 30
"""Test texts that are explained and checked."""
N_AVERAGED = 100
"""Test texts over which the scores of words are averaged."""
N_PLANTED = {"train": 300, "test": 60}
"""Split -> texts in which a shortcut is planted."""
METHOD = "input_x_gradient"
"""Method of the head with random weights; integrated gradients explain planted reasons."""


def random_scores(material: Material, seed: int) -> list[Claim]:
    """Check random scores as explanations of a trained head."""
    rng = np.random.default_rng(seed)
    stored_rows = material.draw_rows(rng)
    splits = taken(material.splits, stored_rows)
    task, *_ = splits.class_names
    head = _stored_head(material, stored_rows, splits, task)
    rows = _draw_texts(splits, rng)
    encoded = material.encoder.encode(splits.test.texts.take(rows))
    return _check_claims(splits, task, head, rows, attribute(head, encoded, method="random", seed=seed), seed)


def words_of_random_scores(material: Material, seed: int) -> list[Claim]:
    """Average random scores by word; the page quotes the word with the highest and the lowest mean."""
    rng = np.random.default_rng(seed)
    stored_rows = material.draw_rows(rng)
    splits = taken(material.splits, stored_rows)
    task, *_ = splits.class_names
    head = _stored_head(material, stored_rows, splits, task)
    texts = splits.test.texts.take(rng.permutation(len(splits.test))[:N_AVERAGED])
    means = word_means(attribute(head, material.encoder.encode(texts), method="random", seed=seed))
    quoted = means[_is_quotable(means)]
    numbers = {"n": len(quoted), "n_words": len(means)}
    return [Claim("quoted_words", "quoted" if len(quoted) else "none", task, numbers)]


def head_with_random_weights(material: Material, seed: int) -> list[Claim]:
    """Check scores of a head with random weights as explanations of a trained head."""
    rng = np.random.default_rng(seed)
    stored_rows = material.draw_rows(rng)
    splits = taken(material.splits, stored_rows)
    task, *_ = splits.class_names
    head = _stored_head(material, stored_rows, splits, task)
    weight = rng.standard_normal((len(head.class_names), material.encoder.hidden)).astype(np.float32)
    random_probe = FittedProbe(weight=weight, bias=np.zeros(len(weight), dtype=np.float32))
    random_head = ProbeHead(
        material.encoder, random_probe, layer=LAYER, pooling=POOLING, class_names=splits.class_names[task]
    )
    rows = _draw_texts(splits, rng)
    encoded = material.encoder.encode(splits.test.texts.take(rows))
    targets = head.predict(encoded)
    attributions = attribute(random_head, encoded, targets=targets, method=METHOD, seed=seed)
    return _check_claims(splits, task, head, rows, attributions, seed)


def planted_rationale(material: Material, seed: int) -> list[Claim]:
    """Explain a head that is trained on texts with one deciding word each; the word is the rationale."""
    rng = np.random.default_rng(seed)
    stored = taken(material.splits, material.draw_rows(rng))
    texts = [text for _, split in stored.items() for text in split.texts.first]
    words = rare_words(material.encoder, texts, 2, seed=seed)
    datasets = {name: _with_words(split.texts.first, words, rng) for name, split in stored.items()}
    splits = splits_of(datasets)
    (task,) = splits.class_names
    head = _extracted_head(material, splits, task)
    rows = _draw_texts(splits, rng)
    encoded = material.encoder.encode(splits.test.texts.take(rows))
    return _check_claims(splits, task, head, rows, attribute(head, encoded, seed=seed), seed)


def planted_shortcut_word(material: Material, seed: int) -> list[Claim]:
    """Plant a shortcut in texts and rank its words, as the check of an analysis does."""
    rng = np.random.default_rng(seed)
    splits = taken(material.splits, material.draw_rows(rng))
    task, *_ = splits.class_names
    texts = {name: split.texts.first for name, split in splits.items()}
    chosen = {
        name: [texts[name][row] for row in rng.permutation(len(texts[name]))[:n]] for name, n in N_PLANTED.items()
    }
    return _shortcut_claims(material, task, chosen, seed)


def _shortcut_claims(material: Material, task: str, texts: dict[str, list[str]], seed: int) -> list[Claim]:
    """Return the claims of the check by a planted shortcut."""
    job = types.SimpleNamespace(
        splits=splits_of({name: TextDataset.of(of_split, ["no"] * len(of_split)) for name, of_split in texts.items()}),
        output=types.SimpleNamespace(seed=seed),
        n_classes={task: 2},
        progress=False,
    )
    site = types.SimpleNamespace(layer=LAYER, pooling=POOLING)
    explainer = types.SimpleNamespace(
        job=job,
        encoder=material.encoder,
        methods=("integrated_gradients",),
        baseline={task: "auto"},
        site_of=lambda _: site,
    )
    context = types.SimpleNamespace(explainer=explainer, job=job, shortcuts={})
    case = types.SimpleNamespace(task=task, head=types.SimpleNamespace(kind="probe"))
    table = pd.DataFrame(planted_shortcut.planted_shortcut(context, case))
    claims = list(planted_shortcut.claims(context, {"planted_shortcut": table}))
    return [*claims, *check_claims(claims, {})]


def _stored_head(material: Material, rows: dict[str, np.ndarray], splits: Splits, task: str) -> ProbeHead:
    """Fit a head on stored features."""
    features = {name: material.store(name, None).layers(POOLING, rows[name])[LAYER] for name in ("train", "validation")}
    return _fitted_head(material, features, splits, task)


def _extracted_head(material: Material, splits: Splits, task: str) -> ProbeHead:
    """Fit a head on texts whose features are not stored."""
    features = {}
    for name in ("train", "validation"):
        encoded = material.encoder.encode(dict(splits.items())[name].texts)
        features[name] = pool_texts(material.encoder, encoded, [POOLING], [LAYER])[POOLING][0]
    return _fitted_head(material, features, splits, task)


def _fitted_head(material: Material, features: dict[str, np.ndarray], splits: Splits, task: str) -> ProbeHead:
    """Fit a probe on one layer; its penalty is chosen on validation."""
    fitter = LogisticProbe().prepare(features["train"])
    class_names = splits.class_names[task]
    path = fitter.fit_path(splits.train.labels(task), DEFAULT_CS, n_classes=len(class_names))
    probe = select_probe(path, features["validation"], splits.validation.labels(task)).probe
    return ProbeHead(material.encoder, probe, layer=LAYER, pooling=POOLING, class_names=class_names)


def _draw_texts(splits: Splits, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(len(splits.test))[:N_TEXTS])


def _with_words(texts: Sequence[str], words: Sequence[str], rng: np.random.Generator) -> TextDataset:
    """Return texts with the word of a random class between two of their words, and its span as the rationale."""
    labels = rng.permutation(np.arange(len(texts)) % len(words))
    changed = []
    spans = []
    for text, label in zip(texts, labels, strict=True):
        tokens = text.split(" ")
        position = int(rng.integers(1, len(tokens)))
        start = len(" ".join(tokens[:position])) + 1
        changed.append(" ".join([*tokens[:position], words[label], *tokens[position:]]))
        spans.append(((start, start + len(words[label])),))
    names = [words[label] for label in labels]
    return TextDataset.of(changed, {"planted": names}, class_names={"planted": words}, rationales={"planted": spans})


def _check_claims(
    splits: Splits,
    task: str,
    head: ProbeHead,
    rows: np.ndarray,
    scored: Sequence[Attribution],
    seed: int,
) -> list[Claim]:
    """Return the claims of the checks of scores against chance: those of faithfulness, plausibility and rationales."""
    attributions = [
        dataclasses.replace(attribution, task=task, text_id=int(row))
        for attribution, row in zip(scored, rows, strict=True)
    ]
    method = attributions[0].method
    case = Case(task, head, rows, {method: attributions})
    encoded = head.encoder.encode(splits.test.texts.take(rows))
    job = types.SimpleNamespace(splits=splits, output=types.SimpleNamespace(seed=seed), progress=False)
    context = types.SimpleNamespace(
        explainer=types.SimpleNamespace(encoder=head.encoder, encode=lambda _: encoded),
        job=job,
        settings=types.SimpleNamespace(method=method, replacement="auto"),
        cases=[case],
        attributions=attributions,
    )
    tables = {
        "faithfulness": pd.DataFrame(faithfulness.faithfulness(context, case)),
        "plausibility": pd.DataFrame(plausibility.plausibility(context, case)),
    }
    tables |= mean_tables(tables)
    claims = []
    for subject in (attributions_subject, faithfulness, plausibility):
        claims.extend(subject.claims(context, tables))
    return [*claims, *check_claims(claims, tables)]
