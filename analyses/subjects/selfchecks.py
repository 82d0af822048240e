"""Whether explanations hold, and what they say of all texts together: each check is a table."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context import interventions
from analyses.context.explanations import Case, Explaining
from analyses.context.interventions import Subject
from probes.checks import InputError
from probes.progress import stage

if TYPE_CHECKING:
    import pandas as pd


SHARES = np.linspace(0, 1, 21)
"""Of a text's own tokens, where curves of texts of any length are read."""
RANKS = (1, 3, 5)
"""Ranks up to which a planted word counts as found."""
RANDOMISED = 20
"""Texts that are explained again at every depth of randomisation."""

Rows = Iterator[Mapping[str, Any]]


def tables(explaining: Explaining) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """A table for each check that was asked for and had something to say, and a note for each that cannot be made."""
    import pandas as pd

    found, notes = {}, []
    long = explaining.settings.requested_tables(has_rationales=bool(explaining.job.data.rationales))
    for name, (of, check) in CHECKS.items():
        rows: list[Mapping[str, Any]] = []
        subjects = explaining.cases if of == "case" else explaining.results.sweep.tasks
        with stage(f"checks: {name.replace('_', ' ')}") if name in long else contextlib.nullcontext():
            for subject in subjects if explaining.cases else ():
                try:
                    rows += list(check(explaining, subject))
                except InputError as error:
                    notes.append(_not_made(name, subject, error))
        if rows:
            found[name] = pd.DataFrame(rows)
    return found, notes


def _not_made(name: str, subject: Case | str, error: InputError) -> str:
    about = f"{subject.task!r}, {subject.head.kind} head" if isinstance(subject, Case) else repr(subject)
    return f"The check {name.replace('_', ' ')!r} of {about} could not be made: {error}."


def _faithfulness(explaining: Explaining, case: Case) -> Rows:
    """What erasing tokens in each method's order does, beside random orders."""
    from probes.attribution_checks.faithfulness import faithfulness

    if not explaining.settings.faithfulness:
        return
    # In one call: what several orders erase alike is computed once.
    every = [a for own in case.by_method.values() for a in own]
    checked = faithfulness(
        case.head,
        every,
        replacement=_replacement(explaining, case),
        seed=explaining.job.output.seed,
        encoded=explaining.tokenised(case.rows),
        progress=not explaining.job.output.quiet,
    )
    if not any(np.isfinite(found.scores.comprehensiveness) for found in checked):
        raise InputError("no text has tokens that can be taken out without leaving nothing of it")
    for a, found in zip(every, checked, strict=True):
        about = {**case.place, "method": a.method, "baseline": a.baseline, "text_id": a.text_id}
        orders = {"attribution": found.scores} | {f"random {i}": each for i, each in enumerate(found.random_scores)}
        for order, each in orders.items():
            yield {**about, "order": order, **dataclasses.asdict(each)}


def _curves(explaining: Explaining, case: Case) -> Rows:
    """Mean deletion and insertion curves of each method, and of a random order."""
    from probes.attribution_checks.faithfulness import perturbation_curves

    if not explaining.settings.curves:
        return
    drawn = {"random": explaining.explain(case.task, case.head, case.rows, method="random", targets=_targets(case))}
    for method, own in {**case.by_method, **drawn}.items():
        found = perturbation_curves(
            case.head,
            own,
            replacement=_replacement(explaining, case),
            encoded=explaining.tokenised(case.rows),
            progress=not explaining.job.output.quiet,
        )
        whole = [each for each in found if len(each.deletion) > 1]
        if not whole:
            continue
        deletion, insertion = (
            np.mean([np.interp(SHARES, np.linspace(0, 1, len(c)), c) for c in some], axis=0)
            for some in ([each.deletion for each in whole], [each.insertion for each in whole])
        )
        for share, gone, back in zip(SHARES.tolist(), deletion.tolist(), insertion.tolist(), strict=True):
            about = {"task": case.task, "head": case.head.kind, "method": method}
            yield {**about, "share": share, "deletion": gone, "insertion": back, "n": len(whole)}


def _baseline_choice(explaining: Explaining, case: Case) -> Rows:
    """How much the ranking of each text's tokens depends on the baseline."""
    from probes.attribution_checks.agreement import same_top, token_agreement

    for other in explaining.baselines(case.task)[1:]:
        again = explaining.explain(case.task, case.head, case.rows, baseline=other, targets=_targets(case))
        for a, b in zip(case.attributions, again, strict=True):
            about = {"task": case.task, "head": case.head.kind, "method": a.method, "baseline": a.baseline}
            alike = {"correlation": token_agreement(a, b), "same_top": same_top(a, b)}
            yield {**about, "other_baseline": other, "text_id": a.text_id, **alike}


