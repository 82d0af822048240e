"""Attribution by token type on the page: one sentence a decision, and only what is not content drawn."""

import dataclasses

from tests.support.pages.sections import section_of
from tests.support.results.explained import checked


def test_the_shares_of_the_decision_stand_in_one_sentence_with_the_number_of_texts():
    section = section_of(checked(), "states")
    sentence = section.verdict[0].replace("\u00a0", " ")
    assert sentence.startswith(
        "Share of absolute attribution of the probe on the mean vector of layer 4, states of layer 4: content tokens "
        "51.0 %"
    )
    assert "(n = " in section.verdict[0]
    assert any("Token states are positions in the network, not input words" in note for note in section.notes)


def test_the_section_is_folded_and_draws_only_what_is_not_content():
    section = section_of(checked(), "states")
    assert section.folded
    (part,) = section.parts
    (row,) = part.panels
    assert len(row.drawings) == len(part.tables)
    assert "content tokens" not in {entry.name for entry in row.legend}
    assert {"[CLS]", "[SEP]"} <= {entry.name for entry in row.legend}


def test_the_own_probe_of_the_explained_layer_is_quoted_not_that_of_the_last_layer():
    analysis = checked(heads=("probe",))
    shares = analysis.tables["token_shares"]
    own_probes = shares[shares["method"] == "direct"]
    last = own_probes["layer"].max()
    (layer,) = {a.layer for a in analysis.attributions[:1]}
    assert layer < last
    exact = dataclasses.replace(analysis, tables={**analysis.tables, "token_shares": own_probes})
    (sentence,) = section_of(exact, "states").verdict
    assert f"of the probe on the mean vector of layer {layer}, states of layer {layer}:" in sentence
