"""The questions about fine-tuned models: their answers in words, whatever is missing."""

import dataclasses
import re
import subprocess
import sys

import pytest

from probes.results.result import AnalysisResult
from reports import render_report
from reports.sections import page as page_module
from reports.sections.classifier.questions import QUESTIONS
from tests.support.pages.reader import HOSTILE, Page
from tests.support.pages.sections import answer_of, without
from tests.support.paths import ROOT
from tests.support.results.fine_tuned import COLUMNS, tuned

IN_CLAIMS = {"fine_tuned_head_agreement", "fine_tuned_faithfulness"}
"""Tables with a row for each text, whose means stand in claims."""


READS, HOLDS, TRAINED, MEAN, USED, SAME, CLUSTERS = QUESTIONS


def test_the_page_opens_with_its_question_the_score_and_the_answers(fine_tuned_page, fine_tuned):
    words = Page(fine_tuned_page).words.replace("\u00a0", " ")
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
    anchors = [section.anchor for section in page_module.sections(fine_tuned)]
    assert anchors[:9] == ["questions", "used", "tuned", "entry", "moved", "fills", "without", "same", "training"]


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
    first, second = answer_of(tuned(pooler_in_cls=(outcome, gap, bounds)), READS)
    assert first == (
        "The standard classifier of BERT reads the pooled output: tanh of one linear layer over the last hidden state "
        "of [CLS], and of no other token."
    )
    assert second.startswith(expected)
    differences = {"above": "+2.1 points (1.0 to 3.2)", "below": "−2.1 points (−3.2 to −1.0)"}
    assert differences.get(outcome, "+0.1 points (−1.0 to 1.2)") in second


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
    change = (pooler, 0.1, (0.08, 0.12))
    analysis = tuned(cls_change=change, cls_change_in_mean=(mean, 0.05, (0.03, 0.07)))
    assert answer_of(analysis, TRAINED)[0].startswith(expected)


def test_where_the_loss_enters_and_what_adam_makes_of_it(fine_tuned):
    answer = " ".join(answer_of(fine_tuned, TRAINED))
    assert (
        "[CLS] gets 100.0 % with the pooler head, 100.0 % with the [CLS] head and 5.0 % (4.0 to 6.0) with the mean"
        in answer
    )
    end = answer.split("at layer 0 [CLS] has ")[1]
    assert re.match(
        r"8\.0 % \(\d+\.\d to \d+\.\d\) of it, content tokens 74\.0 % \(\d+\.\d to \d+\.\d\) \(heads in", end
    )
    assert "+11.5 points (9.7 to 13.3) with the pooler head" in answer
    assert (
        "212.0 times the gradient of the median row; as it stands in every text, that is 0.8 times for each occurrence"
        in answer
    )
    assert "Adam's step size hardly depends on the gradient's" in answer


@pytest.mark.parametrize(
    ("outcome", "expected", "comparison"),
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
def test_why_not_the_mean(outcome, expected, comparison):
    bounds = {"above": (0.01, 0.03), "below": (-0.03, -0.01), "cannot_tell": (-0.01, 0.03)}[outcome]
    gap = (outcome, -0.02 if outcome == "below" else 0.02, bounds)
    first, second, third = answer_of(tuned(cls_in_mean=gap, pooler_in_mean=gap), MEAN)
    assert first.startswith(expected)
    assert second.startswith(comparison)
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
    assert answer_of(tuned(**gaps), MEAN)[0] == "It depends on what it is set beside."


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
    answer = answer_of(tuned(erasure=(outcome, excess, bounds)), USED)
    assert answer[0].startswith(first)
    assert answer[1].startswith(second)
    assert "from the pooler head ([CLS] of layer 6, 0.61 bits read; " in answer[1]
    assert "Random subspaces of equal rank and displacement cost 0.4 points there, a shuffled label 0.1." in answer
    assert any("of 13 places for the pooler head" in sentence for sentence in answer)
    assert answer[-1].endswith("a head may read the label again from other tokens.")


def test_a_head_that_uses_the_label_is_told_from_one_of_which_that_cannot_be_told(fine_tuned):
    claims = tuple(
        dataclasses.replace(c, outcome="cannot_tell") if c.id == "erasure" and c.numbers["head"] == "mean" else c
        for c in fine_tuned.claims
    )
    assert answer_of(dataclasses.replace(fine_tuned, claims=claims), USED)[0] == (
        "In part: it is missed by the pooler head and the [CLS] head; cannot tell that it is by the mean head."
    )


def test_from_which_layer_on_cls_is_needed(fine_tuned):
    (sentence_of_ablation,) = (
        sentence for sentence in answer_of(fine_tuned, USED) if sentence.startswith("With [CLS] replaced")
    )
    assert "the pooler head from layer 2 on (at most 39.0 points, 37.8 to 40.2, at layer 6)" in sentence_of_ablation
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, "first_layer": None}) if c.id == "ablation" else c
        for c in fine_tuned.claims
    )
    (sentence_of_ablation,) = (
        sentence
        for sentence in answer_of(dataclasses.replace(fine_tuned, claims=claims), USED)
        if sentence.startswith("With [CLS]")
    )
    assert "the mean head at no layer that these texts tell" in sentence_of_ablation


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
    answer = answer_of(tuned(fine_tuned_head_agreement=(outcome, 0.62, bounds)), SAME)
    assert answer[0].startswith(first)
    assert answer[1].startswith(second)
    assert "pooler and [CLS] 0.62 (" in answer[1]
    assert answer[2].startswith("Without the tokens ranked first more is lost than without random ones: +2")


