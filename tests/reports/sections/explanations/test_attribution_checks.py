"""What the page says of explanations: their checks, words over all texts, places that hold the score, layers."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from probes.results.result import Claim
from reports import render_report, warnings
from reports.cards import cards
from reports.charts.canvas import Label
from reports.charts.stacked_bars import stacked_bars
from reports.lookup import View
from reports.sections.explanations.attribution_checks import CHECKS, STANDING, TABLES
from reports.sections.explanations.randomisation import short_level
from reports.sections.page import SECTIONS, sections
from tests.support.pages import HOSTILE, Page
from tests.support.report_checks import CHOSEN, METHODS, WORDS, checked, with_means
from tests.support.report_result import attribution, result

QUESTIONS = (
    "Do the scores add up?",
    "Does the baseline lean to a class?",
    "Do the tokens ranked first matter?",
    "How much hangs on the baseline?",
    "Do the scores foretell what a change does?",
    "Does the decision fall, and come back, sooner than by chance?",
    "Does it find the marked reasons?",
    "Does it find a planted shortcut?",
    "Does it change when the weights are random?",
)
TABLE_OF = {
    "infidelity": QUESTIONS[4],
    "perturbation_curves": QUESTIONS[5],
    "baseline_agreement": QUESTIONS[3],
    "plausibility": QUESTIONS[6],
    "planted_shortcut": QUESTIONS[7],
    "parameter_randomisation": QUESTIONS[8],
    "faithfulness": QUESTIONS[2],
}


@pytest.fixture(scope="module")
def page():
    return render_report(checked())


def words_of(html, anchor):
    """The words of a section."""
    found = re.search(rf'<section id="{anchor}".*?</section>', html, flags=re.S)
    return Page(found[0]).words.replace("\u00a0", " ")


def part_of(made, question):
    """One check, the others not made."""
    return list(CHECKS.values())[QUESTIONS.index(question)](View(made))


def section_of(made, anchor):
    """One section, the others not made."""
    return SECTIONS[anchor][0](View(made))


def bare(made):
    """The same without the tables: nothing is drawn."""
    return dataclasses.replace(made, tables={})


def without(made, *, claims=(), tables=()):
    return dataclasses.replace(
        made,
        claims=tuple(c for c in made.claims if c.id not in claims),
        tables={key: table for key, table in made.tables.items() if key not in tables},
    )


def test_every_check_is_a_question_in_its_place(page):
    made = checked()
    trust = section_of(made, "trust")
    assert tuple(part.heading for part in trust.parts) == QUESTIONS
    assert all(part.sentences for part in trust.parts)


def test_no_table_of_the_checks_gets_a_section_of_its_own(page):
    anchors = [section.anchor for section in sections(checked())]
    assert anchors == ["layers", "floors", "classes", "explained", "words", "states", "trust", "encoder"]


def test_a_result_without_checks_has_only_the_one_that_needs_none():
    trust = section_of(result(), "trust")
    assert [part.heading for part in trust.parts] == ["Do the scores add up?"]
    html = render_report(bare(result()))
    for said in ("Comprehensiveness", "Planted shortcut", "Token states", "Checks of explanations", "Infidelity"):
        assert said not in html
    assert not re.search(r'id="(words|states)"', html)


@pytest.mark.parametrize("key", TABLE_OF)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_check_without_claims_and_rows_is_left_out(key, is_empty):
    made = checked()
    assert part_of(made, TABLE_OF[key]) is not None
    names = [table for table in TABLES if table in (key, f"{key}_means") and table in made.tables]
    bare = without(made, claims=(key,), tables=names)
    if is_empty:
        empty = {table: made.tables[table].iloc[:0] for table in names}
        bare = dataclasses.replace(bare, tables={**bare.tables, **empty})
    assert part_of(bare, TABLE_OF[key]) is None


def test_a_saved_result_gives_the_same_page_as_the_one_in_memory(tmp_path, page):
    from reports import write_report

    assert write_report(checked().save(tmp_path / "made")).read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("kind", "outcome", "heading", "opening"),
    [
        ("faithfulness", "above", QUESTIONS[2], "Yes. Over 24 texts: without the tokens ranked first by integrated"),
        ("faithfulness", "below", QUESTIONS[2], "No. Over 24 texts"),
        ("faithfulness", "cannot_tell", QUESTIONS[2], "Cannot tell. Over 24 texts"),
        (
            "baseline_bias",
            "uninformed",
            QUESTIONS[1],
            "No. With padding in the place of a text's tokens the probe says what",
        ),
        (
            "baseline_bias",
            "informed",
            QUESTIONS[1],
            "Yes. With padding in the place of a text's tokens the probe still leans",
        ),
        ("plausibility", "above", QUESTIONS[6], "Yes. In 22 texts with words that somebody marked as the reason"),
        ("plausibility", "below", QUESTIONS[6], "No. In 22 texts"),
        ("plausibility", "cannot_tell", QUESTIONS[6], "Cannot tell. In 22 texts"),
        ("planted_shortcut", "valid", QUESTIONS[7], "Yes. A rare word for each class (quartz, velvet)"),
        ("planted_shortcut", "not_learned", QUESTIONS[7], "Shortcut not learned."),
        ("parameter_randomisation", "changes", QUESTIONS[8], "Yes. With every weight random"),
        ("parameter_randomisation", "unchanged", QUESTIONS[8], "No. Even with every weight random"),
        ("parameter_randomisation", "cannot_tell", QUESTIONS[8], "Cannot tell. With every weight random"),
    ],
)
def test_an_outcome_answers_its_question(kind, outcome, heading, opening):
    assert part_of(checked(**{kind: outcome}), heading).sentences[0].startswith(opening)


@pytest.mark.parametrize(
    ("kind", "outcome"), [each for each in STANDING if each[0] in ("faithfulness", "parameter_randomisation")]
)
def test_the_verdict_counts_each_outcome_on_its_side(kind, outcome):
    trust = section_of(bare(checked(**{kind: outcome})), "trust")
    side, said = STANDING[kind, outcome]
    opening = {"for": "Speaks for them:", "against": "Speaks against them:", "open": "Cannot be told:"}[side]
    assert [sentence.startswith(opening) for sentence in trust.verdict if said in sentence] == [True]


def test_heads_that_differ_are_named_in_the_verdict():
    made = checked()
    of_model = [c.id == "faithfulness" and c.numbers["head"] == "model" for c in made.claims]
    claims = [
        dataclasses.replace(c, outcome="cannot_tell") if is_model else c
        for c, is_model in zip(made.claims, of_model, strict=True)
    ]
    trust = section_of(bare(dataclasses.replace(made, claims=tuple(claims))), "trust")
    assert "the tokens ranked first matter more than random ones (the probe)" in trust.verdict[0]
    assert (
        "whether the tokens ranked first matter more than random ones (the model's own classifier)" in trust.verdict[1]
    )


def test_the_other_methods_are_told_by_their_outcomes():
    made = checked(heads=("probe",))
    claims = [
        dataclasses.replace(c, outcome="cannot_tell") if c.numbers.get("method") == METHODS[2] else c
        for c in made.claims
    ]
    said = part_of(dataclasses.replace(made, claims=tuple(claims)), QUESTIONS[2]).sentences
    assert said[1] == "Other ways to explain the probe: yes by occlusion; cannot tell by gradient norm."


def test_an_informed_baseline_is_a_care_of_the_first_screen():
    assert not any("leans" in care for care in warnings(checked()))
    cares = warnings(checked(baseline_bias="informed", heads=("probe",)))
    assert [care for care in cares if "leans" in care] == [
        "With padding in the place of a text's tokens the probe still leans to a class in 15 of 24 texts (mean "
        "distance 0.08, where 0 is none and 1 the most). Scores count from there: they leave out what the baseline "
        "already says."
    ]


def test_each_method_stands_beside_random_orders_with_its_interval(page):
    table = checked(heads=("probe",)).tables["faithfulness"]
    own = table[(table["method"] == "occlusion") & (table["order"] == "attribution")]["comprehensiveness"]
    (drawing,) = part_of(checked(heads=("probe",)), QUESTIONS[2]).drawings
    assert f"occlusion, without the first tokens: more is better: {100 * own.mean():.1f}, random " in drawing.svg
    (numbers,) = part_of(checked(heads=("probe",)), QUESTIONS[2]).tables
    assert [row[1] for row in numbers.rows] == ["integrated gradients", "occlusion", "gradient norm"]
    assert numbers.folded


def test_methods_whose_intervals_overlap_are_not_told_apart():
    made = checked(heads=("probe",), methods=METHODS[:2])
    apart, alike = (
        pd.DataFrame(
            {
                "task": "sentiment",
                "head": "probe",
                "method": np.repeat(METHODS[:2], 24),
                "text_id": np.tile(np.arange(24), 2),
                "value": np.concatenate([np.linspace(0, 1, 24), np.linspace(shift, 1 + shift, 24)]),
            }
        )
        for shift in (5.0, 0.1)
    )
    said = [
        part_of(
            with_means(dataclasses.replace(made, tables={**made.tables, "infidelity": each})), QUESTIONS[4]
        ).sentences[0]
        for each in (apart, alike)
    ]
    assert said[0].endswith(": the least of all methods.")
    assert said[1].endswith("Cannot tell which is better: the intervals overlap.")


def test_a_single_methods_infidelity_means_little():
    said = part_of(checked(methods=METHODS[:1], heads=("probe",)), QUESTIONS[4]).sentences[0]
    assert "means little without another method beside it" in said


def test_a_shortcut_that_was_not_learned_shows_no_ranks():
    valid, not_learned = (
        part_of(checked(planted_shortcut=outcome), QUESTIONS[7]) for outcome in ("valid", "not_learned")
    )
    assert valid.drawings
    assert valid.tables
    assert "in 95.0 % (95 % interval 87.0 to 99.0) of the texts; chance would in 9.0 %" in valid.sentences[0].replace(
        "\u00a0", " "
    )
    assert not not_learned.drawings
    assert not not_learned.tables
    (said,) = not_learned.sentences
    assert "only 62.0 % of its decisions on 80 texts follow the word" in said.replace("\u00a0", " ")
    assert "where a method ranks it means nothing: no ranks are shown" in said
    assert "95.0" not in said.replace("\u00a0", " ")
    trust = section_of(bare(checked(planted_shortcut="not_learned")), "trust")
    assert "none was learned" in trust.verdict[-1]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("intact", "none"),
        ("blocks 4 to 6", "4–6"),
        ("block 6", "6"),
        ("all blocks", "all"),
        ("embeddings too", "all, emb."),
    ],
)
def test_a_depth_is_written_short_under_its_axis(level, shown):
    assert short_level(level) == shown


def test_a_method_without_a_sum_is_not_said_to_miss_it():
    made = result(converged=False)
    free = [
        dataclasses.replace(a, method="occlusion", convergence_delta=None, converged=None) for a in made.attributions
    ]
    made = dataclasses.replace(made, attributions=tuple(free))
    words = words_of(render_report(bare(made)), "trust")
    assert "This method's scores have no sum to meet" in words
    assert "add up:" not in words
    assert not any("converge" in care for care in warnings(made))


def test_words_are_drawn_from_the_firmest_on_both_sides(page):
    words = words_of(page, "words")
    assert "Means over 400 test texts drawn at random, with 95 % intervals." in words
    assert "What speaks most for positive: “" in words
    assert "; against it “" in words
    assert "chosen. How many texts hold a word" in words
    assert "weak ground: one text" in words
    single = [word for i, word in enumerate(WORDS) if (7 * i) % 23 == 0]
    assert single
    figures = " ".join(re.findall(r"<svg[^>]*words-\d-\d-title.*?</svg>", page, flags=re.S))
    assert not [word for word in single if f">{word}<" in figures]


def test_words_without_firm_ground_are_not_told():
    made = checked(heads=("probe",))
    shaky = made.tables["word_means"].assign(n_texts=1, lower=float("nan"), upper=float("nan"), reliable=False)
    section = section_of(dataclasses.replace(made, tables={"word_means": shaky}), "words")
    assert section.verdict[1:] == ("For negative and positive no word is in texts enough to tell.",)
    assert section.parts[0].drawings == ()
    assert section.parts[0].tables[0].rows


def test_many_classes_of_words_are_in_the_table_alone():
    classes = tuple(f"class {i}" for i in range(9))
    section = section_of(checked(tasks={"fine": classes}, heads=("probe",)), "words")
    assert len(section.parts[0].drawings) == 6
    assert section.verdict[-1] == "The table holds class 6, class 7 and class 8, too."
    assert {row[0] for row in section.parts[0].tables[0].rows} == set(classes)


def test_the_number_of_texts_is_left_out_where_the_settings_do_not_tell_it():
    section = section_of(dataclasses.replace(checked(heads=("probe",)), settings={}), "words")
    assert section.verdict[0] == "Means over test texts drawn at random, with 95 % intervals."


def test_hostile_words_become_text():
    texts = ("The lamps are fine.", *HOSTILE[:3])
    made = checked(word_list=HOSTILE, texts=texts, tasks={HOSTILE[0]: HOSTILE[1:4], HOSTILE[4]: HOSTILE[5:7]})
    html = render_report(made)
    page = Page(html)
    assert [attributes for tag, attributes in page.elements if tag == "script" and "type" not in attributes] == [{}]
    assert not {"img", "base", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert "<script>alert(1)</script>" in words_of(html, "words")
    assert not re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066\u2067]", html
    )


def test_states_are_said_to_be_places_and_the_special_tokens_of_the_input_to_be_zero(page):
    words = words_of(page, "states")
    assert (
        "Of the score of the probe on the mean vector of layer 4, the states of layer 4 hold: content words 51.0 %"
        in words
    )
    assert "At layer 0 it was [CLS] 0.0 % and [SEP] 0.0 %." in words
    assert "These are places in the network, not input words" in words
    assert "At the input [CLS] and [SEP] are 0 by construction" in words
    assert len(re.findall(r"<svg[^>]*states-\d-\d-title", page)) == 3


def test_bars_of_shares_keep_their_room_beside_a_long_name():
    frame = pd.DataFrame({"layer": [0, 1], "kind": "k" * 400, "share": 1.0})
    assert "<svg" in stacked_bars(frame, Label("s", "t", "d"))


def test_bars_of_shares_reach_the_whole():
    rows = [(layer, kind, share) for layer in (0, 1, 2) for kind, share in (("content", 0.7), ("[CLS]", 0.3))]
    svg = stacked_bars(pd.DataFrame(rows, columns=["layer", "kind", "share"]), Label("s", "t", "d"))
    heights: dict[str, list[float]] = {"--ramp-4": [], "--cls": []}
    for path, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', svg):
        for key, found in heights.items():
            if f"fill: var({key}" in style:
                ys = [float(y) for _, y in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
                found.append(max(ys) - min(ys))
    assert len(heights["--cls"]) == len(heights["--ramp-4"]) == 3
    np.testing.assert_allclose(np.array(heights["--ramp-4"]) / np.array(heights["--cls"]), 7 / 3, rtol=1e-4)


def test_token_states_are_pieces_never_words():
    made = checked(heads=("probe",))
    a = dataclasses.replace(made.attributions[0], states_layer=2)
    (card,) = cards([a], 1.0, random_pooler=False)
    (entry,) = card.entries
    assert entry.words == ()
    assert entry.strongest == ""
    assert entry.states == "token states at layer 2"
    assert [piece.text for piece in entry.pieces] == list(a.tokens)
    assert card.text == a.text
    html = render_report(dataclasses.replace(bare(made), attributions=(a,)))
    shown = re.search(r'<p class="text"[^>]*>(.*?)</p>', html, flags=re.S)[1]
    assert shown == a.text
    assert "no word of the text is coloured" in Page(html).words


def test_states_of_another_layer_are_no_other_layer_of_the_words():
    a = checked(heads=("probe",)).attributions[0]
    states = [dataclasses.replace(a, states_layer=layer) for layer in (1, 2)]
    (card,) = cards([a, *states], 1.0, random_pooler=False)
    assert [entry.states for entry in card.entries] == ["", "token states at layer 1", "token states at layer 2"]
    assert card.text == ""


def test_the_two_heads_of_a_text_are_told_by_their_correlation(page):
    correlation = checked().tables["explained_head_agreement"]["correlation"].iloc[0]
    words = words_of(page, "explained")
    assert f"Rank correlation of the two heads' scores: {correlation:.2f}." in words
    assert "rest on like tokens: rank correlation 0.58 on average (95 % interval 0.47 to 0.69, 24 texts)" in words


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("above", "rest on like tokens"), ("below", "rest on different tokens"), ("cannot_tell", "Cannot tell whether")],
)
def test_whether_the_heads_agree_is_told_by_its_outcome(outcome, said):
    assert said in section_of(checked(explained_head_agreement=outcome), "explained").verdict[1]


def test_the_same_text_is_followed_through_the_layers():
    made = checked(heads=("probe",))
    first = [a for a in made.attributions if a.text_id == 0]
    (card,) = cards(first, 1.0, random_pooler=False)
    (entry,) = card.entries
    assert [a.layer for a in entry.attributions] == [CHOSEN, *(layer for layer in range(7) if layer != CHOSEN)]
    kept = {key: table for key, table in made.tables.items() if key.startswith("attributions_by_layer")}
    html = render_report(dataclasses.replace(made, tables=kept))
    assert html.count("Predicted by each layer&#39;s probe on the mean vector: ") == len(made.attributions) / 7
    words = words_of(html, "explained")
    sure = first[0].probabilities[first[0].predicted]
    assert f"{CHOSEN} {first[0].predicted} {100 * sure:.1f}" in entry.by_layer
    assert "Through the layers: compared with layer 4, the tokens are ranked least alike at layer 0" in words


def test_a_text_explained_at_one_layer_has_nothing_to_follow():
    a = attribution("a b", "t", ("x", "y"), 0, converged=True)
    (card,) = cards([a], 1.0, random_pooler=False)
    assert card.entries[0].by_layer == ""


def test_a_contrast_and_its_unit_are_named():
    a = attribution("a b", "t", ("x", "y"), 0, converged=True)
    made = dataclasses.replace(bare(result()), attributions=(dataclasses.replace(a, unit="probability", against="y"),))
    words = words_of(render_report(made), "explained")
    assert "Explained: probability of x minus probability of y ." in words
    assert (
        "the probability of the class named first under the text minus the probability of the one named second" in words
    )
    plain = words_of(render_report(dataclasses.replace(made, attributions=(a,))), "explained")
    assert "Explained: x ." in plain
    assert "the logit of the class named under the text" in plain
    assert "minus" not in plain


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
    shown = [(word.text, word.shade) for word in card.entries[0].words]
    assert shown == [
        ("good", "p8"),
        ("un", "p4"),
        ("believable film", "cut"),
        ("[SEP]", "special"),
        ("bad", "n8"),
        (" plot too", "cut"),
    ]
    assert not card.entries[0].truncated
    html = render_report(dataclasses.replace(bare(result()), attributions=(long_pair(),)))
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
    first, *others = entry.words
    assert first.shade == "cut"
    assert first.text.endswith("left out")
    assert len(first.text) <= 240
    assert first.score == ("not seen" if length == 1 else "not seen, 899 characters")
    assert [(word.gap, word.text) for word in others] == [(" ", "one"), (" ", "two")]
    assert len(entry.word_rows) == 2
    assert not entry.truncated, "nothing is said of an end that was read"


def test_a_side_of_a_pair_that_was_not_read_at_all_is_shown_so():
    a = long_pair()
    kept = [0, 1, 2, 3, 5]
    a = dataclasses.replace(
        a,
        **{key: getattr(a, key)[kept] for key in ("scores", "offsets", "word_scores", "word_offsets")},
        tokens=tuple(a.tokens[i] for i in kept),
        words=tuple(a.words[i] for i in kept),
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


def test_methods_and_glossary_hold_what_the_page_shows(page):
    words = Page(page).words
    for said in (
        "DeYoung et al. (2020)",
        "Bastings et al. (2022)",
        "Adebayo et al. (2018)",
        "Yeh et al. (2019)",
        "Petsiuk, Das & Saenko (2018)",
        "Zeiler & Fergus (2013)",
        "Comprehensiveness Probability that a class loses",
        "Token states A layer's vectors",
    ):
        assert said in words
    assert "Bastings" not in render_report(bare(checked()))


def test_every_drawing_of_the_page_has_a_name_and_a_description(page):
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.S):
        anchor = re.search(r'aria-labelledby="([\w-]+)-title', drawing)[1]
        title, described = (re.search(f'<{key} id="{anchor}-{key}">([^<]+)<', drawing) for key in ("title", "desc"))
        assert len(title[1]) > 5
        assert len(described[1]) > 5


def test_ids_are_unique_and_every_reference_is_met(page):
    ids = [attributes["id"] for _, attributes in Page(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', page)) <= set(ids)


def test_two_label_columns_are_told_apart():
    made = checked(tasks={"sentiment": ("negative", "positive"), "topic": ("arts", "sport", "war")}, heads=("probe",))
    said = part_of(made, QUESTIONS[2]).sentences
    assert said[0].startswith("sentiment: Yes. ")
    assert said[2].startswith("topic: yes. ")
    assert part_of(made, QUESTIONS[2]).tables[0].columns[:2] == ("task", "head")


def test_a_claim_of_an_unknown_outcome_is_told_still():
    odd = Claim(
        "parameter_randomisation",
        "odd",
        "sentiment",
        {"head": "probe", "method": "new", "correlation": 0.5, "n": 3},
        None,
    )
    made = dataclasses.replace(bare(result()), claims=(odd,), attributions=())
    (said,) = part_of(made, QUESTIONS[8]).sentences
    assert said.startswith("Odd. With every weight random, the ranking by new for the probe correlates 0.50")
