"""Fine-tuning: what probes read of every layer before and after it, and how far the layers changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import pandas as pd

from probes.results.result import Claim
from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions, shared_limits
from reports.charts.styles import styles_of_models
from reports.lookup import View, item, n_of_claims, n_of_table, value
from reports.sections.classifier.panel_rows import RowWords, line_row
from reports.sections.small_multiples import in_points
from reports.text import wording
from reports.text.wording import confidence, decimal, listing, percent, points, sample_size, sentence

FLOORS = ("majority", "bag_of_words")
SITE_OF_MODEL = ["model", "pooling", "layer"]
"""Columns that name a site of an encoder."""
POOLINGS = ("cls", "mean", "pooler")
NOTES = (
    "Every encoder is read by the same probe, fitted on its own frozen vectors. Fine-tuned encoders: means over seeds.",
    "Mean pooling of the pretrained encoder is a strong reference: fine-tuning has to exceed it, not the majority "
    "alone (Mosbach et al. 2020).",
    "Linear CKA to the pretrained layer is 1 where the layer has the same geometry, up to rotation and scaling.",
    "Why PCA or t-SNE may show no clusters: the classes are linearly separable along few directions, and neither "
    "method looks at the label. At layer 0 every text has the same [CLS].",
)


def section(view: View) -> Section | None:
    """Return layer curves of the pretrained and the fine-tuned encoders, and which layers changed."""
    accuracy = view.table("fine_tuned_layers")
    changes = view.table("representation_change")
    means = None if accuracy is None else _means_over_seeds(accuracy)
    panels = list[Panels]()
    tables = list[Table]()
    if accuracy is not None and means is not None:
        panels += _accuracy_row(accuracy, means)
        tables.append(_accuracy_table(accuracy, means))
    if changes is not None:
        panels += _cka_row(changes)
        tables.append(_change_table(changes))
    if not tables:
        return None
    sentences = (*change_sentences(view), *([] if changes is None else _gain_sentences(changes)), *_cka_sentence(view))
    has_pooler = means is not None and (means["pooling"] == "pooler").any()
    notes = (*NOTES, *_pooler_notes(view)) if has_pooler else NOTES
    part = Part(panels=tuple(panels), tables=tuple(tables))
    return Section("Probe accuracy before and after fine-tuning", "tuned", sentences, (part,), notes)


def change_sentences(view: View) -> Iterator[str]:
    """Yield what a probe on the last [CLS] gains by fine-tuning, a sentence for each outcome."""
    last = view.result.provenance.n_layers
    for outcome, verb in VERBS.items():
        claims = [claim for claim in view.stated("cls_change") if claim.outcome == outcome]
        if claims:
            accuracies_before = [percent(value(claim, "before")) for claim in claims]
            before = listing(dict.fromkeys(accuracies_before))
            accuracies = listing(map(_accuracy_after, claims))
            yield (
                f"{verb} of layer {last}: test accuracy of a probe {before} before, {accuracies}"
                f"{sample_size(n_of_claims(claims))}."
            )


VERBS = {
    "above": "Fine-tuning makes the label more decodable from [CLS]",
    "below": "Fine-tuning makes the label less decodable from [CLS]",
    "cannot_tell": "No significant change of what is decodable from [CLS]",
}
"""Outcome -> the beginning of the sentence on the heads that have it."""


def _accuracy_after(claim: Claim) -> str:
    """Return `83.0 % with the [CLS] head (+4.1 points [95 % CI 2.2, 6.0])`."""
    accuracy = percent(value(claim, "after"))
    difference = points(value(claim, "difference"))
    head = wording.head(item(claim, "head"))
    return f"{accuracy} with {head} ({difference} points{confidence(claim.interval, before=' ')})"


def _gain_sentences(changes: pd.DataFrame) -> Iterator[str]:
    """Yield at which layers more can be read from [CLS] than before, by head."""
    is_gain = (changes["outcome"] == "above") & (changes["pooling"] == "cls")
    phrases = list[str]()
    for model, rows in changes[is_gain].groupby("model", sort=False):
        sites = ", ".join(f"cls {layer}" for layer in rows["layer"])
        phrases.append(f"{wording.places(sites)} with {wording.head(model)}")
    if phrases:
        yield f"Gains from [CLS] by layer (95 % CI above 0): {'; '.join(phrases)}."


def _cka_sentence(view: View) -> Iterator[str]:
    """Yield how far the last [CLS] changed, as linear CKA to the pretrained one."""
    similarities = list[str]()
    for claim in view.stated("cls_change"):
        cka = value(claim, "cka")
        if not math.isnan(cka):
            lower = value(claim, "cka_lower")
            upper = value(claim, "cka_upper")
            limits = confidence((lower, upper), scale=1, digits=2, before=" ")
            similarity = decimal(cka, 2)
            head = wording.head(item(claim, "head"))
            similarities.append(f"{similarity}{limits} with {head}")
    if similarities:
        yield f"Linear CKA of the last [CLS] to the pretrained one: {listing(similarities)}."


def _means_over_seeds(accuracy: pd.DataFrame) -> pd.DataFrame | None:
    """Return the mean test accuracy of each site of each encoder; None where there are no probes."""
    is_probe = accuracy["layer"].notna() & accuracy["value"].notna()
    curves = accuracy[is_probe]
    if curves.empty:
        return None
    curves = curves.assign(layer=curves["layer"].astype(int))
    return curves.groupby(SITE_OF_MODEL, sort=False)[["value", "lower", "upper"]].mean().reset_index()


def _by_pooling(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return name of a pooling -> its rows, [CLS] first."""
    present = list(dict.fromkeys(frame["pooling"]))
    known = [pooling for pooling in POOLINGS if pooling in present]
    unknown = [pooling for pooling in present if pooling not in known]
    frames = dict[str, pd.DataFrame]()
    for pooling in (*known, *unknown):
        is_of_pooling = frame["pooling"] == pooling
        pooling_name = wording.pooling(pooling)
        frames[pooling_name] = frame[is_of_pooling]
    return frames


