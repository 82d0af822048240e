"""What the page of `heads` says and draws: the questions in words, and the figures behind them."""

import dataclasses
import re
import subprocess
import sys

import pandas as pd
import pytest

from probes.results.result import AnalysisResult, Claim
from reports import render_report
from reports.cards import cards
from reports.charts import lines
from reports.charts.canvas import Label
from reports.charts.erasure_map import erasure_map
from reports.charts.lines import LineOptions
from reports.charts.styles import styles_of_heads
from reports.lookup import View
from reports.sections import page as page_module
from reports.sections.classifier import erasure
from reports.sections.classifier import fine_tuning as tuned_sections
from reports.sections.classifier.questions import QUESTIONS
from reports.sections.overview import answers
from tests.support.pages import HOSTILE, Page
from tests.support.paths import ROOT
from tests.support.report_heads import COLUMNS, tuned, with_erasure
from tests.support.report_result import result

IN_CLAIMS = {"fine_tuned_head_agreement", "fine_tuned_faithfulness"}
"""Tables with a row for each text, whose means stand in claims."""
READS, HOLDS, TRAINED, MEAN, USED, SAME, CLUSTERS = QUESTIONS


@pytest.fixture(scope="module")
def made():
    return tuned()


@pytest.fixture(scope="module")
def page(made):
    return render_report(made)


def said(made, question):
    """The answer to a question, as it stands."""
    return [each.replace("\u00a0", " ") for each in QUESTIONS[question][0](View(made))]


def words_of(html, anchor):
    found = re.search(rf'<section id="{anchor}".*?</section>', html, flags=re.S)
    return Page(found[0]).words.replace("\u00a0", " ")


def without(made, *, tables=(), claims=()):
    return dataclasses.replace(
        made,
        tables={key: frame for key, frame in made.tables.items() if key not in tables},
        claims=tuple(c for c in made.claims if c.id not in claims),
    )


def test_the_page_opens_with_its_question_the_score_and_the_answers(page, made):
    words = Page(page).words.replace("\u00a0", " ")
    assert "How does all-MiniLM-L6-v2, as a classifier of “sentiment”, use its [CLS] vector?" in words
    assert (
        "fine-tuned three times from the same weights, with a classifier that reads the pooler, [CLS] or the mean"
        in words
    )
    assert "was left as it is" not in words
    assert (
        "above the best frozen probe Fine-tuned with the mean head, it is right on 88.9 % of 1,821 test texts (mean of "
        "3 seeds; 95 % interval 87.5 to 90.3)." in words
    )
    assert "5.3 points (3.8 to 6.8) above the best probe of the frozen pretrained encoder, on the mean vector" in words
    anchors = [section.anchor for section in page_module.sections(made)]
    assert anchors[:9] == ["questions", "used", "tuned", "entry", "moved", "fills", "without", "same", "training"]


@pytest.mark.parametrize(
    ("outcome", "bounds", "expected"),
    [
        ("above", (0.038, 0.068), "That is 5.3 points (3.8 to 6.8) above the best probe of the frozen"),
        ("below", (-0.068, -0.038), "That is 5.3 points (3.8 to 6.8) below the best probe of the frozen"),
        ("cannot_tell", (-0.01, 0.03), "Cannot tell it from the best probe of the frozen pretrained encoder"),
    ],
)
def test_fine_tuning_stands_above_below_or_beside_the_best_frozen_probe(outcome, bounds, expected):
    gain = -0.053 if outcome == "below" else 0.053
    (block,) = answers(tuned(fine_tuning_gain=(outcome, gain, bounds)))
    assert any(each.replace("\u00a0", " ").startswith(expected) for each in block.sentences)
    badge = {"above": "above the", "below": "below the", "cannot_tell": "not told apart from the"}[outcome]
    assert block.standing == f"{badge} best frozen probe"
    assert block.good == (outcome == "above")