def _infidelity(explaining: Explaining, case: Case) -> Rows:
    """How far each method's scores are from foretelling what sets of tokens are worth."""
    from probes.attribution_checks.infidelity import infidelity

    if not explaining.settings.infidelity:
        return
    job = explaining.job.output
    for method, own in case.by_method.items():
        # One replacement for all methods, also for those that start from nothing.
        baseline = explaining.baseline[case.task]
        encoded = explaining.tokenised(case.rows)
        found = infidelity(case.head, own, baseline=baseline, seed=job.seed, encoded=encoded, progress=not job.quiet)
        for a, each in zip(own, found, strict=True):
            about = {"task": case.task, "head": case.head.kind, "method": method, "text_id": a.text_id}
            errors = {"value": each.own, "scaled": each.scaled, "silent": each.silent, "n_tokens": each.n_tokens}
            yield {**about, **errors}


def _randomised(explaining: Explaining, case: Case) -> Rows:
    """What is left of each method's ranking as the encoder is made random from the top down."""
    from probes.attribution_checks.randomisation import randomised

    if not explaining.settings.randomised:
        return
    settings = explaining.settings
    rows = case.rows[:RANDOMISED]
    for method, own in case.by_method.items():
        found = randomised(
            case.head,
            explaining.tokenised(rows),
            targets=[a.target for a in own[:RANDOMISED]],
            against=settings.against,
            unit=settings.unit,
            method=method,
            baseline=explaining.baseline[case.task],
            max_steps=settings.max_steps,
            seed=explaining.job.output.seed,
            progress=not explaining.job.output.quiet,
        )
        for depth, level in enumerate(_so_far(found.levels)):
            for row, kept, size in zip(rows.tolist(), found.correlation[depth], found.absolute[depth], strict=True):
                about = {
                    "task": case.task,
                    "head": case.head.kind,
                    "method": method,
                    "randomised_blocks": depth,
                    "level": level,
                }
                yield {**about, "text_id": row, "correlation": float(kept), "absolute_correlation": float(size)}


def _so_far(levels: Sequence[str]) -> Iterator[str]:
    """All that is random at each level: each keeps what the ones before did."""
    blocks = [int(level.removeprefix("block ")) for level in levels if level.startswith("block ")]
    for level in levels:
        if level == "embeddings":
            yield "embeddings too"
        elif level == "blocks" or (blocks and level == f"block {blocks[-1]}"):
            yield "all blocks"
        elif level.startswith("block ") and level != f"block {blocks[0]}":
            yield f"{level.replace('block', 'blocks')} to {blocks[0]}"
        else:
            yield level


def _rationales(explaining: Explaining, case: Case) -> Rows:
    """Whether the tokens ranked first are those that somebody marked as the reason."""
    from probes.attribution_checks.plausibility import plausibility

    test = explaining.job.splits.test
    known = test.dataset.rationales.get(case.task)
    if known is None:
        return
    for method, own in case.by_method.items():
        spans = [known[test.rows[row]] for row in case.rows]
        found = plausibility(own, spans, seed=explaining.job.output.seed)
        for a, each in zip(own, found, strict=True):
            if each is not None:
                about = {"task": case.task, "head": case.head.kind, "method": method, "text_id": a.text_id}
                drawn = {f"random_{name}": value for name, value in dataclasses.asdict(each.random_scores).items()}
                sizes = {"n_marked": each.n_rationale_tokens, "n_tokens": each.n_tokens}
                yield {**about, **dataclasses.asdict(each.scores), **drawn, **sizes}


def _head_agreement(explaining: Explaining, task: str) -> Rows:
    """Whether the classifier looks where the probe looks: both explained for one class, the probe's."""
    from probes.attribution_checks.agreement import token_agreement

    cases = [case for case in explaining.cases if case.task == task]
    for first, second in itertools.pairwise(cases):
        # Where the two heads explain different classes, the second is explained again, for the first one's.
        targets = _targets(first)
        again = second.attributions
        if _targets(second) != targets:
            again = explaining.explain(task, second.head, second.rows, targets=targets)
        for a, b in zip(first.attributions, again, strict=True):
            yield {"task": task, "text_id": a.text_id, "correlation": token_agreement(a, b)}