@pytest.mark.parametrize(
    ("outcome", "bounds", "expected"),
    [
        ("above", (0.18, 0.22), "more is lost"),
        ("cannot_tell", (-0.01, 0.01), "Cannot tell whether more is lost"),
        ("below", (-0.22, -0.18), "less is lost"),
    ],
)
def test_faithfulness_is_told_beside_random_orders(outcome, bounds, expected):
    assert expected in answer_of(tuned(fine_tuned_faithfulness=(outcome, sum(bounds) / 2, bounds)), SAME)[-1]


def test_no_clusters_in_a_plot_are_explained_by_what_a_line_finds(fine_tuned):
    first, second, third, fourth = answer_of(fine_tuned, CLUSTERS)
    assert first.startswith("The classes do lie apart there")
    assert "right on 77.2 % before, on 88.7 % with the pooler head (+11.5 points; 9.7 to 13.3)" in second
    assert third.endswith("0.31 with the pooler head, 0.31 with the [CLS] head and 0.31 with the mean head.")
    assert "its probe is right on 49.9 %, as the majority is." in fourth
    flat = ("cannot_tell", 0.002, (-0.01, 0.014))
    answer = answer_of(tuned(cls_change=flat, cls_change_in_mean=flat), CLUSTERS)
    assert answer[0].startswith("As these numbers lead one to expect")
    assert answer[1].startswith("Cannot tell whether fine-tuning changed")


def test_how_cls_fills_is_told_beside_an_untrained_encoder(fine_tuned):
    answer = " ".join(answer_of(fine_tuned, HOLDS))
    assert answer.startswith("By attention: [CLS] enters as the same vector whatever the text")
    assert "From layer 1 on more than half of what varies in [CLS] can be foretold" in answer
    assert "At the last layer R² is 0.67, 0.64 in an untrained encoder and −0.01 for shuffled pairs." in answer
    assert (
        "its own state makes 62.0 % (61.0 to 63.0) in the first block and 31.0 % (30.0 to 32.0) in the last" in answer
    )
    fuller = {"untrained_last_r2": 0.9, "first_layer": None}
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, **fuller}) if c.id == "cls_predictability" else c
        for c in fine_tuned.claims
    )
    answer = " ".join(answer_of(dataclasses.replace(fine_tuned, claims=claims), HOLDS))
    assert "At no layer more than half of what varies in [CLS] can be foretold" in answer
    assert "random weights fill it as far; that it fills is no sign of training" in answer


def test_a_given_classifier_is_asked_where_it_reads():
    analysis = dataclasses.replace(tuned(heads=("checkpoint",), explained=False), tables={})
    words = Page(render_report(analysis)).words.replace("\u00a0", " ")
    assert "As it was given, the classifier is right on 88.4 % of 1,821 test texts" in words
    assert "A classifier that was fine-tuned before is set beside the encoder it began as." in words
    assert "The last hidden state of [CLS], and no other token's: there 100.0 % of the loss gradient enters." in words
    assert "Cannot tell of this classifier: none on the mean stands beside it." in words
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, "last_cls": 0.2}) if c.id == "gradient_shares" else c
        for c in analysis.claims
    )
    assert answer_of(dataclasses.replace(analysis, claims=claims), READS)[0].startswith(
        "Not the last [CLS] alone: there 20.0 %"
    )


@pytest.mark.parametrize("start", range(3))
def test_any_table_may_be_absent(fine_tuned, start):
    absent = list(COLUMNS)[start::3]
    words = Page(render_report(without(fine_tuned, tables=absent))).words
    assert "The questions, answered" in words
    assert "Reproduce and cite" in words