@pytest.mark.parametrize(
    ("outcome", "gap", "bounds", "expected"),
    [
        (
            "above",
            0.021,
            (0.01, 0.032),
            "The pooled output does better: right on 88.1 % with the pooled output and 88.7 %",
        ),
        ("below", -0.021, (-0.032, -0.01), "The hidden state alone does better: right on"),
        ("cannot_tell", 0.001, (-0.01, 0.012), "Cannot tell which is better: right on"),
    ],
)
def test_pooled_output_or_hidden_state(outcome, gap, bounds, expected):
    first, second = said(tuned(pooler_in_cls=(outcome, gap, bounds)), READS)
    assert first == (
        "The standard classifier of BERT reads the pooled output: tanh of one linear layer over the last hidden state "
        "of [CLS], and of no other token."
    )
    assert second.startswith(expected)
    told = {"above": "+2.1 points (1.0 to 3.2)", "below": "−2.1 points (−3.2 to −1.0)"}
    assert told.get(outcome, "+0.1 points (−1.0 to 1.2)") in second


@pytest.mark.parametrize(
    ("pooler", "mean", "expected"),
    [
        ("above", "above", "It is trained, but not for that reason alone"),
        ("above", "below", "So it seems: it gains where the loss enters through it, and loses"),
        ("above", "cannot_tell", "It gains where the loss enters through it; cannot tell"),
        ("cannot_tell", "above", "Not for that reason"),
        ("cannot_tell", "cannot_tell", "Cannot tell that the task trains it"),
    ],
)
def test_whether_cls_is_trained_because_the_loss_enters_there(pooler, mean, expected):
    some = (pooler, 0.1, (0.08, 0.12))
    made = tuned(cls_change=some, cls_change_in_mean=(mean, 0.05, (0.03, 0.07)))
    assert said(made, TRAINED)[0].startswith(expected)


def test_where_the_loss_enters_and_what_adam_makes_of_it(made):
    told = " ".join(said(made, TRAINED))
    assert (
        "[CLS] gets 100.0 % with the pooler head, 100.0 % with the [CLS] head and 5.0 % (4.0 to 6.0) with the mean"
        in told
    )
    end = told.split("at layer 0 [CLS] has ")[1]
    assert re.match(
        r"8\.0 % \(\d+\.\d to \d+\.\d\) of it, content tokens 74\.0 % \(\d+\.\d to \d+\.\d\) \(heads in", end
    )
    assert "+11.5 points (9.7 to 13.3) with the pooler head" in told
    assert (
        "212.0 times the gradient of the median row; as it stands in every text, that is 0.8 times for each occurrence"
        in told
    )
    assert "Adam's step size hardly depends on the gradient's" in told


@pytest.mark.parametrize(
    ("outcome", "expected", "told"),
    [
        (
            "cannot_tell",
            "Cannot tell: after fine-tuning these texts give no reason",
            "Cannot tell the mean head from the",
        ),
        (
            "below",
            "No reason: after fine-tuning the mean does better.",
            "The mean head is right more often than the [CLS]",
        ),
        (
            "above",
            "Because after fine-tuning it does worse.",
            "The mean head is right less often than the [CLS] head, by",
        ),
    ],
)
def test_why_not_the_mean(outcome, expected, told):
    bounds = {"above": (0.01, 0.03), "below": (-0.03, -0.01), "cannot_tell": (-0.01, 0.03)}[outcome]
    gap = (outcome, -0.02 if outcome == "below" else 0.02, bounds)
    first, second, third = said(tuned(cls_in_mean=gap, pooler_in_mean=gap), MEAN)
    assert first.startswith(expected)
    assert second.startswith(told)
    assert "(1.0 to 3.0)" in second or outcome == "cannot_tell"
    assert re.search(
        r"\(Mosbach et al\. 2020\): a probe on the pretrained last layer's mean is right on 81\.6 % "
        r"\(\d+\.\d to \d+\.\d\), "
        r"on its \[CLS\] on 77\.2 % \(\d+\.\d to \d+\.\d\)",
        third,
    )
    assert "83.4 % (81.6 to 85.1)" in third


def test_heads_of_which_one_is_better_and_one_cannot_be_told_make_no_one_answer():
    gaps = {"cls_in_mean": ("below", -0.02, (-0.03, -0.01)), "pooler_in_mean": ("cannot_tell", 0.0, (-0.01, 0.01))}
    assert said(tuned(**gaps), MEAN)[0] == "It depends on what it is set beside."


