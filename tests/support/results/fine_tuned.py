"""A made-up result of `heads`: an encoder of six layers, fine-tuned with three heads, three seeds each."""

import dataclasses
import itertools

import numpy as np
import pandas as pd

from analyses.context.explanations.check_outcomes import check_claims
from analyses.subjects.classifier.erasure import label_use, unused_site_claims
from probes.checks import side_of_zero
from probes.results.result import AnalysisResult, Claim
from tests.support.results.explained import TEXTS
from tests.support.results.probed import attribution, provenance, result

HEADS = ("pooler", "cls", "mean")
LAST, N, SEEDS = 6, 1821, 3
KINDS = ("[CLS]", "[SEP]", "other special", "punctuation", "content")
SCORES = {"pooler": 0.881, "cls": 0.887, "mean": 0.889, "checkpoint": 0.884}
FROZEN = {
    "cls": (0.499, 0.746, 0.766, 0.778, 0.775, 0.783, 0.772),
    "mean": (0.788, 0.798, 0.805, 0.812, 0.834, 0.824, 0.816),
    "pooler": (0.499, 0.738, 0.755, 0.771, 0.77, 0.775, 0.764),
}
OUTCOMES = {
    "pooler cls": ("cannot_tell", -0.006, (-0.018, 0.007)),
    "pooler mean": ("cannot_tell", -0.008, (-0.021, 0.005)),
    "cls mean": ("cannot_tell", -0.002, (-0.014, 0.01)),
    "fine_tuning_gain": ("above", 0.053, (0.038, 0.068)),
    "cls_change": ("above", 0.115, (0.097, 0.133)),
    "cls_change mean": ("above", 0.081, (0.062, 0.099)),
    "erasure": ("above", 0.382, (0.355, 0.409)),
    "fine_tuned_head_agreement": ("above", 0.62, (0.51, 0.71)),
    "fine_tuned_faithfulness": ("above", 0.23, (0.2, 0.26)),
}


def tuned(
    *,
    heads: tuple[str, ...] = HEADS,
    task: str = "sentiment",
    model: str = "all-MiniLM-L6-v2",
    classes: tuple[str, ...] = ("negative", "positive"),
    texts: tuple[str, ...] = TEXTS,
    explained: bool = True,
    **outcomes: tuple[str, float, tuple[float, float]],
) -> AnalysisResult:
    """The whole result; `outcomes` by claim, as in `erasure=(outcome, number, interval)`, a blank written as `_in_`."""
    every_outcome = OUTCOMES | {key.replace("_in_", " "): outcome for key, outcome in outcomes.items()}
    frames = tables(heads, task)
    return AnalysisResult(
        name="heads",
        settings={"label": task, "seeds": SEEDS},
        provenance=dataclasses.replace(provenance(model, {task: classes}), command="layerprobe heads"),
        tables=frames,
        attributions=tuple(_explained(heads, task, classes, texts)) if explained else (),
        claims=(*claims(heads, task, every_outcome), *unused_site_claims(frames["erasure"], task=task)),
    )


def with_erasure() -> AnalysisResult:
    """A result of `run --head model` whose own classifier was read after the label was erased."""
    base = result(tasks={"sentiment": ("negative", "positive")})
    frame = pd.DataFrame(_erased(("model",), "sentiment"), columns=COLUMNS["erasure"].split())
    claim = _used("model", "sentiment", OUTCOMES["erasure"])
    unused = unused_site_claims(frame, task="sentiment")
    return dataclasses.replace(base, tables={**base.tables, "erasure": frame}, claims=(*base.claims, claim, *unused))