def _accuracy_row(accuracy: pd.DataFrame, means: pd.DataFrame) -> tuple[Panels, ...]:
    """Return the test accuracy of every encoder by layer, a panel for each pooling."""
    frame = in_points(means.rename(columns={"model": "series", "layer": "x"}))
    floors = _floors(accuracy)
    highest_floor = max(floors.values(), default=None)
    frames = _by_pooling(frame)
    ground = "" if highest_floor is None else f" Grey: best of {listing(f'{k} {v:.1f} %' for k, v in floors.items())}."
    words = RowWords(
        "tuned",
        "Test accuracy by layer before and after fine-tuning",
        f"Test accuracy of probes (%) by layer{sample_size(n_of_table(accuracy))}. Bands: 95 % CI.{ground}",
    )
    limits = shared_limits(frames.values(), *floors.values())
    options = PanelOptions(limits, floor=highest_floor)
    return line_row(frames, styles_of_models(frame["series"]), options, words)


def _floors(accuracy: pd.DataFrame) -> Mapping[str, float]:
    """Return name of a floor -> its test accuracy in per cent."""
    floors = dict[str, float]()
    for key in FLOORS:
        values = accuracy.loc[accuracy["model"] == key, "value"]
        if len(values):
            floors[wording.SHORT_FLOORS[key]] = 100 * float(values.iloc[0])
    return floors


def _accuracy_table(accuracy: pd.DataFrame, means: pd.DataFrame) -> Table:
    """Return the test accuracy at each site of each encoder, with the range over its seeds."""
    ranges = accuracy.groupby(SITE_OF_MODEL, sort=False)["value"].agg(["min", "max"])
    rows = list[tuple[str, ...]]()
    for row in means.itertuples():
        lowest, highest = ranges.loc[(row.model, row.pooling, row.layer)]
        cells = (
            sentence(wording.model(row.model)),
            wording.pooling(row.pooling),
            str(row.layer),
            percent(row.value),
            confidence((row.lower, row.upper)),
            wording.interval((lowest, highest)),
        )
        rows.append(cells)
    heading = ("encoder", "vector", "layer", "test accuracy", "95 % CI", "lowest, highest seed")
    shape = columns(*heading, numeric=heading[2:])
    return Table("Means over seeds.", rows=tuple(rows), folded=True, summary=f"All {len(rows)} probes", **shape)


def _pooler_notes(view: View) -> tuple[str, ...]:
    """Return the meaning of a pooler below the last layer, and before it was trained."""
    last = view.result.provenance.n_layers
    lens = f"The pooler below layer {last} is the pooler of layer {last}, applied to the [CLS] of that layer."
    if view.random_pooler:
        return (lens, "Before fine-tuning, the pooler is untrained: its weights are random.")
    return (lens,)


def _cka_row(changes: pd.DataFrame) -> tuple[Panels, ...]:
    """Return the CKA of each layer to the pretrained one, a panel for each pooling."""
    names = {"model": "series", "layer": "x", "cka": "value"}
    columns_of_line = ["pooling", "series", "x", "value"]
    frame = changes.rename(columns=names)[columns_of_line]
    floor = float(changes["cka_floor"].mean())
    ground = "" if math.isnan(floor) else f" Grey: unrelated vectors, {decimal(floor, 2)}."
    words = RowWords(
        "changed",
        "Linear CKA to the pretrained layer",
        f"Linear CKA to the pretrained layer{sample_size(n_of_table(changes))}; 1: the same geometry.{ground}",
    )
    options = PanelOptions((0.0, 1.05), floor=None if math.isnan(floor) else floor, digits=2)
    return line_row(_by_pooling(frame), styles_of_models(frame["series"]), options, words)


def _change_table(changes: pd.DataFrame) -> Table:
    """Return the accuracy gained and the CKA to the pretrained layer at each site."""
    rows = list[tuple[str, ...]]()
    for row in changes.itertuples():
        cells = (
            sentence(wording.model(row.model)),
            wording.pooling(row.pooling),
            str(row.layer),
            points(row.difference),
            confidence((row.lower, row.upper)),
            decimal(row.cka, 2),
            decimal(row.cka_floor, 2),
        )
        rows.append(cells)
    heading = ("encoder", "vector", "layer", "gain, points", "95 % CI", "CKA", "unrelated vectors")
    shape = columns(*heading, numeric=heading[2:])
    return Table(
        "Each layer beside the same layer before fine-tuning.",
        rows=tuple(rows),
        folded=True,
        summary=f"Change at all {len(rows)} sites",
        **shape,
    )
