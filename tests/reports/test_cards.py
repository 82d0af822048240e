"""Cards of explained texts: words in their text, their colours, and what the encoder did not read."""

import dataclasses
import re

import numpy as np
import pytest

from reports import render_report
from reports.cards import cards
from tests.support.pages.reader import Page
from tests.support.pages.sections import without_tables, words_of
from tests.support.paths import ROOT
from tests.support.results.explained import CHOSEN, checked, twice
from tests.support.results.probed import attribution, result


def test_a_head_that_no_word_moves_is_shown_pale_and_without_strong_words():
    faint = dataclasses.replace(
        result().attributions[0], word_scores=np.full(len(result().attributions[0].words), 1e-4)
    )
    words = Page(render_report(dataclasses.replace(result(), attributions=(faint,)))).words
    assert "No word moves it by 0.01 logit." in words
    assert "Top words" not in words
    assert "Colour scale: ±0.05 logit" in words


def test_the_two_texts_of_a_pair_are_parted():
    a = dataclasses.replace(
        result().attributions[0],
        text="good film",
        pair="bad plot",
        tokens=("[CLS]", "good", "film", "[SEP]", "bad", "plot", "[SEP]"),
        scores=np.array([0, 1.0, 0.5, 0, -1, -0.5, 0]),
        offsets=np.array([(-1, 0, 0), (0, 0, 4), (0, 5, 9), (-1, 0, 0), (1, 0, 3), (1, 4, 8), (-1, 0, 0)]),
        words=("[CLS]", "good", "film", "[SEP]", "bad", "plot", "[SEP]"),
        word_scores=np.array([0, 1.0, 0.5, 0, -1, -0.5, 0]),
        word_offsets=np.array([(-1, 0, 0), (0, 0, 4), (0, 5, 9), (-1, 0, 0), (1, 0, 3), (1, 4, 8), (-1, 0, 0)]),
    )
    (card,) = cards([a], 1.0, random_pooler=False)
    assert [word.text for word in card.entries[0].words] == ["good", "film", "[SEP]", "bad", "plot"]


def test_a_text_explained_by_two_heads_is_one_entry():
    classes = ("negative", "positive")
    probe = attribution("The lamps are fine.", "sentiment", classes, 3, converged=True)
    model = dataclasses.replace(probe, head="model", layer=None, pooling=None)
    html = render_report(dataclasses.replace(result(), attributions=(probe, model)))
    assert html.count('<li class="card"') == 1
    assert "The model&#39;s own classifier" in html


def test_words_keep_the_text_between_them_and_read_without_colour(page):
    text = re.search(r'<p class="text"[^>]*>(.*?)</p>', page, flags=re.S)[1]
    assert re.sub("<[^>]*>", "", text) == "After all, the orchard is far from lovely."
    shades = set(re.findall(r'class="([pn])\d"', text))
    assert shades == {"p", "n"}
    style = (ROOT / "reports/templates/style/explorer.css").read_text()
    assert "text-decoration-style: dotted" in style


def an_error():
    """A misclassified text, explained for the predicted class, the true one, and their difference."""
    a = attribution("a b c d", "t", ("x", "y"), 1, converged=True)
    assert (a.predicted, a.label) == ("x", "y")
    return [a, dataclasses.replace(a, target="y"), twice(a, "y")]


def test_an_error_is_explained_first_by_predicted_minus_true_then_by_the_predicted_class():
    by_class = an_error()
    for attributions in (by_class, by_class[::-1]):
        (card,) = cards(attributions, 1.0, random_pooler=False)
        assert [(entry.target, entry.against) for entry in card.entries] == [("x", "y"), ("x", ""), ("y", "")]


def test_a_correct_text_is_explained_first_by_the_predicted_class():
    attributions = [dataclasses.replace(a, label="x") for a in an_error()]
    (card,) = cards(attributions[::-1], 1.0, random_pooler=False)
    assert (card.entries[0].target, card.entries[0].against) == ("x", "")


def test_each_head_is_explained_apart():
    by_class = an_error()
    of_model = [dataclasses.replace(a, head="model", layer=None, pooling=None) for a in by_class]
    (card,) = cards([*by_class[:1], *of_model[:1], *by_class[2:], *of_model[2:]], 1.0, random_pooler=False)
    assert [entry.against for entry in card.entries] == ["y", "", "y", ""]
    assert len({entry.head for entry in card.entries[:2]}) == 1