@pytest.mark.parametrize("key", sorted(set(COLUMNS) - IN_CLAIMS))
def test_a_table_that_stands_alone_is_drawn_by_its_section(fine_tuned, key):
    alone = dataclasses.replace(fine_tuned, tables={key: fine_tuned.tables[key]}, claims=(), attributions=())
    sections_of_page = page_module.sections(alone)
    assert len(sections_of_page) == 1
    assert not sections_of_page[0].anchor.startswith("table-")


def test_any_claim_may_be_absent(fine_tuned):
    kinds = {c.id for c in fine_tuned.claims}
    for kind in kinds:
        left = without(fine_tuned, tables=fine_tuned.tables, claims=(kind,))
        assert 'id="provenance"' in render_report(dataclasses.replace(left, attributions=()))
    bare = without(fine_tuned, claims=kinds, tables=set(COLUMNS) - {"erasure"})
    words = Page(render_report(bare)).words
    assert "The questions, answered" not in words
    assert "Encoded, and used?" in words
    empty = dataclasses.replace(fine_tuned, tables={}, claims=(), attributions=())
    assert 'id="provenance"' in render_report(empty)


def test_numbers_that_are_missing_leave_no_nan_in_the_words(fine_tuned):
    claims = tuple(
        dataclasses.replace(
            c, numbers={k: v if isinstance(v, str) else None for k, v in c.numbers.items()}, interval=None
        )
        for c in fine_tuned.claims
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
    scores = tuple(c for c in fine_tuned.claims if c.id == "fine_tuned_accuracy")
    bare = dataclasses.replace(fine_tuned, claims=(*scores, *claims), tables={})
    words = Page(render_report(dataclasses.replace(bare, attributions=()))).words
    assert not {"nan", "None"} & set(re.split(r"\W+", words))


def test_every_answer_links_to_a_section_that_is_there(fine_tuned_page, fine_tuned):
    ids = {a["id"] for _, a in Page(fine_tuned_page).elements if "id" in a}
    links = re.findall(r'The numbers: <a href="#([^"]+)">', fine_tuned_page)
    assert len(links) == len(QUESTIONS)
    assert set(links) <= ids
    few = render_report(without(fine_tuned, tables=set(COLUMNS) - {"fine_tuned_layers", "gradient_shares"}))
    assert re.findall(r'The numbers: <a href="#([^"]+)">', few) == ["entry", "tuned", "same", "tuned"]


def test_ids_are_unique_and_every_drawing_has_a_text_alternative(fine_tuned_page):
    ids = [a["id"] for _, a in Page(fine_tuned_page).elements if "id" in a]
    assert len(ids) == len(set(ids))
    drawings = re.findall(r"<svg.*?</svg>", fine_tuned_page, flags=re.S)
    assert len(drawings) > 20
    for svg in drawings:
        assert re.search(r"<title[^>]*>[^<]{10,}</title>", svg)
        assert re.search(r"<desc[^>]*>[^<]{10,}</desc>", svg)
        assert not re.search(r"#0[123]0[0-9a-f]{3}\b", svg)


@pytest.fixture(scope="module")
def hostile():
    """The page of a result whose every name is hostile."""
    analysis = tuned(model=HOSTILE[0], task=HOSTILE[1], classes=HOSTILE[2:4], texts=HOSTILE)
    frames = {}
    for key, frame in analysis.tables.items():
        names = [c for c in frame.columns if frame[c].map(type).eq(str).any() and c not in ("eraser", "order")]
        wild = frame.copy()
        for i, column in enumerate(names):
            first = wild[column].iloc[0]
            wild[column] = wild[column].where(wild[column] != first, HOSTILE[i % 4])
        frames[key] = wild
    claims = tuple(
        dataclasses.replace(c, numbers={k: HOSTILE[2] if v == "pooler" else v for k, v in c.numbers.items()})
        for c in analysis.claims
    )
    return render_report(dataclasses.replace(analysis, tables=frames, claims=claims, notes=HOSTILE))


def test_hostile_names_become_text(hostile):
    page = Page(hostile)
    assert [attributes for tag, attributes in page.elements if tag == "script" and "type" not in attributes] == [{}]
    assert not {"img", "base", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_the_page(opened, fine_tuned_page, hostile, width):
    for html in (fine_tuned_page, hostile):
        tab, heard = opened(html, viewport={"width": width, "height": 900}, color_scheme="dark")
        tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert heard == []


def test_a_folder_renders_without_torch_and_as_in_memory(tmp_path, fine_tuned, fine_tuned_page):
    fine_tuned.save(tmp_path / "made")
    code = (
        "import sys; from reports.__main__ import main; status = main(sys.argv[1:])\n"
        "assert not {'torch', 'transformers', 'sklearn', 'tyro'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "report.html").read_text(encoding="utf-8") == fine_tuned_page
    assert isinstance(AnalysisResult.load(tmp_path / "made"), AnalysisResult)