@pytest.mark.parametrize(
    ("outcome", "excess", "bounds", "first", "second"),
    [
        (
            "above",
            0.382,
            (0.355, 0.409),
            "Yes: erased where",
            "Erasing the label where that costs most takes 38.6 points",
        ),
        ("cannot_tell", 0.004, (-0.01, 0.018), "Cannot tell: erasing", "Cannot tell it from chance: erasing the label"),
        ("below", -0.02, (-0.03, -0.01), "Cannot tell: erasing", "Less than by chance: erasing the label"),
    ],
)
def test_whether_what_is_encoded_is_used(outcome, excess, bounds, first, second):
    told = said(tuned(erasure=(outcome, excess, bounds)), USED)
    assert told[0].startswith(first)
    assert told[1].startswith(second)
    assert "from the pooler head ([CLS] of layer 6, 0.61 bits read; " in told[1]
    assert "Random subspaces of equal rank and displacement cost 0.4 points there, a shuffled label 0.1." in told
    assert any("of 13 places for the pooler head" in each for each in told)
    assert told[-1].endswith("a head may read the label again from other tokens.")


def test_a_head_that_uses_the_label_is_told_from_one_of_which_that_cannot_be_told(made):
    claims = tuple(
        dataclasses.replace(c, outcome="cannot_tell") if c.id == "erasure" and c.numbers["head"] == "mean" else c
        for c in made.claims
    )
    assert said(dataclasses.replace(made, claims=claims), USED)[0] == (
        "In part: it is missed by the pooler head and the [CLS] head; cannot tell that it is by the mean head."
    )


def test_from_which_layer_on_cls_is_needed(made):
    (told,) = (each for each in said(made, USED) if each.startswith("With [CLS] replaced"))
    assert "the pooler head from layer 2 on (at most 39.0 points, 37.8 to 40.2, at layer 6)" in told
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, "first_layer": None}) if c.id == "ablation" else c
        for c in made.claims
    )
    (told,) = (each for each in said(dataclasses.replace(made, claims=claims), USED) if each.startswith("With [CLS]"))
    assert "the mean head at no layer that these texts tell" in told


@pytest.mark.parametrize(
    ("outcome", "bounds", "first", "second"),
    [
        (
            "above",
            (0.51, 0.71),
            "To a degree: the highest rank correlation of two is 0.62",
            "They rank a text's tokens alike",
        ),
        ("cannot_tell", (-0.1, 0.3), "Cannot tell that they do", "Cannot tell whether they rank a text's tokens alike"),
        ("below", (-0.71, -0.51), "Cannot tell that they do", "They rank a text's tokens against each other"),
    ],
)
def test_whether_the_heads_look_at_the_same_tokens(outcome, bounds, first, second):
    told = said(tuned(fine_tuned_head_agreement=(outcome, 0.62, bounds)), SAME)
    assert told[0].startswith(first)
    assert told[1].startswith(second)
    assert "pooler and [CLS] 0.62 (" in told[1]
    assert told[2].startswith("Without the tokens ranked first more is lost than without random ones: +2")


@pytest.mark.parametrize(
    ("outcome", "bounds", "expected"),
    [
        ("above", (0.18, 0.22), "more is lost"),
        ("cannot_tell", (-0.01, 0.01), "Cannot tell whether more is lost"),
        ("below", (-0.22, -0.18), "less is lost"),
    ],
)
def test_faithfulness_is_told_beside_random_orders(outcome, bounds, expected):
    assert expected in said(tuned(fine_tuned_faithfulness=(outcome, sum(bounds) / 2, bounds)), SAME)[-1]


def test_no_clusters_in_a_plot_are_explained_by_what_a_line_finds(made):
    first, second, third, fourth = said(made, CLUSTERS)
    assert first.startswith("The classes do lie apart there")
    assert "right on 77.2 % before, on 88.7 % with the pooler head (+11.5 points; 9.7 to 13.3)" in second
    assert third.endswith("0.31 with the pooler head, 0.31 with the [CLS] head and 0.31 with the mean head.")
    assert "its probe is right on 49.9 %, as the majority is." in fourth
    flat = ("cannot_tell", 0.002, (-0.01, 0.014))
    told = said(tuned(cls_change=flat, cls_change_in_mean=flat), CLUSTERS)
    assert told[0].startswith("As these numbers lead one to expect")
    assert told[1].startswith("Cannot tell whether fine-tuning changed")