def test_a_contrast_has_the_colours_of_its_own_scale():
    a, _, contrast = an_error()
    (card,) = cards([a, contrast], 1.0, random_pooler=False, contrast_score=2.0)
    first, second = card.entries
    assert [word.shade for word in first.words] == [word.shade for word in second.words]


def test_the_classifier_of_each_fine_tuned_model_is_named_on_its_card(fine_tuned, fine_tuned_page):
    words = Page(fine_tuned_page).words
    for named in ("Pooler head", "[CLS] head", "Mean head"):
        assert f"{named}:" in words
    assert "Probe on the mean vector of layer 4:" in words
    assert "Attributions by layer" not in words, "other models are no other layers"
    (card,) = cards(fine_tuned.attributions[::4], 1.0, random_pooler=False)
    assert len(card.entries) == 4
    assert "correct by the pooler head (a random sample)" in words


def test_token_states_are_pieces_never_words():
    analysis = checked(heads=("probe",))
    a = dataclasses.replace(analysis.attributions[0], states_layer=2)
    (card,) = cards([a], 1.0, random_pooler=False)
    (entry,) = card.entries
    assert entry.words == ()
    assert entry.strongest == ""
    assert entry.states == "token states at layer 2"
    assert [piece.text for piece in entry.pieces] == list(a.tokens)
    assert card.text == a.text
    html = render_report(dataclasses.replace(without_tables(analysis), attributions=(a,)))
    paragraph = re.search(r'<p class="text"[^>]*>(.*?)</p>', html, flags=re.S)[1]
    assert paragraph == a.text
    assert "no word of the text is coloured" in Page(html).words


def test_states_of_another_layer_are_no_other_layer_of_the_words():
    a = checked(heads=("probe",)).attributions[0]
    states = [dataclasses.replace(a, states_layer=layer) for layer in (1, 2)]
    (card,) = cards([a, *states], 1.0, random_pooler=False)
    assert [entry.states for entry in card.entries] == ["", "token states at layer 1", "token states at layer 2"]
    assert card.text == ""


def test_the_same_text_is_followed_through_the_layers():
    analysis = checked(heads=("probe",))
    first = [a for a in analysis.attributions if a.text_id == 0]
    (card,) = cards(first, 1.0, random_pooler=False)
    (entry,) = card.entries
    assert [a.layer for a in entry.attributions] == [CHOSEN, *(layer for layer in range(7) if layer != CHOSEN)]
    tables = {key: table for key, table in analysis.tables.items() if key.startswith("attributions_by_layer")}
    html = render_report(dataclasses.replace(analysis, tables=tables))
    assert html.count("Predicted by each layer&#39;s probe on the mean vector: ") == len(analysis.attributions) / 7
    words = words_of(html, "explained")
    probability = first[0].probabilities[first[0].predicted]
    assert f"{CHOSEN} {first[0].predicted} {100 * probability:.1f}" in entry.by_layer
    means = analysis.tables["attributions_by_layer_means"]
    correlations = means[(means["measure"] == "correlation") & (means["layer"] != CHOSEN)].set_index("layer")["value"]
    assert f"Attribution rankings of layer {CHOSEN} agree most with layer {correlations.idxmax()} (Spearman" in words
    assert f"and least with layer {correlations.idxmin()} (Spearman {correlations.min():.2f}" in words


def test_a_text_explained_at_one_layer_has_nothing_to_follow():
    a = attribution("a b", "t", ("x", "y"), 0, converged=True)
    (card,) = cards([a], 1.0, random_pooler=False)
    assert card.entries[0].by_layer == ""


def test_a_contrast_and_its_unit_are_named():
    a = attribution("a b", "t", ("x", "y"), 0, converged=True)
    analysis = dataclasses.replace(
        without_tables(result()), attributions=(dataclasses.replace(a, unit="probability", against="y"),)
    )
    words = words_of(render_report(analysis), "explained")
    assert "Explained: probability of x − probability of y ." in words
    assert "Scores are contributions to the difference of two classes' probability." in words
    plain = words_of(render_report(dataclasses.replace(analysis, attributions=(a,))), "explained")
    assert "Explained: x ." in plain
    assert "Scores are contributions to the logit of the class shown." in plain
    assert "x − " not in plain


