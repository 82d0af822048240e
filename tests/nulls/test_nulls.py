"""A few of the analyses that `make nulls` makes, on a tiny encoder, and what is counted of them."""

import json

import numpy as np
import pytest

from probes import Encoder
from probes.logistic.fitting import LogisticProbe
from probes.mechanism.leace import leace
from probes.results.result import Claim
from probes.statistics.intervals import wilson_interval
from tests.nulls import __main__ as command
from tests.nulls import classifier, explanations, probing
from tests.nulls.counts import KINDS, Kind, Page, is_counted, page, states_limit, table
from tests.nulls.material import Material, built_in_splits, file_splits
from tests.nulls.positive_claims import positive_claims, weaker_claims
from tests.support.encoders.models import build_model

STORED = {"train": 160, "validation": 48, "test": 120}
SIZES = {"train": 120, "validation": 40, "test": 100}


pytestmark = pytest.mark.usefixtures("one_thread", "few_texts")


@pytest.fixture
def few_texts(monkeypatch):
    """Explain few texts: the checks of each take many passes."""
    monkeypatch.setattr(explanations, "N_TEXTS", 12)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    encoder = Encoder(*build_model("bert"), name="tiny")
    return Material(
        encoder, built_in_splits(stored=STORED), tmp_path_factory.mktemp("cache"), dict(SIZES), n_untrained=3
    )


@pytest.mark.parametrize("name", ["labels shuffled within groups", "untrained encoder"])
def test_a_null_of_probing_has_no_positive_claim(material, name):
    assert page(name, material, 0).positive == ()


def test_a_strong_planted_signal_is_found(material):
    claims = probing.planted_signal(material, 0, 0.45)
    assert "evidence: decodable" in positive_claims(claims)
    assert not states_limit(claims, 0.001)


def test_an_analysis_depends_on_its_seed_alone(material):
    analyses = [repr(explanations.random_scores(material, seed)) for seed in (3, 4, 3)]
    assert analyses[0] == analyses[2] != analyses[1]


def test_labels_shuffled_within_groups_keep_what_the_texts_of_a_group_share():
    labels = np.array([0, 0, 1, 1, 0, 1, 1, 1, 0])
    units = np.array([0, 0, 1, 1, 2, 3, 4, 4, 5])
    rng = np.random.default_rng(0)
    shuffled = [probing.permuted(labels, units, rng) for _ in range(50)]
    for permuted_labels in shuffled:
        assert np.bincount(permuted_labels).tolist() == np.bincount(labels).tolist()
        for unit in (0, 1, 4):
            assert len(set(permuted_labels[units == unit])) == 1
    assert len({tuple(permuted_labels) for permuted_labels in shuffled}) > 5


def test_labels_that_differ_within_groups_are_shuffled_there():
    labels = np.array([0, 1, 0, 1])
    shuffled = {
        tuple(probing.permuted(labels, np.array([0, 0, 1, 1]), np.random.default_rng(seed))) for seed in range(40)
    }
    assert shuffled == {(0, 1, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 0)}


def test_groups_are_drawn_whole(material):
    rows = material.draw_rows(np.random.default_rng(0))
    for name, split in material.splits.items():
        units = split.units[rows[name]]
        assert len(units) == SIZES[name]
        assert (np.bincount(units)[np.unique(units)] == 2).all()


def test_a_head_without_a_label_gives_what_its_probe_gives_for_erased_features(three_classes):
    features, labels = three_classes
    eraser = leace(features, labels, n_classes=3)
    other_labels = (features @ [1, 0, 0, 0, 1, 3] > 10).astype(int)
    probe = LogisticProbe(c=1.0).fit(eraser(features), other_labels, n_classes=2)
    without = classifier.through(eraser, probe)
    np.testing.assert_allclose(without.log_prob(features), probe.log_prob(eraser(features)), atol=1e-5)
    # What is erased makes no difference, though the probe alone reads it.
    moved = features + 10 * eraser.left[0]
    assert np.abs(probe.log_prob(moved) - probe.log_prob(features)).max() > 0.1
    np.testing.assert_allclose(without.log_prob(moved), without.log_prob(features), atol=1e-3)


@pytest.mark.parametrize(
    ("analysis", "kinds"),
    [
        (classifier.coin_flips_erased, {"erasure"}),
        (classifier.erased_head, {"erasure"}),
        (classifier.own_label_erased, {"erasure"}),
        (classifier.ablated_head, {"ablation", "last_layer_ablation"}),
        (explanations.random_scores, {"attribution_check", "faithfulness", "plausibility", "deciding_words"}),
        (explanations.head_with_random_weights, {"attribution_check", "faithfulness"}),
        (explanations.words_of_random_scores, {"quoted_words"}),
    ],
)
def test_nulls_of_heads_and_explanations_have_the_claims_that_are_counted(material, analysis, kinds):
    if "erasure" in kinds:
        pytest.importorskip("concept_erasure")
    assert kinds <= {claim.id for claim in analysis(material, 0)}


