"""The answer about fine-tuned models: three sentences from claims, whatever is missing."""

import dataclasses
import re
import subprocess
import sys

import pytest

from probes.results.result import AnalysisResult
from reports import render_report
from reports.lookup import View
from reports.sections import page as page_module
from reports.sections.classifier.answer import cautions, lead, summary, takeaways
from reports.text import wording
from tests.support.pages.reader import HOSTILE, Page
from tests.support.pages.sections import without
from tests.support.paths import ROOT
from tests.support.results.fine_tuned import COLUMNS, LAST, N, tuned

IN_CLAIMS = {"fine_tuned_head_agreement", "fine_tuned_faithfulness"}
"""Tables with a row for each text, whose means stand in claims."""


def _answer(analysis):
    return [sentence.replace("\u00a0", " ") for sentence in takeaways(View(analysis))]


def _with_ablation(analysis, *, first_layer, **losses):
    """Return the result with other losses of the heads without [CLS] at the last layer: outcome, loss and interval."""
    claims = []
    for claim in analysis.claims:
        is_changed = claim.id == "last_layer_ablation" and claim.numbers["replacement"] == "[CLS]"
        if is_changed:
            outcome, loss, bounds = losses[claim.numbers["head"]]
            layer = first_layer if outcome == "above" else None
            numbers = {**claim.numbers, "accuracy_loss": loss, "first_layer": layer}
            claims.append(dataclasses.replace(claim, outcome=outcome, numbers=numbers, interval=bounds))
        else:
            claims.append(claim)
    return dataclasses.replace(analysis, claims=tuple(claims))


LOSS, NO_LOSS = ("above", 0.2, (0.12, 0.28)), ("cannot_tell", 0.0, (-0.02, 0.02))


def test_cls_that_is_needed_at_the_last_layer_alone_is_said_to_cost_nothing_significant_before(fine_tuned):
    analysis = _with_ablation(fine_tuned, first_layer=LAST, pooler=LOSS, cls=LOSS, mean=NO_LOSS)
    first, *_ = _answer(analysis)
    assert "the pooler head 20.0 points [12.0, 28.0] and the [CLS] head 20.0 [12.0, 28.0]" in first
    assert first.startswith(f"Ablating [CLS] costs no head significantly below layer {LAST}; at layer {LAST} it costs ")
    assert "by construction for the pooler head and the [CLS] head, which then read one constant vector" in first
    assert "mean head" not in first
    assert first.endswith(f"(n = {N:,}).")


def test_the_first_layer_with_a_significant_loss_is_named_where_it_is_not_the_last(fine_tuned):
    first, *_ = _answer(_with_ablation(fine_tuned, first_layer=4, pooler=LOSS, cls=LOSS, mean=LOSS))
    assert first.startswith("The first significant loss by ablating [CLS] is at layer 4; ")
    assert "below layer" not in first


def test_cls_that_no_head_needs_is_said_to_cost_none_significantly(fine_tuned):
    first, *_ = _answer(_with_ablation(fine_tuned, first_layer=None, pooler=NO_LOSS, cls=NO_LOSS, mean=NO_LOSS))
    assert first.startswith(f"Ablating [CLS] at layer {LAST} costs no head significantly: ")
    assert "the mean head 0.0 [−2.0, 2.0]" in first


@pytest.mark.parametrize(
    ("pooler", "mean", "expected"),
    [
        ("above", "above", "with every head makes [CLS] more decodable (+5.0 points [3.0, 7.0] or more)"),
        ("above", "cannot_tell", "with the pooler head and the [CLS] head makes [CLS] more decodable (+10.0 points"),
        ("above", "cannot_tell", ", not significantly with the mean head"),
        ("cannot_tell", "above", ", not significantly with the pooler head and the [CLS] head"),
        ("cannot_tell", "cannot_tell", "Fine-tuning does not make [CLS] significantly more decodable"),
    ],
)
def test_whether_cls_becomes_more_decodable_is_said_by_head(pooler, mean, expected):
    change = (pooler, 0.1, (0.08, 0.12))
    _, second, _ = _answer(tuned(explained=False, cls_change=change, cls_change_in_mean=(mean, 0.05, (0.03, 0.07))))
    assert expected in second