def long_pair():
    """A pair of which both sides were cut, the first in the middle of a word."""
    a = attribution("good unbelievable film", "t", ("x", "y"), 0, converged=True)
    return dataclasses.replace(
        a,
        text="good unbelievable film",
        pair="bad plot too",
        tokens=("[CLS]", "good", "un", "[SEP]", "bad", "[SEP]"),
        scores=np.array([0, 1.0, 0.5, 0, -1, 0]),
        offsets=np.array([(-1, 0, 0), (0, 0, 4), (0, 5, 7), (-1, 0, 0), (1, 0, 3), (-1, 0, 0)]),
        words=("[CLS]", "good", "unbelievable", "[SEP]", "bad", "[SEP]"),
        word_scores=np.array([0, 1.0, 0.5, 0, -1, 0]),
        word_offsets=np.array([(-1, 0, 0), (0, 0, 4), (0, 5, 17), (-1, 0, 0), (1, 0, 3), (-1, 0, 0)]),
        truncated=True,
    )


def test_what_was_not_read_is_shown_where_reading_stopped_on_both_sides_of_a_pair():
    (card,) = cards([long_pair()], 1.0, random_pooler=False)
    words = [(word.text, word.shade) for word in card.entries[0].words]
    assert words == [
        ("good", "p8"),
        ("un", "p4"),
        ("believable film", "cut"),
        ("[SEP]", "special"),
        ("bad", "n8"),
        (" plot too", "cut"),
    ]
    assert not card.entries[0].truncated
    html = render_report(dataclasses.replace(without_tables(result()), attributions=(long_pair(),)))
    assert html.count('<span class="unseen">not seen</span>') == 2
    assert "the encoder did not read the rest" not in html


@pytest.mark.parametrize("length", [1, 100])
def test_a_beginning_that_was_not_read_is_shown_before_what_was(length):
    skipped, read = "left out " * length, "one two"
    n = len(skipped)
    a = attribution(read, "t", ("x", "y"), 0, converged=True)
    moved = a.offsets + np.where(a.offsets[:, :1] >= 0, [[0, n, n]], 0)
    a = dataclasses.replace(a, text=skipped + read, offsets=moved, word_offsets=moved, truncated=True)
    (card,) = cards([a], 1.0, random_pooler=False)
    (entry,) = card.entries
    first, *words = entry.words
    assert first.shade == "cut"
    assert first.text.endswith("left out")
    assert len(first.text) <= 240
    assert first.score == ("not seen" if length == 1 else "not seen, 899 characters")
    assert [(word.gap, word.text) for word in words] == [(" ", "one"), (" ", "two")]
    assert len(entry.word_rows) == 2
    assert not entry.truncated, "nothing is said of an end that was read"


def test_a_side_of_a_pair_that_was_not_read_at_all_is_shown_so():
    a = long_pair()
    positions = [0, 1, 2, 3, 5]
    a = dataclasses.replace(
        a,
        **{key: getattr(a, key)[positions] for key in ("scores", "offsets", "word_scores", "word_offsets")},
        tokens=tuple(a.tokens[i] for i in positions),
        words=tuple(a.words[i] for i in positions),
    )
    (card,) = cards([a], 1.0, random_pooler=False)
    assert [word.text for word in card.entries[0].words if word.shade == "cut"] == ["believable film", "bad plot too"]


def test_a_text_that_was_read_whole_shows_nothing_as_not_seen():
    (card,) = cards([dataclasses.replace(long_pair(), truncated=False)], 1.0, random_pooler=False)
    assert not [word for word in card.entries[0].words if word.shade == "cut"]
    assert card.entries[0].words[1].text == "unbelievable"


def test_a_long_rest_is_cut_and_counted():
    a = attribution("a b", "t", ("x", "y"), 0, converged=True)
    a = dataclasses.replace(a, text="a b " + "c" * 5000, truncated=True)
    (card,) = cards([a], 1.0, random_pooler=False)
    rest = card.entries[0].words[-1]
    assert len(rest.text) <= 240
    assert rest.score == "not seen, 5,001 characters"