def claims(
    heads: tuple[str, ...], task: str, outcomes: dict[str, tuple[str, float, tuple[float, float]]]
) -> list[Claim]:
    every_claim = []
    for head in heads:
        score = SCORES[head]
        spread = {"lowest": score - 0.006, "highest": score + 0.004, "n_seeds": SEEDS, "n": N}
        numbers = {"head": head, "accuracy": score, "validation_accuracy": score + 0.01, **spread}
        every_claim.append(Claim("fine_tuned_accuracy", "measured", task, numbers, (score - 0.014, score + 0.014)))
        outcome, gain, bounds = outcomes.get(f"cls_change {head}", outcomes["cls_change"])
        moved = {"head": head, "before": 0.772, "after": 0.772 + gain, "difference": gain, "cka": 0.31, "n": N}
        every_claim.append(Claim("cls_change", outcome, task, moved, bounds))
        spreads = head == "mean"
        enters = {"last_cls": 0.05 if spreads else 1.0, "last_largest_other": 0.11 if spreads else 0.0}
        enters |= {"below_cls": 0.09 if spreads else 0.46, "below_content": 0.66 if spreads else 0.4}
        enters |= {"first_content": 0.74, "first_cls": 0.08}
        every_claim.append(Claim("gradient_shares", "measured", task, {"head": head, **enters}))
        row = {"ratio": 212.0, "per_occurrence_ratio": 0.8, "occurrences": 6920}
        every_claim.append(Claim("cls_embedding_gradient", "measured", task, {"head": head, **row}))
        for what in ("[CLS]", "content"):
            lost = _ablation(head, what)
            first = next((i for i, loss in enumerate(lost) if loss > 0.012), None)
            ends = {"at_zero": lost[0], "largest": max(lost), "largest_layer": int(np.argmax(lost))}
            numbers = {"head": head, "replacement": what, **ends, "first_layer": first, "at_last": lost[-1]}
            every_claim.append(Claim("ablation", "measured", task, numbers))
            every_claim.append(_last_layer_ablation(task, numbers, outcomes.get(f"last_layer_ablation {head}")))
        every_claim.append(_used(head, task, outcomes["erasure"]))
    for head in (*heads, "probe"):
        outcome, difference, bounds = outcomes["fine_tuned_faithfulness"]
        losses = {"comprehensiveness": 0.11 + difference, "random_comprehensiveness": 0.11}
        losses |= {"sufficiency": 0.02, "random_sufficiency": 0.33}
        numbers = {"head": head, **losses, "difference": difference, "n": 24}
        faithful = Claim("fine_tuned_faithfulness", outcome, task, numbers, bounds)
        every_claim += [faithful, *check_claims([faithful], {})]
    for head_name, other_head in itertools.combinations(heads, 2):
        outcome, gap, bounds = outcomes[f"{head_name} {other_head}"]
        numbers = {"head": head_name, "other_head": other_head, "difference": gap, "n_seeds": SEEDS, "n": N}
        every_claim.append(Claim("fine_tuned_difference", outcome, task, numbers, bounds))
    for head_name, other_head in itertools.combinations((*heads, "probe"), 2):
        outcome, alike, bounds = outcomes["fine_tuned_head_agreement"]
        numbers = {
            "head": head_name,
            "other_head": other_head,
            "correlation": alike - 0.2 * (other_head == "probe"),
            "n": 24,
        }
        every_claim.append(Claim("fine_tuned_head_agreement", outcome, task, numbers, bounds))
    best = max(heads, key=SCORES.__getitem__)
    outcome, gain, bounds = outcomes["fine_tuning_gain"]
    frozen = {"pooling": "mean", "layer": 4, "accuracy": 0.834, "mean_last": 0.816, "cls_last": 0.772, "n": N}
    every_claim += [
        Claim("frozen_probe", "measured", task, frozen, (0.816, 0.851)),
        Claim("fine_tuning_gain", outcome, task, {"head": best, "difference": gain, "n": N}, bounds),
    ]
    for head in heads:
        numbers = {"head": head, "difference": gain, "n": N}
        every_claim.append(Claim("head_gain", outcome, task, numbers, bounds))
    for name in ("pretrained", *heads):
        r2 = _fills(name)
        fills = {"best_layer": int(np.nanargmax(r2)), "best_r2": float(np.nanmax(r2)), "last_r2": r2[-1]}
        fills |= {"untrained_last_r2": 0.64, "shuffled_last": -0.01}
        fills |= {"first_layer": next((i for i, loss in enumerate(r2) if loss > 0.5), None)}
        every_claim.append(Claim("cls_predictability", "measured", task, {"model": name, **fills}))
        contributions = {"own_share_first": 0.62, "own_share_last": 0.31, "content_share_last": 0.38}
        every_claim.append(Claim("attention_contributions", "measured", task, {"model": name, **contributions}))
    return every_claim