def _states(explaining: Explaining, task: str) -> Rows:
    """Which kind of token holds how much of the decision, by layer of token states."""
    from probes.mechanism.token_shares import KINDS, attribution_shares, direct_scores, shares_by_kind, token_kinds

    tokenizer = explaining.encoder.tokenizer
    names = {"cls": tokenizer.cls_token, "sep": tokenizer.sep_token}
    for case in (case for case in explaining.cases if case.task == task):
        layer, pooling = case.head.layer, case.head.pooling
        found: dict[tuple[str, int | None, int], list[Any]] = {}
        if case.head.kind == "probe" and pooling not in (None, "pooler"):
            probes = list(explaining.layers(task))
            classes = {name: i for i, name in enumerate(case.head.class_names)}
            scores = direct_scores(
                probes, explaining.tokenised(case.rows), targets=[classes[name] for name in _targets(case)]
            )
            for a, own in zip(case.attributions, scores, strict=True):
                kind = token_kinds(a.tokens, a.offsets, **names)
                for probe, row in zip(probes, own, strict=True):
                    found.setdefault(("direct", probe.layer, probe.layer), []).append(shares_by_kind(row, kind))
        if explaining.settings.depth:
            for below in range((explaining.encoder.n_layers if layer is None else layer) + 1):
                again = explaining.explain(
                    task,
                    case.head,
                    case.rows,
                    targets=_targets(case),
                    states_layer=below,
                    method="integrated_gradients",
                )
                found["integrated_gradients", layer, below] = [attribution_shares(a, explaining.encoder) for a in again]
        for (method, probe_layer, of), held in found.items():
            known = np.array([each for each in held if np.isfinite(each).all()]).reshape(-1, len(KINDS))
            for kind_name, column in zip(KINDS, known.T, strict=True) if len(known) else ():
                about = {"task": task, "head": case.head.kind, "pooling": pooling, "probe_layer": probe_layer}
                share = float(column.mean())
                yield {**about, "layer": of, "kind": kind_name, "share": share, "n": len(column), "method": method}


def _words(explaining: Explaining, task: str) -> Rows:
    """Which words count over the whole dataset, by the class explained, on texts drawn at random."""
    from probes.attribution.word_means import word_means

    for head in dict.fromkeys(a.head for a in explaining.sampled):
        found = word_means([a for a in explaining.sampled if a.task == task and a.head == head])
        for row in found.to_dict("records"):
            yield {"task": task, "head": head, **{str(k): v for k, v in row.items() if k != "task"}}


def _depth(explaining: Explaining, task: str) -> Rows:
    """The same decision explained at every layer of the pooling that is explained."""
    from probes.attribution_checks.agreement import token_agreement

    if not explaining.settings.depth:
        return
    for case in (case for case in explaining.cases if case.task == task and case.head.layer is not None):
        chosen = {a.text_id: a for a in case.attributions}
        for a in (*case.attributions, *explaining.deeper.get(task, ())):
            about = {"task": task, "pooling": a.pooling, "layer": a.layer, "text_id": a.text_id}
            said = {"predicted": a.predicted, "probability": a.probabilities[a.target]}
            yield {**about, **said, "correlation": token_agreement(chosen[a.text_id], a)}


def _audit(explaining: Explaining, task: str) -> Rows:
    """Where each method ranks a word that is known to decide, on a copy of the texts."""
    from probes.statistics.intervals import wilson_interval

    if not explaining.settings.audit or explaining.settings.head == "model":
        return
    found = explaining.audit(task)
    point, n = explaining.best(task), len(found.n_tokens)
    for method, k in itertools.product(found.ranks, RANKS):
        hits = found.hits(method, k)
        lower, upper = wilson_interval(hits, n)
        about = {"task": task, "pooling": point.pooling, "layer": point.layer, "method": method, "k": k}
        about["valid"] = found.valid
        yield {**about, "hits": hits, "lower": lower, "upper": upper, "chance": found.chance(k), "n": n}


def _erasure(explaining: Explaining, case: Case) -> Rows:
    """What the checkpoint's own classifier loses where a label is erased, beside how much of it can be read there."""
    job, most = explaining.job, explaining.settings.erase
    if case.head.kind != "model" or not most:
        return
    test, train = job.splits.test, job.splits.train
    rows = np.sort(np.random.default_rng(job.output.seed).permutation(len(test))[:most])
    subject = Subject(
        name="model",
        head=case.head,
        read=explaining.results.extracted.features,
        texts=case.head.encoder.encode(test.texts.take(rows)),
        labels=test.labels(case.task)[rows],
        train=case.head.encoder.encode(train.texts[: interventions.STATES]),
        layers=job.layers,
        seed=job.output.seed,
        progress=not job.output.quiet,
    )
    for row in interventions.erasure(subject, explaining.results.sweep.tasks):
        yield {"task": case.task, **row}


def _targets(case: Case) -> list[str]:
    return [a.target for a in case.attributions]


def _replacement(explaining: Explaining, case: Case) -> str:
    from probes.attribution_checks.token_replacement import default_replacement

    asked = explaining.settings.replacement
    return default_replacement(explaining.encoder, case.head) if asked == "auto" else asked


CHECKS: dict[str, tuple[str, Callable[[Explaining, Any], Rows]]] = {
    "faithfulness": ("case", _faithfulness),
    "perturbation_curves": ("case", _curves),
    "infidelity": ("case", _infidelity),
    "baseline_agreement": ("case", _baseline_choice),
    "plausibility": ("case", _rationales),
    "parameter_randomisation": ("case", _randomised),
    "explained_head_agreement": ("task", _head_agreement),
    "token_shares": ("task", _states),
    "word_means": ("task", _words),
    "attributions_by_layer": ("task", _depth),
    "planted_shortcut": ("task", _audit),
    "erasure": ("case", _erasure),
}
"""Table -> whether it is made of each head's case or of each label column, and by what."""