@pytest.mark.parametrize(
    ("outcome", "gain", "bounds", "expected"),
    [
        ("above", 0.053, (0.038, 0.068), "exceed the best frozen probe by 5.3 points [3.8, 6.8]"),
        ("below", -0.053, (-0.068, -0.038), "No head exceeds the best frozen probe significantly"),
        ("below", -0.053, (-0.068, -0.038), "below it by 5.3 points [3.8, 6.8]"),
        ("cannot_tell", 0.01, (-0.01, 0.03), "No head exceeds the best frozen probe significantly"),
    ],
)
def test_the_heads_are_compared_with_the_best_frozen_probe(outcome, gain, bounds, expected):
    *_, third = _answer(tuned(explained=False, fine_tuning_gain=(outcome, gain, bounds)))
    assert expected in third


SAME, LESS = ("cannot_tell", -0.012, (-0.024, 0.0)), ("below", -0.03, (-0.05, -0.01))


def test_heads_that_do_not_differ_are_not_distinguishable_with_the_interval_of_the_largest_difference():
    *_, third = _answer(tuned(explained=False, **{"pooler cls": SAME, "pooler mean": SAME, "cls mean": SAME}))
    assert third.endswith("; the heads are not distinguishable (largest gap 1.2 points [0.0, 2.4], 3 seeds).")


def test_heads_that_differ_are_counted_with_the_interval_of_the_largest_difference():
    outcomes = {"pooler cls": SAME, "pooler mean": LESS, "cls mean": SAME}
    *_, third = _answer(tuned(explained=False, **outcomes))
    assert third.endswith("; 1 of 3 pairs of heads differs (largest gap 3.0 points [1.0, 5.0], 3 seeds).")


def test_every_head_has_a_row_with_its_intervals_and_numbers_of_texts(fine_tuned):
    screen = summary(View(fine_tuned), drawn=False)
    assert [row.name.replace("\u00a0", " ") for row in screen.rows] == [
        "pooler head",
        "[CLS] head",
        "mean head",
        "frozen probe",
    ]
    assert all(len(row.cells) == len(screen.columns) - 1 for row in screen.rows)
    for row in screen.rows[:-1]:
        score, gain, _, ablated, erased = row.cells
        for cell in (score, gain, ablated, erased):
            assert re.fullmatch(r"\[−?[\d.]+, −?[\d.]+\]", cell.interval)
            assert f"n = {N:,}" in cell.note
    assert [row.badge is not None for row in screen.rows] == [False, False, True, True]


def test_a_cell_without_a_number_is_left_out_of_the_card_of_a_row(fine_tuned):
    *_, frozen = summary(View(fine_tuned), drawn=False).rows
    assert [cell.is_missing for cell in frozen.cells] == [False, True, True, True, True]


def test_a_card_shows_its_badge_and_no_empty_cell(opened, fine_tuned_page):
    tab, _ = opened(fine_tuned_page, viewport={"width": 390, "height": 900})
    assert all(badge.is_visible() for badge in tab.query_selector_all(".tasks .badge"))
    assert not any(cell.is_visible() for cell in tab.query_selector_all(".tasks .empty"))
    assert "–" not in tab.query_selector(".tasks").inner_text()


def test_losses_are_positive_on_the_first_screen_as_in_the_sections(fine_tuned):
    screen = summary(View(fine_tuned), drawn=False)
    for row in screen.rows[:-1]:
        for column, cell in zip(screen.columns[1:], row.cells, strict=True):
            if column.startswith("loss by"):
                assert not cell.value.startswith(("+", "−"))


def test_the_head_that_is_marked_is_the_one_that_was_best_on_validation(fine_tuned):
    (chosen,) = (claim for claim in fine_tuned.claims if claim.id == "fine_tuning_gain")
    rows = summary(View(fine_tuned), drawn=False).rows
    (marked,) = (row for row in rows if row.badge is not None and row.badge.text == "best on validation")
    assert marked.name == wording.short_head(chosen.numbers["head"])


def test_a_single_seed_and_measurements_on_part_of_the_texts_are_caveats(fine_tuned):
    assert list(cautions(View(fine_tuned))) == []
    claims = []
    for claim in fine_tuned.claims:
        numbers = dict(claim.numbers)
        if claim.id == "fine_tuned_accuracy":
            numbers["n_seeds"] = 1
        if claim.id in ("last_layer_ablation", "erasure"):
            numbers["n"] = 100
        claims.append(dataclasses.replace(claim, numbers=numbers))
    seeds, measured = cautions(View(dataclasses.replace(fine_tuned, claims=tuple(claims))))
    assert "One seed" in seeds.sentence
    assert f"100 of {N:,} test texts" in measured.sentence