@pytest.mark.parametrize(
    ("analysis", "check"),
    [
        (explanations.planted_shortcut_word, "check planted_shortcut: passed"),
        (explanations.planted_rationale, "check plausibility: passed"),
    ],
)
def test_planted_reasons_are_found(material, analysis, check):
    assert check in positive_claims(analysis(material, 0))


def claim(kind, outcome, **numbers):
    return Claim(kind, outcome, "label", numbers)


def test_positive_claims_are_results_and_weaker_ones_have_a_reserve():
    claims = [
        claim("evidence", "decodable"),
        claim("evidence", "weak"),
        claim("evidence", "not_shown"),
        claim("floor", "above", floor="majority"),
        claim("floor", "above", floor="control"),
        claim("selectivity", "cannot_tell"),
        claim("ablation", "measured", first_layer=3),
        claim("ablation", "measured", first_layer=None),
        claim("attribution_check", "passed", check="comprehensiveness"),
        claim("attribution_check", "passed", check="completeness"),
        claim("attribution_check", "weak", check="plausibility"),
    ]
    assert positive_claims(claims) == [
        "evidence: decodable",
        "ablation: first layer",
        "check comprehensiveness: passed",
    ]
    assert weaker_claims(claims) == ["evidence: weak", "floor majority: above", "check plausibility: weak"]


def test_only_claims_about_what_a_null_lacks_are_false(material, monkeypatch):
    claims = [claim("evidence", "decodable"), claim("selectivity", "above")]
    monkeypatch.setitem(KINDS, "null", Kind(lambda *_: claims, ("evidence",)))
    assert page("null", material, 0).positive == ("evidence: decodable",)


def test_a_signal_is_above_the_limit_that_the_page_states():
    def limit(smallest):
        return [claim("minimum_detectable_difference", "measured", smallest=smallest)]

    assert states_limit(limit(0.12), 0.12)
    assert not states_limit(limit(0.12), 0.1)
    assert not states_limit(limit(None), 0.5)


def test_the_table_counts_pages_with_their_interval_and_claims_once_a_page():
    name = "labels shuffled within groups"
    twice = ("evidence: decodable", "evidence: decodable")
    pages = [Page(name, seed, twice if seed < 2 else (), ()) for seed in range(50)]
    *_, row = table(pages)
    lower, upper = wilson_interval(0.04, 50)
    share = f"4.0 % ({100 * lower:.1f} to {100 * upper:.1f})"
    assert row == f"| {name} | 50 | 2 | {share} | evidence: decodable 2 |  |"


def test_a_planted_signal_is_found_where_the_best_site_is_above_every_floor():
    kind = KINDS["planted signal, 20 points"]
    decodable = Page("", 0, ("evidence: decodable",), ())
    weak = Page("", 1, (), ("evidence: weak",))
    not_shown = Page("", 2, (), ("floor majority: above",))
    assert [is_counted(kind, one) for one in (decodable, weak, not_shown)] == [True, True, False]


def test_planted_signals_above_the_stated_limit_have_a_row():
    name = "planted signal, 20 points"
    pages = [Page(name, seed, (), (), above_limit=seed > 0) for seed in range(3)]
    rows = [line.split(" | ")[:2] for line in table(pages)][2:]
    assert rows == [[f"| {name}", "3"], [f"| {name}, above the stated limit", "2"]]


def test_pages_that_are_saved_are_not_made_again(material, monkeypatch, tmp_path, capsys):
    made = []

    def analysis(_, seed):
        made.append(seed)
        return [claim("evidence", "weak" if seed else "decodable")]

    monkeypatch.setitem(KINDS, "null", Kind(analysis, ("evidence",)))
    monkeypatch.setattr(Encoder, "load", lambda *_, **__: material.encoder)
    out = tmp_path / "pages.jsonl"
    for n in ("2", "3"):
        assert command.main([n, "0", "--kinds", "null", "--out", str(out)]) == 0
    assert made == [0, 1, 2]
    assert [json.loads(line)["positive"] for line in out.read_text().splitlines()] == [["evidence: decodable"], [], []]
    assert "| null | 3 | 1 | 33.3 %" in capsys.readouterr().out


def test_texts_of_a_file_are_divided_into_three_splits(tmp_path):
    rows = [f"text number {i},{'ab'[i % 2]}\n" for i in range(60)]
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")
    splits = file_splits(tmp_path / "texts.csv", ["label"])
    texts = [text for _, split in splits.items() for text in split.texts.first]
    assert len(texts) == len(set(texts)) == 60
    assert splits.class_names == {"label": ("a", "b")}