def test_how_cls_fills_is_told_beside_an_untrained_encoder(made):
    told = " ".join(said(made, HOLDS))
    assert told.startswith("By attention: [CLS] enters as the same vector whatever the text")
    assert "From layer 1 on more than half of what varies in [CLS] can be foretold" in told
    assert "At the last layer R² is 0.67, 0.64 in an untrained encoder and −0.01 for shuffled pairs." in told
    assert "its own state makes 62.0 % (61.0 to 63.0) in the first block and 31.0 % (30.0 to 32.0) in the last" in told
    fuller = {"untrained_last_r2": 0.9, "first_layer": None}
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, **fuller}) if c.id == "cls_predictability" else c
        for c in made.claims
    )
    told = " ".join(said(dataclasses.replace(made, claims=claims), HOLDS))
    assert "At no layer more than half of what varies in [CLS] can be foretold" in told
    assert "random weights fill it as far; that it fills is no sign of training" in told


def test_a_pooler_that_was_random_is_called_so_only_before_fine_tuning(made):
    absent = Claim("random_pooler", "random", numbers={"reason": "its bias is exactly zero"})
    random = dataclasses.replace(made, claims=(*made.claims, absent))
    assert said(random, READS)[-1] == (
        "The pooler of this encoder was never pretrained (its bias is exactly zero): fine-tuning begins with a random "
        "one."
    )
    curves, changed = tuned_sections.before_and_after(View(random)).parts
    assert "Before fine-tuning it is a random layer: it was never trained." in curves.notes
    assert {row[1] for table in (curves.tables[0], changed.tables[0]) for row in table.rows} == {
        "[CLS]",
        "mean",
        "pooler",
    }


def test_a_given_classifier_is_asked_where_it_reads():
    made = dataclasses.replace(tuned(heads=("checkpoint",), explained=False), tables={})
    words = Page(render_report(made)).words.replace("\u00a0", " ")
    assert "As it was given, the classifier is right on 88.4 % of 1,821 test texts" in words
    assert "A classifier that was fine-tuned before is set beside the encoder it began as." in words
    assert "The last hidden state of [CLS], and no other token's: there 100.0 % of the loss gradient enters." in words
    assert "Cannot tell of this classifier: none on the mean stands beside it." in words
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, "last_cls": 0.2}) if c.id == "gradient_shares" else c
        for c in made.claims
    )
    assert said(dataclasses.replace(made, claims=claims), READS)[0].startswith("Not the last [CLS] alone: there 20.0 %")


def test_an_encoder_that_was_frozen_is_not_called_fine_tuned(made):
    still = made.tables["parameter_change"].assign(change=0.0, relative=0.0)
    words = Page(render_report(dataclasses.replace(made, tables={"parameter_change": still}, attributions=()))).words
    assert "On one encoder, left as it is, classifiers were trained that read the pooler, [CLS] and the mean." in words
    assert "no parameter of it moved" in words


@pytest.mark.parametrize("start", range(3))
def test_any_table_may_be_absent(made, start):
    some = list(COLUMNS)[start::3]
    words = Page(render_report(without(made, tables=some))).words
    assert "The questions, answered" in words
    assert "Provenance" in words


@pytest.mark.parametrize("key", sorted(set(COLUMNS) - IN_CLAIMS))
def test_a_table_that_stands_alone_is_drawn_by_its_section(made, key):
    alone = dataclasses.replace(made, tables={key: made.tables[key]}, claims=(), attributions=())
    shown = page_module.sections(alone)
    assert len(shown) == 1
    assert not shown[0].anchor.startswith("table-")


def test_any_claim_may_be_absent(made):
    kinds = {c.id for c in made.claims}
    for kind in kinds:
        left = without(made, tables=made.tables, claims=(kind,))
        assert "Provenance" in render_report(dataclasses.replace(left, attributions=()))
    bare = without(made, claims=kinds, tables=set(COLUMNS) - {"erasure"})
    words = Page(render_report(bare)).words
    assert "The questions, answered" not in words
    assert "Encoded, and used?" in words
    empty = dataclasses.replace(made, tables={}, claims=(), attributions=())
    assert "Provenance" in render_report(empty)


