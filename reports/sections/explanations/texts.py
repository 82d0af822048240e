"""The section of explained texts: what is explained, on what the heads agree, how it changes through the layers."""

from __future__ import annotations

from collections.abc import Sequence

from probes.results.result import Attribution
from reports.blocks import Part, Section, Table, columns
from reports.lookup import Mean, View, value
from reports.sections.explanations.cards import Beside, by_text, cards, followed, head, heads, scales
from reports.sections.explanations.explorer import explorer
from reports.text.wording import between, count, decimal, listing, name, percent, plural, sentence


def texts(view: View) -> Section | None:
    """On which words decisions rest."""
    attributions = view.result.attributions
    if not attributions:
        nothing = "No text was explained: there are no scores of words to show."
        return Section("Explained texts", "explained", (nothing,)) if _asked(view) else None
    sizes = scales([a for a in attributions if a.states_layer is None] or attributions)
    full, parts, verdict = next(iter(sizes.values())), [], []
    beside = Beside.of(view)
    for task in dict.fromkeys(a.task for a in attributions):
        own = [a for a in attributions if a.task == task]
        made = cards(own, full, random_pooler=view.random_pooler, beside=beside)
        wrong = sum(card.correct is False for card in made)
        by = ""
        if len({a.model for a in own}) > 1:
            first_head = head(own[0], random_pooler=view.random_pooler)
            by = f" by {first_head[0].lower()}{first_head[1:]}"
        said = [f"{plural(len(made), 'text')} explained, {count(wrong)} of them misclassified{by}."]
        tables: tuple[Table, ...] = ()
        if task is not None:
            said += [_agreed(view, task), _moved(view, task)]
            tables = _by_layer(view, task)
        verdict += [each if task is None else view.about(task, each) for each in filter(None, said)]
        first = [entry[0] for group in by_text(own) for entry in followed(group)]
        who = heads(first, random_pooler=view.random_pooler)
        parts.append(
            Part(
                None if task is None else view.heading(task),
                (f"Explained: {who}. {_output(own)}",),
                tables=tables,
                cards=made,
                explorer=explorer(made, sizes, random_pooler=view.random_pooler),
            )
        )
    units = listing(dict.fromkeys(name(a.unit) for a in attributions), "or")
    notes = [
        f"Fullest colour: {full:.2f} {units} or more, on one scale for the whole page, centred on zero"
        f"{'; each further method has a scale of its own' * (len(sizes) > 1)}.",
        "Special tokens that score exactly 0 at the ends of a text stand among the pieces only.",
        "The texts are chosen to show errors and extremes; they are not a sample of all texts.",
        f"A score says what the class's {units} owes to a word, compared with the baseline; it says nothing of the "
        "label.",
    ]
    if any(a.states_layer is not None for a in attributions):
        notes.append(
            "Token states are places in the network: each holds something of every token, so that no word of the text "
            "is coloured by its score."
        )
    return Section("Explained texts", "explained", tuple(verdict), tuple(parts), tuple(notes))


def _asked(view: View) -> bool:
    """Whether texts were to be explained."""
    settings = view.result.settings.get("explain")
    wanted = settings.get("attribute") if isinstance(settings, dict) else None
    return view.result.name == "attribute" or (isinstance(wanted, int) and wanted > 0)


def _output(attributions: Sequence[Attribution]) -> str:
    """What the scores of a label column are scores of."""
    kinds = dict.fromkeys((a.unit, a.against is not None) for a in attributions)
    said = [
        f"the {name(unit)} of the class named first under the text minus the {name(unit)} of the one named second"
        if contrast
        else f"the {name(unit)} of the class named under the text"
        for unit, contrast in kinds
    ]
    return f"Every score belongs to {listing(said, 'or')}."


def _agreed(view: View, task: str) -> str:
    """Whether probe and model head rank the tokens alike."""
    claim = view.claim("explained_head_agreement", task)
    if claim is None:
        return ""
    numbers = (
        f"rank correlation {decimal(value(claim, 'correlation'), 2)} on average (95 % interval "
        f"{between(claim.interval)}, {plural(int(value(claim, 'n')), 'text')})"
    )
    both = "the probe and the model's own classifier"
    if claim.outcome == "above":
        return f"{sentence(both)} rest on like tokens: {numbers}; 1 would be the same ranking."
    if claim.outcome == "below":
        return f"{sentence(both)} rest on different tokens: {numbers}; what one ranks first, the other ranks last."
    return f"Cannot tell whether {both} rest on like tokens: {numbers}."


def _moved(view: View, task: str) -> str:
    """How the explanation changes through the layers."""
    means = _means(view, task)
    chosen = _chosen(view, task)
    others = {layer: found for layer, found in means.items() if layer != chosen and found[0].n}
    if not others or chosen is None:
        return ""
    ranked = sorted(others, key=lambda layer: others[layer][0].value)
    told = [
        f"layer {layer} (rank correlation {decimal(found[0].value, 2)}, 95 % interval {between(found[0].bounds)}; "
        f"{percent(found[1])} of {plural(found[0].n, 'text')} get the same class there)"
        for layer in dict.fromkeys((ranked[0], ranked[-1]))
        for found in (others[layer],)
    ]
    least = f"Through the layers: compared with layer {chosen}, the tokens are ranked least alike at {told[0]}"
    return f"{least}, most alike at {told[1]}." if len(told) > 1 else f"{least}."


def _chosen(view: View, task: str) -> int | None:
    """The layer whose probe is explained."""
    return next((a.layer for a in view.result.attributions if a.task == task and a.head == "probe"), None)


def _means(view: View, task: str) -> dict[int, tuple[Mean, float]]:
    """Layer -> mean rank correlation with the chosen one, and how often the same class is predicted there."""
    found = view.table("attributions_by_layer", task)
    if found is None:
        return {}
    here = found[found["layer"] == _chosen(view, task)].set_index("text_id")["predicted"]
    return {
        int(layer): (
            Mean.of(rows["correlation"]),
            float((rows["predicted"] == rows["text_id"].map(here)).mean()),
        )
        for layer, rows in found.groupby("layer")
    }


def _by_layer(view: View, task: str) -> tuple[Table, ...]:
    """All texts through the layers, a row a layer."""
    found = view.table("attributions_by_layer", task)
    if found is None:
        return ()
    rows = tuple(
        (
            f"{layer}{' (explained)' if layer == _chosen(view, task) else ''}",
            decimal(mean.value, 2),
            between(mean.bounds),
            percent(same),
            percent(float(found.loc[found["layer"] == layer, "probability"].mean())),
            count(mean.n),
        )
        for layer, (mean, same) in _means(view, task).items()
    )
    heading = ("layer", "rank correlation", "95 % interval", "same class", "its mean probability", "texts")
    caption = (
        "Means over the explained texts, beside the layer explained; every text: tables/attributions_by_layer.csv."
    )
    shape = columns(*heading, numeric=heading[1:])
    return (Table(caption, rows=rows, folded=True, summary="Through the layers", **shape),)
