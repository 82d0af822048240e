"""The checks on explanations: each table against the attributions it was made of, and each claim against its table."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from analyses.attribute import table_functions, tabulate_checks
from analyses.context.explanations.explainer import Explainer
from analyses.context.explanations.explanations import explain_decisions, explain_sample
from analyses.context.job import Job
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.explaining import ExplainSettings
from analyses.settings.output import OutputSettings
from analyses.subjects.explanations.baselines import _mean_biases
from analyses.subjects.explanations.faithfulness import SHARES
from probes import AnalysisResult, LogisticProbe, attribute, controlled_sentences
from probes.attribution_checks.agreement import same_top, token_agreement
from probes.attribution_checks.faithfulness import perturbation_curves
from probes.features.in_memory import pool_texts
from probes.heads.heads import ProbeHead
from probes.statistics.intervals import wilson_interval
from tests.support.command_lines import call, files

EVERYTHING = (
    "--head both --attribute 6 --words 8 --depth --curves --infidelity --randomised --erase 12 "
    "--methods occlusion gradient_norm "
    "--baselines zero mean"
).split()


@pytest.fixture(scope="module")
def result(place):
    arguments = ("attribute", *files(place), *EVERYTHING)
    assert call(place, *arguments, model="classifier", out="everything") == 0
    return AnalysisResult.load(place / "everything")


@pytest.fixture(scope="module")
def explanations(place):
    """The same in memory."""
    paths = {name: place / f"{name}.csv" for name in ("train", "validation", "test")}
    encoder = EncoderSettings(model=str(place / "classifier"), cache=place / "cache")
    job = Job.prepare(DataSettings(**paths), encoder, OutputSettings(out=place / "unused", quiet=True))
    settings = ExplainSettings(attribute=6, words=8, head="both", depth=True, baselines=("zero",))
    return explain_decisions(Explainer.prepare(job.probe(), settings))


def explain_again(explanations, settings):
    """The decisions of the same probes, explained by other flags."""
    return explain_decisions(Explainer.prepare(explanations.explainer.results, settings))


def rows_of(explanations, table):
    """The rows of a table, of all cases."""
    compute_rows = table_functions()[table]
    return [row for case in explanations.cases for row in compute_rows(explanations, case)]


def content_scores(a):
    return a.scores[a.offsets[:, 0] >= 0]


def test_every_check_asked_for_leaves_its_table(result):
    requested = set(table_functions()) - {"plausibility", "planted_shortcut"}  # no spans, and another flag
    assert requested <= set(result.tables)


def test_further_methods_and_poolings_of_the_same_texts_are_kept_for_the_page(place, explanations):
    more = dataclasses.replace(explanations.settings, methods=("occlusion", "random"), explain_poolings=("cls", "cls"))
    shown = explain_again(explanations, more).attributions
    explained = [(a.text_id, a.head, a.method, a.pooling, a.layer) for a in shown]
    assert len(set(explained)) == len(explained)
    assert {a.method for a in shown} == {"integrated_gradients", "occlusion"}
    best = explanations.explainer.site_of("label")
    elsewhere = {(a.pooling, a.layer) for a in shown if a.head == "probe" and a.method == "integrated_gradients"}
    assert elsewhere == {(pooling, layer) for pooling in {best.pooling, "cls"} for layer in range(4)}
    targets = {a.text_id: a.target for a in shown if a.head == "probe"}
    assert all(a.target == targets[a.text_id] for a in shown if a.head == "probe")
    flat = dataclasses.replace(more, depth=False)
    places = {(a.pooling, a.layer) for a in explain_again(explanations, flat).attributions if a.head == "probe"}
    assert places == {(pooling, best.layer) for pooling in {best.pooling, "cls"}}


def idle_flag_notes(explanations, **flags):
    settings = dataclasses.replace(explanations.settings, **{"baselines": (), "depth": False, **flags})
    return [note for note in explain_again(explanations, settings).notes if note.startswith("--")]


def test_a_flag_that_names_only_what_is_explained_anyway_leaves_a_note(explanations):
    used = {
        "baselines": explanations.explainer.baseline["label"],
        "methods": "integrated_gradients",
        "explain_poolings": explanations.explainer.site_of("label").pooling,
    }
    for flag, name in used.items():
        (note,) = idle_flag_notes(explanations, **{flag: (name, name)})
        assert note.startswith(f"--{flag.replace('_', '-')} names no other ")
        assert f"than {name!r}," in note
    (note,) = idle_flag_notes(explanations, baselines=("auto",))
    assert f"no other baseline than {used['baselines']!r}" in note


def test_a_flag_that_names_something_further_or_nothing_leaves_no_note(explanations):
    assert idle_flag_notes(explanations) == []
    for flag, names in {"baselines": ("all",), "methods": ("occlusion",), "explain_poolings": ("cls", "mean")}.items():
        assert idle_flag_notes(explanations, **{flag: names}) == []
    assert idle_flag_notes(explanations, baselines=(explanations.explainer.baseline["label"],), attribute=0) == []


def test_what_a_checkpoints_classifier_uses_stands_beside_what_can_be_read(result):
    table, claims = result.tables["erasure"], [c for c in result.claims if c.id == "erasure"]
    assert set(table["head"]) == {"model"}
    assert set(zip(table["pooling"], table["layer"], strict=True)) == {
        (pooling, layer) for pooling in ("cls", "mean") for layer in range(4)
    }
    assert (table["n"] == 12).all()
    (claim,) = claims
    leace = table[table["eraser"] == "leace"]
    assert claim.numbers["accuracy_loss"] == pytest.approx(leace["accuracy_loss"].max())


def test_both_heads_explain_the_same_texts_from_the_same_baseline(result):
    first = result.attributions[0]
    chosen = [a for a in result.attributions if a.method == first.method and a.layer in (None, first.layer)]
    probe, model = ([a for a in chosen if a.head == head] for head in ("probe", "model"))
    assert [a.text_id for a in probe] == [a.text_id for a in model]
    assert len({a.baseline for a in chosen}) == 1


def test_heads_are_compared_for_the_same_class(explanations):
    probe, model = explanations.cases
    targets = [a.target for a in probe.attributions]
    again = explanations.explainer.explain("label", model.head, model.rows, targets=targets)
    rows = list(rows_of(explanations, "explained_head_agreement"))
    pairs = zip(probe.attributions, again, strict=True)
    wanted = [spearmanr(content_scores(a), content_scores(b)).statistic for a, b in pairs]
    assert [row["correlation"] for row in rows] == pytest.approx(wanted, nan_ok=True)


def test_depth_explains_the_class_of_the_chosen_layer_at_every_layer(result):
    deep = [a for a in result.attributions if a.head == "probe"]
    assert {a.layer for a in deep} == {0, 1, 2, 3}
    by_text = {}
    for a in deep:
        by_text.setdefault(a.text_id, set()).add(a.target)
    assert all(len(targets) == 1 for targets in by_text.values())
    table = result.tables["attributions_by_layer"]
    at_chosen = table[table["layer"] == deep[0].layer]["correlation"].dropna()
    assert len(at_chosen)
    np.testing.assert_allclose(at_chosen, 1)
    assert len(table) == 6 * 4


def test_a_cls_probe_reads_nothing_but_cls_at_its_own_layer_and_content_alone_at_the_input(explanations):
    table = pd.DataFrame(rows_of(explanations, "token_shares"))
    rows = table[(table["head"] == "model") & (table["method"] == "integrated_gradients")]
    share = rows.pivot_table(index="layer", columns="kind", values="share")
    assert share.loc[0, ["[CLS]", "[SEP]"]].sum() == 0
    assert share.loc[3, "[CLS]"] == pytest.approx(1)  # this head reads the pooler of the last [CLS]
    assert 0 < share.loc[2, "[CLS]"] < 1
    np.testing.assert_allclose(share.sum(axis=1), 1)


def test_direct_shares_are_those_of_the_closed_form(explanations):
    table = pd.DataFrame(rows_of(explanations, "token_shares"))
    direct = table[table["method"] == "direct"]
    assert set(direct["layer"]) == {0, 1, 2, 3}
    assert (direct["layer"] == direct["probe_layer"]).all()
    case = explanations.cases[0]
    point = explanations.explainer.site_of("label")
    if point.pooling == "cls":
        assert direct.query("kind == '[CLS]'")["share"].tolist() == [1.0] * 4
    else:
        shares = []
        for a in explanations.explainer.explain(
            "label", case.head, case.rows, targets=[a.target for a in case.attributions], method="direct"
        ):
            shares.append(np.abs(a.scores[0]) / np.abs(a.scores).sum())
        (share,) = direct.query("kind == '[CLS]' and layer == @point.layer")["share"]
        assert share == pytest.approx(np.mean(shares), rel=1e-5)


def test_the_baseline_that_says_least_is_explained_from_unless_one_is_named(explanations):
    far = _mean_biases(explanations.explainer, "label")
    alike = {name: far[name] for name in ("pad", "mask", "zero", "mean")}
    assert explanations.explainer.baseline["label"] == min(alike, key=alike.get)
    assert len(set(alike.values())) == 4
    settings = dataclasses.replace(explanations.settings, baseline="mean")
    explainer = Explainer.prepare(explanations.explainer.results, settings)
    assert explainer.baseline["label"] == "mean"
    assert {a.baseline for case in explanations.cases for a in case.attributions} == {
        explanations.explainer.baseline["label"]
    }


def test_a_baselines_choice_is_measured_by_explaining_again(explanations):
    case = explanations.cases[0]
    rows = list(table_functions()["baseline_agreement"](explanations, case))
    assert {row["other_baseline"] for row in rows} == {"zero"}
    again = explanations.explainer.explain(
        "label", case.head, case.rows, baseline="zero", targets=[a.target for a in case.attributions]
    )
    for row, a, b in zip(rows, case.attributions, again, strict=True):
        assert row["correlation"] == pytest.approx(token_agreement(a, b), nan_ok=True)
        assert row["same_top"] == same_top(a, b)


def test_mean_curves_begin_at_the_whole_text_and_end_without_its_tokens(explanations, result):
    table = result.tables["perturbation_curves"]
    assert set(table["method"]) == {"integrated_gradients", "occlusion", "gradient_norm", "random"}
    assert table["share"].unique().tolist() == pytest.approx(SHARES.tolist())
    case = explanations.cases[0]
    curves = perturbation_curves(case.head, case.attributions)
    rows = table[(table["head"] == "probe") & (table["method"] == "integrated_gradients")].set_index("share")
    assert rows.loc[0, "deletion"] == pytest.approx(np.mean([c.deletion[0] for c in curves]), rel=1e-4)
    assert rows.loc[1, "deletion"] == pytest.approx(np.mean([c.deletion[-1] for c in curves]), rel=1e-4)
    for _, one in table.groupby(["head", "method"]):
        ends = one.set_index("share")
        assert ends.loc[0, "deletion"] == pytest.approx(ends.loc[1, "insertion"], rel=1e-4)


def test_every_method_has_its_claim_beside_the_same_random_orders(result):
    claims = [c for c in result.claims if c.id == "faithfulness"]
    assert [(c.numbers["head"], c.numbers["method"]) for c in claims] == [
        (head, method)
        for head in ("probe", "model")
        for method in ("integrated_gradients", "occlusion", "gradient_norm")
    ]
    for head in ("probe", "model"):
        floors = {c.numbers["random_comprehensiveness"] for c in claims if c.numbers["head"] == head}
        assert len({round(f, 6) for f in floors}) == 1


def test_texts_for_the_whole_dataset_are_drawn_at_random_and_explained_once(explanations):
    for case in explanations.cases:
        sample = explain_sample(explanations, case)
        rows = [a.text_id for a in sample]
        assert rows == sorted(set(rows))
        assert len(rows) == 8
        attribution_of_row = {a.text_id: a for a in case.attributions}
        assert all(a is attribution_of_row[a.text_id] for a in sample if a.text_id in attribution_of_row)


def test_randomised_rankings_start_alike_and_end_otherwise(result):
    table = result.tables["parameter_randomisation"]
    first = table[table["randomised_blocks"] == 0]["correlation"].dropna()
    assert len(first)
    np.testing.assert_allclose(first, 1)
    last = table[table["randomised_blocks"] == table["randomised_blocks"].max()]
    for claim in (c for c in result.claims if c.id == "parameter_randomisation"):
        rows = last[(last["head"] == claim.numbers["head"]) & (last["method"] == claim.numbers["method"])]
        assert claim.numbers["correlation"] == pytest.approx(rows["absolute_correlation"].mean())
    levels = list(dict.fromkeys(table[table["head"] == "model"]["level"]))
    assert levels == ["intact", "head", "block 3", "blocks 2 to 3", "all blocks", "embeddings too"]


def test_infidelity_stands_beside_that_of_no_scores_at_all(result):
    table = result.tables["infidelity"].dropna()
    assert len(table)
    assert (table["scaled"] <= table["value"] + 1e-9).all()
    assert (table["scaled"] <= table["silent"] + 1e-9).all()


def test_methods_are_asked_for_the_infidelity_of_the_same_replacement(explanations):
    settings = dataclasses.replace(explanations.settings, methods=("gradient_norm",), baseline="zero", infidelity=True)
    case = explain_again(explanations, settings)
    table = pd.DataFrame(table_functions()["infidelity"](case, case.cases[0]))
    assert table.groupby("text_id")["silent"].agg(lambda values: np.ptp(values) < 1e-9).all()


def test_infidelity_that_cannot_be_measured_is_a_note(explanations):
    settings = dataclasses.replace(explanations.settings, baseline="sampled", infidelity=True, attribute=2, words=0)
    settings = dataclasses.replace(settings, head="probe", depth=False, baselines=(), faithfulness=False)
    checks, notes = tabulate_checks(explain_again(explanations, settings))
    assert "infidelity" not in checks
    assert any("'infidelity'" in note and "'sampled' draws texts" in note for note in notes)


def test_words_over_all_texts_average_those_of_the_texts_drawn(explanations):
    table = pd.DataFrame(rows_of(explanations, "word_means"))
    for head in ("probe", "model"):
        (case,) = (case for case in explanations.cases if case.head.kind == head)
        sample = explain_sample(explanations, case)
        for target, rows in table[table["head"] == head].groupby("target"):
            texts = [a for a in sample if a.target == target]
            first_row = rows.iloc[0]
            scores = [
                np.mean([s for w, s in zip(a.words, a.word_scores, strict=True) if w.casefold() == first_row["word"]])
                for a in texts
                if first_row["word"] in map(str.casefold, a.words)
            ]
            assert first_row["n_texts"] == len(scores)
            assert first_row["mean"] == pytest.approx(np.mean(scores))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "ocklusion"], "did you mean 'occlusion'"),
        (["--method", "direct"], "scores token states"),
        (["--baselines", "blank"], "unknown baseline 'blank'"),
        (["--replacement", "blank"], "unknown replacement 'blank'"),
        (["--target", "neutral"], "unknown class of --target 'neutral'"),
        (["--target", "positive", "--against", "positive"], "both name 'positive'"),
        (["--target", "label", "--against", "positive"], "some texts' label is 'positive' itself"),
        (["--words", "-1"], "0 or more"),
        (["--erase", "5"], "needs --head model or both"),
    ],
)
def test_what_cannot_be_explained_is_one_line(place, capsys, words, message):
    assert call(place, "attribute", *files(place), "--layer", "1", "--pooling", "mean", *words, out="refused") == 1
    assert message in capsys.readouterr().err
    assert not (place / "refused").exists()


def test_the_probe_named_is_the_one_explained_at_every_layer_too(place):
    words = ("--layer", "1", "--pooling", "cls", "--depth", "--attribute", "2", "--words", "0")
    assert call(place, "attribute", *files(place), *words, out="named") == 0
    analysis = AnalysisResult.load(place / "named")
    assert [(a.pooling, a.layer) for a in analysis.attributions[:2]] == [("cls", 1)] * 2
    assert {a.layer for a in analysis.attributions} == {0, 1, 2, 3}
    assert "word_means" not in analysis.tables


def test_a_contrast_of_probabilities_is_explained_as_such(place):
    words = ("--target", "positive", "--against", "negative", "--unit", "probability", "--words", "0")
    arguments = ("attribute", *files(place), "--layer", "1", "--pooling", "mean", "--attribute", "2", *words)
    assert call(place, *arguments, out="contrast") == 0
    for a in AnalysisResult.load(place / "contrast").attributions:
        assert (a.target, a.against, a.unit) == ("positive", "negative", "probability")
        assert a.output == pytest.approx(a.probabilities["positive"] - a.probabilities["negative"], abs=1e-6)


def test_a_shortcut_that_was_planted_is_reported_with_its_floor(place):
    arguments = ("attribute", *files(place), "--layer", "1", "--pooling", "mean", "--attribute", "2", "--audit")
    assert call(place, *arguments, "--words", "0", out="audit") == 0
    analysis = AnalysisResult.load(place / "audit")
    table, (claim,) = analysis.tables["planted_shortcut"], [c for c in analysis.claims if c.id == "planted_shortcut"]
    assert claim.outcome == ("valid" if claim.numbers["flipped"] >= 0.95 else "not_learned")
    assert table["k"].tolist() == [1, 3, 5]
    assert table["chance"].is_monotonic_increasing
    assert table["hits"].is_monotonic_increasing
    assert (table["lower"] <= table["hits"]).all()
    assert (table["hits"] <= table["upper"] + 1e-9).all()


def test_layers_of_a_probe_share_one_encoder(explanations):
    heads = explanations.explainer.probes_of_pooling("label", "mean")
    assert all(isinstance(head, ProbeHead) for head in heads)
    assert len({id(head.encoder) for head in heads}) == 1


@pytest.mark.parametrize(("split", "layer", "times"), [("train", 0, 4), ("test", 5, 1)])
def test_words_known_to_decide_are_found_far_above_chance_on_the_real_encoder(packaged, split, layer, times):
    """Far above where a probe reads a mean of embeddings of sentences it has learnt; above where blocks have mixed."""
    train, sentences = controlled_sentences("train"), controlled_sentences(split)
    names, labels = np.unique(train.labels["sentiment"], return_inverse=True)
    features = pool_texts(packaged, packaged.encode(train.texts), ["mean"], [layer])["mean"][0]
    probe = LogisticProbe(c=0.1).fit(features, labels, n_classes=len(names))
    head = ProbeHead(packaged, probe, layer=layer, pooling="mean", class_names=names.tolist())
    rows = np.sort(np.random.default_rng(0).permutation(len(sentences.texts))[:120])
    hits, chance = [], []
    for a, row in zip(attribute(head, [sentences.texts[row] for row in rows], baseline="zero"), rows, strict=True):
        spans = sentences.rationales["sentiment"][row]
        is_word = a.word_offsets[:, 0] == 0
        words = a.word_offsets[is_word].tolist()
        is_deciding = [any(first < e and s < last for s, e in spans) for _, first, last in words]
        hits.append(is_deciding[int(np.argmax(a.word_scores[is_word]))])
        chance.append(np.mean(is_deciding))
    lower, _ = wilson_interval(float(np.mean(hits)), len(hits))
    print(
        f"layer {layer}: a deciding word counts most in {np.mean(hits):.2f} of {len(hits)} sentences, "
        f"by chance {np.mean(chance):.2f}"
    )
    assert lower > times * np.mean(chance)