def test_numbers_that_are_missing_leave_no_nan_in_the_words(made):
    claims = tuple(
        dataclasses.replace(
            c, numbers={k: v if isinstance(v, str) else None for k, v in c.numbers.items()}, interval=None
        )
        for c in made.claims
        if c.id
        in (
            "cls_change",
            "erasure",
            "frozen_probe",
            "cls_predictability",
            "attention_contributions",
            "gradient_shares",
            "cls_embedding_gradient",
            "ablation",
            "fine_tuned_head_agreement",
        )
    )
    scores = tuple(c for c in made.claims if c.id == "fine_tuned_accuracy")
    bare = dataclasses.replace(made, claims=(*scores, *claims), tables={})
    words = Page(render_report(dataclasses.replace(bare, attributions=()))).words
    assert not {"nan", "None"} & set(re.split(r"\W+", words))


def test_every_answer_links_to_a_section_that_is_there(page, made):
    ids = {a["id"] for _, a in Page(page).elements if "id" in a}
    links = re.findall(r'The numbers: <a href="#([^"]+)">', page)
    assert len(links) == len(QUESTIONS)
    assert set(links) <= ids
    few = render_report(without(made, tables=set(COLUMNS) - {"fine_tuned_layers", "gradient_shares"}))
    assert re.findall(r'The numbers: <a href="#([^"]+)">', few) == ["entry", "tuned", "same", "tuned"]


def test_ids_are_unique_and_every_drawing_has_a_text_alternative(page):
    ids = [a["id"] for _, a in Page(page).elements if "id" in a]
    assert len(ids) == len(set(ids))
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(drawings) > 20
    for svg in drawings:
        assert re.search(r"<title[^>]*>[^<]{10,}</title>", svg)
        assert re.search(r"<desc[^>]*>[^<]{10,}</desc>", svg)
        assert not re.search(r"#0[123]0[0-9a-f]{3}\b", svg)


def test_the_map_stands_first_and_names_every_place_and_its_controls(page):
    drawing = re.search(r"<svg.*?</svg>", page, flags=re.S)[0]
    assert "answer-used-title" in drawing
    assert "[CLS] layer 6: 0.61 bits read, 38.6 points lost" in drawing.replace("\u00a0", " ")
    for text in ("[CLS]", "mean", "shuffled label", "random", "bits of the label that a probe reads there"):
        assert f">{text}<" in drawing
    assert [drawing.count(f">{layer}<") >= 2 for layer in range(7)] == [True] * 7
    assert "var(--cls" in drawing
    assert "var(--mean" in drawing
    words = words_of(page, "used")
    assert "The height of a point is the loss through that vector only." in words
    assert "subspaces of equal rank and equal mean displacement" in words


def test_the_map_has_a_point_for_each_place_where_it_belongs():
    points = pd.DataFrame(
        {
            "pooling": ["cls", "cls"],
            "layer": [0, 1],
            "bits": [0.0, 0.5],
            "accuracy_loss": [0.0, 40.0],
            "lower": -1,
            "upper": 41,
        }
    )
    none = pd.DataFrame({"eraser": [], "bits": [], "accuracy_loss": []})
    svg = erasure_map(points, none, Label("m", "t", "d"), quantity="lost", limits=(0.0, 40.0))
    numbers = {text: (float(x), float(y)) for x, y, text in _placed(svg) if text in "01"}
    assert numbers["1"][0] > numbers["0"][0]
    assert numbers["1"][1] < numbers["0"][1], "upwards is more"
    assert ">random<" not in svg
    assert ">shuffled label<" not in svg


def _placed(svg):
    """x, y and words of the texts inside markers, which are centred."""
    return re.findall(r'text-anchor: middle[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', svg)


def test_another_label_that_was_erased_has_its_own_map():
    made = tuned(explained=False)
    other = made.tables["erasure"].assign(label="topic", lost=0.0)
    both = dataclasses.replace(made, tables={**made.tables, "erasure": pd.concat([made.tables["erasure"], other])})
    section = erasure.section(View(both))
    assert [part.heading for part in section.parts] == ["Erased: sentiment", "Erased: topic"]
    assert [len(part.drawings) for part in section.parts] == [3, 3]


def test_a_run_that_erased_has_its_map_after_the_layers_and_none_of_the_questions():
    made = dataclasses.replace(with_erasure(), attributions=())
    anchors = [section.anchor for section in page_module.sections(made)]
    assert anchors[:3] == ["layers", "used", "floors"]
    assert "questions" not in anchors
    html = render_report(made)
    assert "model's own classifier: points lost" in Page(html).words.replace("\u00a0", " ")
    assert "The encoder turns a text into vectors" in Page(html).words
    assert "arXiv:2306.03819" in html