def _last_layer_ablation(task: str, numbers: dict[str, object], expected: object) -> Claim:
    """Loss at the last layer of the head and replacement of a claim on ablation; as `expected`, where that is given."""
    loss = float(numbers["at_last"])
    bounds = (loss - 0.012, loss + 0.012)
    outcome = side_of_zero(*bounds)
    if expected is not None:
        outcome, loss, bounds = expected
    named = {key: numbers[key] for key in ("head", "replacement", "first_layer")}
    return Claim("last_layer_ablation", outcome, task, {**named, "layer": LAST, "accuracy_loss": loss, "n": N}, bounds)


def _used(head: str, label: str, expected: tuple[str, float, tuple[float, float]]) -> Claim:
    outcome, excess, bounds = expected
    numbers = {"head": head, "label": label, "pooling": "mean" if head == "mean" else "cls", "layer": LAST, "n": N}
    numbers |= {
        "n_sites": 2 * (LAST + 1),
        "n_decodable": LAST + 1,
        "v_information": 0.61,
        "shuffled_outcome": "cannot_tell",
    }
    numbers |= {"accuracy_loss": excess + 0.001, "difference": excess, "shuffled": 0.001, "random": 0.004}
    numbers["strength"] = 1.8
    return Claim("erasure", outcome, label, numbers, bounds)


FACTOR = {"pooler": 1.0, "cls": 0.93, "mean": 0.71, "checkpoint": 1.0}
"""How far each head moves things, so that their lines lie apart."""


def _fills(model: str) -> list[float]:
    """R2 of [CLS] from content by layer; undefined at layer 0."""
    turn = {"pretrained": 0.0, "untrained": -0.1}.get(model, -0.25 * FACTOR.get(model, 0.0))
    return [float("nan"), *(0.42 + 0.36 * np.sin(np.pi * x / 8) + turn * (x / LAST) ** 2 for x in range(1, LAST + 1))]


def _ablation(head: str, what: str) -> list[float]:
    """Accuracy lost by layer."""
    if what == "[CLS]":
        reach = 0.06 if head == "mean" else 0.39
        return [reach * (layer / LAST) ** 2.5 for layer in range(LAST + 1)]
    reach = 0.39 if head == "mean" else 0.0
    return [0.385 - (0.385 - reach) * (layer / LAST) ** 3 for layer in range(LAST + 1)]


def _shares(layer: int, head: str) -> list[float]:
    """Shares of the loss gradient, in the order of `KINDS`."""
    held = (0.05 if head == "mean" else 1.0) if layer == LAST else 0.08 + 0.06 * layer * (head != "mean")
    rest = 1 - held
    return [held, 0.08 * rest, 0.0, 0.12 * rest, 0.8 * rest]


def _erased(heads: tuple[str, ...], label: str) -> list[tuple[object, ...]]:
    rng, rows = np.random.default_rng(1), []
    for head, pooling, layer in itertools.product(heads, ("cls", "mean"), range(LAST + 1)):
        bits = max(0.0, 0.62 * (FROZEN[pooling][layer] - 0.5) / 0.3) * (0.55 + 0.09 * layer)
        is_read = pooling == ("mean" if head == "mean" else "cls")
        lost = 0.386 * (layer / LAST) ** (2.2 if is_read else 3.0) * (1.0 if is_read else 0.75) * (bits > 0)
        v_lower = max(0.0, bits - 0.03)
        place = (pooling, layer, bits, v_lower, bits + 0.03)
        control = abs(rng.normal(0, 0.006)) * (layer > 0)
        losses = {"leace": lost, "mean shuffled": control, "leace - shuffled": lost - control}
        draws = [(eraser, 0, cost) for eraser, cost in losses.items()]
        draws += [("random", repeat, abs(rng.normal(0, 0.006)) * (layer > 0)) for repeat in range(2)]
        draws += [("shuffled", repeat, control) for repeat in range(3)]
        use = label_use(v_lower=v_lower, excess_lower=lost - control - 0.025)
        for eraser, repeat, cost in draws:
            limits = (cost, cost - 0.018, cost + 0.018, 2.4 * cost, 2.4 * cost - 0.05, 2.4 * cost + 0.05)
            together = (cost - 0.025, cost + 0.025) if eraser == "leace - shuffled" else (None, None)
            strength = {"leace": 1.0, "random": 1.8}.get(eraser)
            row_use = use if eraser == "leace" else None
            rows.append((head, label, eraser, *place, *limits, repeat, N, row_use, *together, strength))
    return rows