def test_a_checkpoint_is_not_said_to_have_been_trained():
    analysis = tuned(heads=("checkpoint",), explained=False)
    assert lead(View(analysis)).startswith("A fine-tuned checkpoint")
    *_, third = _answer(analysis)
    assert third.startswith("The checkpoint exceeds")


def test_an_encoder_that_was_frozen_is_not_called_fine_tuned(fine_tuned):
    still = fine_tuned.tables["parameter_change"].assign(change=0.0, relative=0.0)
    frozen = dataclasses.replace(fine_tuned, tables={"parameter_change": still}, attributions=())
    assert lead(View(frozen)).startswith("Classifiers on one frozen encoder that read the pooler, [CLS] and the mean.")
    assert "fine-tuned 3 times from the same weights" in lead(View(fine_tuned))


def test_the_first_paragraph_names_the_classes_and_an_example_with_its_label(fine_tuned):
    words = lead(View(fine_tuned))
    assert "Classes: negative / positive" in words
    is_example = [a for a in fine_tuned.attributions if f"“{a.text}” → {a.label}" in words]
    assert is_example
    assert all(a.predicted == a.label for a in is_example[:1])


def test_the_first_screen_links_the_terms_that_it_begins_with_in_a_card_too(fine_tuned_page):
    screen = fine_tuned_page.partition('id="summary"')[2].partition("</section>")[0]
    for anchor in ("term-cls", "term-layer", "term-head", "term-frozen", "term-ablation"):
        assert f'class="term" href="#{anchor}"' in screen
    for anchor in ("term-cls", "term-layer", "term-frozen", "term-ablation"):
        assert f'class="term again" href="#{anchor}"' in screen


def test_of_many_heads_one_is_shown_first_in_the_explained_texts(fine_tuned):
    (section,) = (s for s in page_module.sections(fine_tuned) if s.anchor == "explained")
    explorer = section.parts[0].explorer
    assert explorer.one_head
    assert explorer.heads[:3] == ("Pooler head", "[CLS] head", "Mean head")


def test_all_heads_of_a_text_are_shown_when_they_are_chosen(opened, fine_tuned_page):
    tab, _ = opened(fine_tuned_page, viewport={"width": 1280, "height": 900})
    first_card = tab.locator("#explained .card").first
    assert first_card.locator(".worded:visible").count() == 1
    assert tab.locator("#explained .clear").is_hidden()
    tab.locator('#explained [data-use="head"]').select_option("")
    assert first_card.locator(".worded:visible").count() > 1
    tab.locator("#explained .clear").click()
    assert first_card.locator(".worded:visible").count() == 1


def test_the_attribution_checks_are_counted(fine_tuned):
    (section,) = (s for s in page_module.sections(fine_tuned) if s.anchor == "trust")
    n_made = sum(c.id == "attribution_check" for c in fine_tuned.claims)
    assert f"of {n_made} checks passed" in section.verdict[0]


def test_the_page_opens_with_its_question_and_what_is_used_of_the_label(fine_tuned_page, fine_tuned):
    words = Page(fine_tuned_page).words.replace("\u00a0", " ")
    assert "How does all-MiniLM-L6-v2 use its [CLS] vector to classify negative / positive?" in words
    anchors = [section.anchor for section in page_module.sections(fine_tuned)]
    assert anchors[:4] == ["used", "without", "tuned", "training"]


@pytest.mark.parametrize("start", range(3))
def test_any_table_may_be_absent(fine_tuned, start):
    absent = list(COLUMNS)[start::3]
    words = Page(render_report(without(fine_tuned, tables=absent))).words
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
    assert "Erasure (LEACE)" in words
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
            "last_layer_ablation",
            "head_gain",
            "fine_tuned_head_agreement",
        )
    )
    scores = tuple(c for c in fine_tuned.claims if c.id == "fine_tuned_accuracy")
    bare = dataclasses.replace(fine_tuned, claims=(*scores, *claims), tables={})
    words = Page(render_report(dataclasses.replace(bare, attributions=()))).words
    assert not {"nan", "None"} & set(re.split(r"\W+", words))


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