def test_a_thick_line_is_the_mean_of_the_units_as_far_as_all_went():
    frame = pd.DataFrame({"series": "cls", "x": [1, 2, 1], "unit": [0, 0, 1], "value": [0.5, 0.9, 0.7]})
    drawn = lines.lines(frame, styles_of_heads(["cls"]), Label("l", "t", "d"), LineOptions("s", x_title="epoch"))
    assert drawn.count("stroke-width: 2;") <= 1
    assert ">epoch<" in drawn
    assert ">[CLS]\u00a0head<" in drawn


def test_the_classifier_of_each_fine_tuned_model_is_named_on_its_card(made, page):
    words = Page(page).words
    for named in ("pooler, fine-tuned", "[CLS], fine-tuned", "mean, fine-tuned"):
        assert f"The classifier on {'the ' * (named[0] != '[')}{named}:" in words
    assert "Probe on the mean vector of layer 4:" in words
    assert "Through the layers" not in words, "other models are no other layers"
    (card,) = cards(made.attributions[::4], 1.0, random_pooler=False)
    assert len(card.entries) == 4
    assert "misclassified by the classifier on the pooler, fine-tuned" in words


def test_sources_and_terms_stand_only_where_they_apply(page):
    for source in ("2010.02616", "2006.04884", "2004.10102", "2306.03819", "1905.00414", "1911.03429"):
        assert f"arXiv:{source}" in page
    assert "Loss gradient" in page
    plain = render_report(result(name="layers"))
    for absent in ("2010.02616", "2004.10102", "2306.03819", "Loss gradient", "<dt>Hidden state"):
        assert absent not in plain
    words = Page(page).words
    assert "Every text goes through the frozen encoder once" not in words


@pytest.fixture(scope="module")
def hostile():
    """The page of a result whose every name is hostile."""
    made = tuned(model=HOSTILE[0], task=HOSTILE[1], classes=HOSTILE[2:4], texts=HOSTILE)
    frames = {}
    for key, frame in made.tables.items():
        names = [c for c in frame.columns if frame[c].map(type).eq(str).any() and c not in ("eraser", "order")]
        wild = frame.copy()
        for i, column in enumerate(names):
            first = wild[column].iloc[0]
            wild[column] = wild[column].where(wild[column] != first, HOSTILE[i % 4])
        frames[key] = wild
    claims = tuple(
        dataclasses.replace(c, numbers={k: HOSTILE[2] if v == "pooler" else v for k, v in c.numbers.items()})
        for c in made.claims
    )
    return render_report(dataclasses.replace(made, tables=frames, claims=claims, notes=HOSTILE))


def test_hostile_names_become_text(hostile):
    page = Page(hostile)
    assert [attributes for tag, attributes in page.elements if tag == "script" and "type" not in attributes] == [{}]
    assert not {"img", "base", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_the_page(opened, page, hostile, width):
    for html in (page, hostile):
        shown, heard = opened(html, viewport={"width": width, "height": 900}, color_scheme="dark")
        shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert heard == []


def test_a_folder_renders_without_torch_and_as_in_memory(tmp_path, made, page):
    made.save(tmp_path / "made")
    code = (
        "import sys; from reports.__main__ import main; status = main(sys.argv[1:])\n"
        "assert not {'torch', 'transformers', 'sklearn', 'tyro'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "report.html").read_text(encoding="utf-8") == page
    assert isinstance(AnalysisResult.load(tmp_path / "made"), AnalysisResult)


def test_a_head_that_loses_nothing_anywhere_is_drawn_all_the_same():
    made = tuned()
    table = made.tables["ablation"].assign(lost=0.0, lower=0.0, upper=0.0)
    assert "What is lost without it?" in render_report(
        dataclasses.replace(made, tables={**made.tables, "ablation": table})
    )


def test_predictability_is_drawn_without_an_untrained_encoder(made):
    table = made.tables["cls_predictability"]
    tables = {**made.tables, "cls_predictability": table[table["model"] != "untrained"]}
    html = render_report(dataclasses.replace(made, tables=tables))
    assert "shuffled pairs" in re.search(r"<svg[^>]*fills-1-title.*?</svg>", html, flags=re.S)[0]