COLUMNS = {
    "fine_tuned_accuracy": "head seed metric value lower upper n",
    "fine_tuning_epochs": "head seed epoch train_loss validation_loss validation_accuracy best seconds",
    "fine_tuned_layers": "model seed pooling layer value lower upper n",
    "representation_change": "model pooling layer difference lower upper outcome cka cka_floor n",
    "gradient_shares": "head layer kind share lower upper n",
    "embedding_gradients": "head row token occurrences norm per_occurrence n_rows",
    "parameter_change": "head group block part n_parameters change weight relative",
    "cls_predictability": "model direction layer r2 shuffled n",
    "attention_contributions": "model layer kind share lower upper difference difference_lower difference_upper n",
    "fine_tuned_token_shares": "head layer kind share n",
    "ablation": "head replacement layer accuracy accuracy_loss lower upper information_loss n",
    "erasure": "head label eraser pooling layer v_information v_lower v_upper accuracy_loss lower upper "
    "information_loss bits_lower bits_upper repeat n use simultaneous_lower simultaneous_upper strength",
    "fine_tuned_head_agreement": "head other_head text_id correlation",
    "fine_tuned_faithfulness": "head text_id order comprehensiveness sufficiency log_odds",
}


def tables(heads: tuple[str, ...], task: str) -> dict[str, pd.DataFrame]:
    rng, layers = np.random.default_rng(0), range(LAST + 1)
    rows: dict[str, list[tuple[object, ...]]] = {key: [] for key in COLUMNS}
    for head, seed in itertools.product(heads, range(SEEDS)):
        score = SCORES[head] + (-0.006, 0.002, 0.004)[seed]
        for metric, value in (("accuracy", score), ("macro_f1", score - 0.001), ("log_loss", 0.29)):
            rows["fine_tuned_accuracy"].append((head, seed, metric, value, value - 0.014, value + 0.014, N))
        for epoch in (1, 2, 3):
            losses = (0.45 / epoch**0.9 + rng.normal(0, 0.01), 0.31 + 0.03 * (epoch - 2) ** 2 + rng.normal(0, 0.008))
            right = score - 0.012 * (epoch == 1) + rng.normal(0, 0.002)
            rows["fine_tuning_epochs"].append((head, seed, epoch, *losses, right, epoch == 2, 74.2))
    for model, pooling, layer in itertools.product(("pretrained", "untrained", *heads), FROZEN, layers):
        base = FROZEN[pooling][layer]
        if model == "untrained":
            base = 0.5 + 0.25 * (base - 0.499) / 0.335
        gain = 0.0 if model in ("pretrained", "untrained") else (0.882 - base) * (layer / LAST) ** 1.5 * (base > 0.5)
        gain *= FACTOR.get(model, 0.0)
        for seed in [None] if model in ("pretrained", "untrained") else range(SEEDS):
            value = base + gain + (0 if seed is None else rng.normal(0, 0.003))
            rows["fine_tuned_layers"].append((model, seed, pooling, layer, value, value - 0.018, value + 0.018, N))
        if model in heads:
            alike = 1 - 0.7 * FACTOR[model] * (layer / LAST) ** 2
            limits = (gain - 0.017, gain + 0.017)
            rows["representation_change"].append(
                (model, pooling, layer, gain, *limits, side_of_zero(*limits), alike, 0.02, N)
            )
    for floor, value in (("majority", 0.4992), ("bag_of_words", 0.802)):
        rows["fine_tuned_layers"].append((floor, None, None, None, value, value - 0.02, value + 0.02, N))
    for head, layer in itertools.product(heads, layers):
        for kind, share in zip(KINDS, _shares(layer, head), strict=True):
            wide = 0.01 * (layer < LAST or head == "mean") * (share > 0)
            rows["gradient_shares"].append((head, layer, kind, share, share - wide, share + wide, 512))
            rows["fine_tuned_token_shares"].append((head, layer, kind, share, 24))
        for what in ("[CLS]", "content"):
            lost = _ablation(head, what)[layer]
            limits = (lost - 0.012, lost + 0.012)
            rows["ablation"].append((head, what, layer, SCORES[head] - lost, lost, *limits, 2.5 * lost, N))
    for head in heads:
        named = (
            ("[CLS]", "[CLS]", 6920, 2.12),
            ("[SEP]", "[SEP]", 6920, 1.4),
            ("median of the other rows", "", 3, 0.01),
        )
        named += (("90th percentile of the other rows", "", 21, 0.08), ("largest other row", "bad", 310, 1.1))
        rows["embedding_gradients"] += [(head, row, tok, n, norm, norm / n, 30522) for row, tok, n, norm in named]
        groups = [("whole encoder", None, None, 0.021), ("input embeddings", None, None, 0.009)]
        groups += [("input embeddings", None, "[CLS]", 0.019), ("input embeddings", None, "[SEP]", 0.017)]
        groups += [("input embeddings", None, "other rows", 0.009)]
        for block in range(1, LAST + 1):
            groups.append(("block", block, None, 0.018 + 0.002 * block))
            groups += [("block", block, part, 0.02 + 0.001 * block) for part in ("query", "key", "value", "norms")]
        groups += [("position embeddings", None, None, 0.012)]
        groups += [("pooler", None, None, 0.044)] if head == "pooler" else []
        rows["parameter_change"] += [
            (head, *where, 1000, 100 * moved * FACTOR[head], 100.0, moved * FACTOR[head]) for *where, moved in groups
        ]
    for model, layer in itertools.product(("pretrained", "untrained", *heads), layers):
        forth, back = _fills(model)[layer], 0.2 + 0.04 * layer if layer else 0.0
        rows["cls_predictability"].append(
            (model, "cls from content", layer, forth, -0.01 if layer else float("nan"), N)
        )
        rows["cls_predictability"].append((model, "content from cls", layer, back, -0.02, N))
        if layer and model != "untrained":
            own_share = 0.62 - 0.31 * (layer - 1) / (LAST - 1)
            held = (own_share, 0.3 * (1 - own_share), 0.0, 0.15 * (1 - own_share), 0.55 * (1 - own_share))
            for kind, share in zip(KINDS, held, strict=True):
                change = float("nan") if model == "pretrained" else 0.02 * FACTOR[model] * (layer / LAST)
                limits = (share - 0.01, share + 0.01)
                differences = (change, change - 0.005, change + 0.005)
                rows["attention_contributions"].append((model, layer, kind, share, *limits, *differences, 512))
    rows["erasure"] = _erased(heads, task)
    for head_name, other_head in itertools.combinations((*heads, "probe"), 2):
        level = 0.42 if other_head == "probe" else 0.62
        rows["fine_tuned_head_agreement"] += [
            (head_name, other_head, text, float(np.clip(rng.normal(level, 0.2), -1, 1))) for text in range(24)
        ]
    for head, text in itertools.product((*heads, "probe"), range(24)):
        for order in ("attribution", *(f"random {i}" for i in range(3))):
            lost, retained = (0.34, 0.02) if order == "attribution" else (0.11, 0.33)
            noise = rng.normal(0, 0.08, 2)
            rows["fine_tuned_faithfulness"].append((head, text, order, lost + noise[0], retained + noise[1], -3 * lost))
    frames = {key: pd.DataFrame(own_share, columns=COLUMNS[key].split()) for key, own_share in rows.items()}
    frames["special_tokens"] = pd.DataFrame(
        [("cls", "[CLS]", 101, 1.55), ("sep", "[SEP]", 102, 1.06)], columns="role token id embedding_norm".split()
    )
    return frames


def _explained(heads: tuple[str, ...], task: str, classes: tuple[str, ...], texts: tuple[str, ...]):
    rng = np.random.default_rng(5)
    sites = {"pooler": ("model", None, None), "checkpoint": ("model", None, None)}
    for head, (row, text) in itertools.product((*heads, "pretrained"), enumerate(texts)):
        a = attribution(text, task, classes, row, converged=True)
        scores = np.where(a.offsets[:, 0] >= 0, rng.normal(0.1, 0.7, len(a.tokens)), 0.0)
        kind, layer, pooling = sites.get(head, ("probe", LAST, head))
        layer, pooling = (4, "mean") if head == "pretrained" else (layer, pooling)
        ends = {"output": float(scores.sum()), "baseline_output": 0.0}
        where = {"head": kind, "layer": layer, "pooling": pooling, "model": head}
        yield dataclasses.replace(a, scores=scores, word_scores=scores, **ends, **where)
