"""Texts that several runs explain, side by side."""

import dataclasses
import re

from reports import compare_reports
from reports.comparison.shared_texts import shared
from reports.comparison.side_by_side import Together
from tests.support.pages.reader import Page
from tests.support.results.probed import attribution


def words(html):
    return Page(html).words.replace("\u00a0", " ")


def test_a_text_explained_by_both_is_shown_side_by_side_on_one_scale(three):
    text = "The lamps are fine."
    first = attribution(text, "sentiment", ("negative", "positive"), 1, converged=True)
    # Explained by both, it need not be the same row of what each was given.
    weak = dataclasses.replace(
        first, word_scores=first.word_scores / 8, text_id=7, predicted="positive", target="positive"
    )
    html = compare_reports(
        [
            dataclasses.replace(three[0], attributions=(first,)),
            dataclasses.replace(three[1], attributions=(weak, dataclasses.replace(first, text="Only here."))),
        ]
    )
    (both,) = re.findall(r'<li class="both">.*?</ul>\n</li>', html, flags=re.S)
    readings = re.findall(r'<p class="text" dir="auto">(.*?)</p>', both, flags=re.S)
    assert [re.sub("<[^>]*>", "", reading) for reading in readings] == [text, text]
    strong, faint = (max(map(int, re.findall(r'class="[pn](\d)"', reading))) for reading in readings)
    assert strong == 8
    assert faint == 1
    assert "different predictions" in both
    assert "Only here." not in html
    assert "1 text is explained in both runs; of 1 they predict different classes." in words(html)


def test_each_reading_has_the_colour_of_its_run(three):
    (text, *_) = shared(Together.of(three)).texts
    assert [(run, colour) for run, colour, _ in text.readings] == [
        ("big", "run-1"),
        ("small", "run-2"),
        ("other", "run-3"),
    ]


def test_results_that_were_explained_otherwise_say_how_and_further_methods_pale_nothing(three):
    one, two = three[:2]
    norms = [dataclasses.replace(a, method="gradient_norm", word_scores=1000 * a.word_scores) for a in one.attributions]
    masked = [dataclasses.replace(a, baseline="mask") for a in two.attributions]
    more = [
        dataclasses.replace(one, attributions=(*one.attributions, *norms)),
        dataclasses.replace(two, attributions=tuple(masked)),
    ]
    shared_texts = shared(Together.of(more))
    (note_of_methods,) = (note for note in shared_texts.notes if note.startswith("Not all were explained alike: "))
    assert "big by integrated gradients from padding" in note_of_methods
    assert "small by integrated gradients from mask tokens" in note_of_methods
    alike = shared(Together.of([one, two]))
    assert shared_texts.notes[0] == alike.notes[0], "the scale is that of the method explained with"
    assert not [note for note in alike.notes if note.startswith("Not all")]
