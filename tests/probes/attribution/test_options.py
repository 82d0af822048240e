"""Options of an attribution, checked against the head that is explained."""

import pytest

from probes import InputError, ModelHead, ProbeHead
from probes.attribution.options import AttributionOptions, explained_classes
from probes.data.texts import Texts
from tests.support.encoders.random_probes import probe


@pytest.fixture
def head(bert):
    return ProbeHead(bert, probe(3), layer=2, pooling="mean", class_names=("a", "b", "c"))


def test_the_method_direct_scores_the_states_that_the_probe_reads(head):
    assert AttributionOptions(method="direct").checked(head).states_layer == 2
    assert AttributionOptions().checked(head).states_layer is None


def test_references_become_texts(head):
    references = AttributionOptions(references=(text for text in ("a", "b"))).checked(head).references
    assert isinstance(references, Texts)
    assert references.first == ("a", "b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states_layer": 3}, "the probe reads layer 2; states of layer 3 do not reach it"),
        ({"states_layer": 9}, "layer 9"),
        ({"method": "direct", "unit": "probability"}, "explains logits of a probe that is linear in token states"),
        ({"baseline": "none"}, "unknown baseline 'none'"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"max_steps": 0}, "max_steps"),
        ({"seed": -1}, "seed"),
        ({"references": "a text"}, "references must be a list of texts"),
    ],
)
def test_an_option_without_a_meaning_for_the_head_is_refused(head, options, message):
    with pytest.raises(InputError, match=message):
        AttributionOptions(**options).checked(head)


def test_the_models_own_head_has_no_direct_scores(bert_classifier):
    with pytest.raises(InputError, match="explains logits of a probe that is linear"):
        AttributionOptions(method="direct").checked(ModelHead(bert_classifier))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "gradients"}, "unknown attribution method"), ({"unit": "bits"}, "unknown unit")],
)
def test_unknown_names_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        AttributionOptions(**options).check_names()


def test_classes_are_named_by_id_or_name(head):
    assert explained_classes(head, None, None, 2) == (None, None)
    assert explained_classes(head, "b", 2, 2) == ([1, 1], [2, 2])
    assert explained_classes(head, ["a", 1], ["b", "c"], 2) == ([0, 1], [1, 2])


@pytest.mark.parametrize(("targets", "against"), [("a", "a"), (["b", "a"], 0), (["b", "a"], ["a", "a"])])
def test_no_class_is_explained_against_itself(head, targets, against):
    with pytest.raises(InputError, match="'a' cannot be explained against itself"):
        explained_classes(head, targets, against, 2)


def test_a_text_may_be_explained_against_the_class_of_another(head):
    assert explained_classes(head, ["a", "b"], ["b", "a"], 2) == ([0, 1], [1, 0])


def test_the_only_class_has_no_other(bert):
    single = ProbeHead(bert, probe(1), layer=0, pooling="mean", class_names=("a",))
    with pytest.raises(InputError, match="cannot be explained against itself"):
        explained_classes(single, None, "a", 2)
