"""Parameter change: each group by names, in every family."""

import copy

import pytest
import torch

from probes import Encoder, InputError
from probes.heads.parameter_change import GROUPS, PARTS, parameter_changes
from tests.support.encoders.models import FAMILIES, HIDDEN, build_model

HEAD = "AutoModelForSequenceClassification"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_untouched_copy_has_not_changed(family):
    encoder = Encoder(*build_model(family))
    changes = parameter_changes(encoder, encoder.clone())
    assert {m.relative for m in changes} == {0.0}
    assert all(m.weight > 0 for m in changes)


def changed(encoder, change):
    """A copy whose parameters are changed by a function of name and parameter."""
    copied = encoder.clone()
    with torch.no_grad():
        for name, parameter in copied.base.named_parameters():
            parameter.copy_(change(name, parameter))
    return copied


@pytest.mark.parametrize("family", FAMILIES)
def test_doubled_parameters_have_changed_by_their_size_in_every_group(family):
    encoder = Encoder(*build_model(family))
    for moved in parameter_changes(encoder, changed(encoder, lambda _name, p: 2 * p)):
        assert moved.relative == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_make_up_their_group_and_groups_the_whole(family):
    encoder = Encoder(*build_model(family))
    noise = torch.Generator().manual_seed(0)
    changes = parameter_changes(encoder, changed(encoder, lambda _name, p: p + torch.randn(p.shape, generator=noise)))
    keys = [(m.group, m.block, m.part) for m in changes]
    assert len(set(keys)) == len(keys)
    (whole, *rest) = changes
    assert whole.group == "whole encoder"
    assert whole.n_parameters == sum(p.numel() for p in encoder.base.parameters())
    groups = [m for m in rest if m.part is None]
    for name in ("n_parameters", "change", "weight"):
        power = 1 if name == "n_parameters" else 2
        assert sum(getattr(m, name) ** power for m in groups) == pytest.approx(getattr(whole, name) ** power)
        for group in groups:
            parts = [m for m in rest if (m.group, m.block) == (group.group, group.block) and m.part]
            if parts:
                sums = sum(getattr(m, name) ** power for m in parts)
                assert sums == pytest.approx(getattr(group, name) ** power)
    blocks = [m.block for m in groups if m.group == "block"]
    assert blocks == list(range(1, len(encoder.blocks) + 1))


FUSED = {"modernbert", "gpt2"}
NORM_AT_THE_END = {"modernbert", "gpt2", "llama"}
WITH_POOLER = {"bert", "roberta", "albert", "mpnet", "xlm-roberta"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_the_groups_that_it_has(family):
    encoder = Encoder(*build_model(family))
    changes = parameter_changes(encoder, encoder.clone())
    parts = {m.part for m in changes if m.group == "block"} - {None, "other attention"}
    projections = {"query, key and value"} if family in FUSED else {"query", "key", "value"}
    assert parts == projections | {"attention output", "feed-forward", "norms"}
    groups = {m.group for m in changes}
    assert ("final norm" in groups) == (family in NORM_AT_THE_END)
    assert ("pooler" in groups) == (family in WITH_POOLER)
    assert ("position embeddings" in groups) == (family not in {"xlnet", "modernbert", "llama"})
    assert ("other" in groups) == (family == "deberta-v3")
    rows = {m.part for m in changes if m.group == "input embeddings"}
    assert rows == {None, "other rows"} | ({"[CLS]", "[SEP]"} if family not in {"llama", "gpt2"} else set())


@pytest.mark.parametrize(
    ("parameter", "group", "block", "part"),
    [
        ("encoder.layer.1.attention.self.query.bias", "block", 2, "query"),
        ("encoder.layer.0.attention.self.key.weight", "block", 1, "key"),
        ("encoder.layer.2.attention.self.value.weight", "block", 3, "value"),
        ("encoder.layer.1.attention.output.dense.weight", "block", 2, "attention output"),
        ("encoder.layer.1.attention.output.LayerNorm.weight", "block", 2, "norms"),
        ("encoder.layer.1.intermediate.dense.weight", "block", 2, "feed-forward"),
        ("encoder.layer.1.output.dense.bias", "block", 2, "feed-forward"),
        ("encoder.layer.1.output.LayerNorm.bias", "block", 2, "norms"),
        ("embeddings.position_embeddings.weight", "position embeddings", None, None),
        ("embeddings.token_type_embeddings.weight", "other embeddings", None, None),
        ("embeddings.LayerNorm.weight", "other embeddings", None, None),
        ("pooler.dense.weight", "pooler", None, None),
    ],
)
def test_one_parameter_moves_its_own_groups_alone(bert, parameter, group, block, part):
    fine_tuned = changed(bert, lambda name, p: 1.5 * p if name == parameter else p)
    moved = {(m.group, m.block, m.part): m for m in parameter_changes(bert, fine_tuned) if m.change}
    assert set(moved) == {("whole encoder", None, None), (group, block, None), (group, block, part)}
    weight = dict(bert.base.named_parameters())[parameter]
    assert moved[group, block, part].change == pytest.approx(float(weight.detach().norm()) / 2, rel=1e-5)


@pytest.mark.parametrize(("token", "row"), [("[CLS]", 2), ("[SEP]", 3), ("other rows", 9)])
def test_rows_of_the_table_move_by_themselves(bert, token, row):
    assert [bert.tokenizer.cls_token_id, bert.tokenizer.sep_token_id] == [2, 3]

    def change(name, p):
        if name != "embeddings.word_embeddings.weight":
            return p
        scale = torch.ones(len(p), 1)
        scale[row] = 3
        return p * scale

    moved = {(m.group, m.part): m for m in parameter_changes(bert, changed(bert, change)) if m.change}
    assert set(moved) == {("whole encoder", None), ("input embeddings", None), ("input embeddings", token)}
    if token != "other rows":
        assert moved["input embeddings", token].relative == pytest.approx(2, rel=1e-6)
        assert moved["input embeddings", token].n_parameters == HIDDEN


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "deberta-v2"])
def test_the_base_of_a_classifier_is_compared_with_a_bare_base(family):
    fine_tuned = Encoder(*build_model(family, HEAD))
    model, tokenizer = build_model(family)
    state = {n: p for n, p in fine_tuned.base.state_dict().items() if not n.startswith("pooler.")}
    model.load_state_dict(state, strict=False)
    base = Encoder(model, tokenizer)
    for pair in ((base, fine_tuned), (fine_tuned, base)):
        changes = [m for m in parameter_changes(*pair) if m.group not in ("whole encoder", "pooler")]
        assert {m.relative for m in changes} == {0.0}
    assert ("pooler" in {m.group for m in parameter_changes(base, fine_tuned)}) == (family == "bert")


def test_the_relative_change_of_zeros_is_infinite(bert):
    zero = changed(bert, lambda name, p: 0 * p if name.startswith("pooler") else p)
    by_group = {m.group: m.relative for m in parameter_changes(zero, bert) if m.part is None and m.block is None}
    assert by_group["pooler"] == float("inf")
    assert 0 < by_group["whole encoder"] < 1


@pytest.mark.parametrize(
    ("other_model", "changes", "reason"),
    [
        ("roberta", {}, "one is a bert, the other a roberta"),
        ("bert", {"num_hidden_layers": 2}, "only one has the parameter 'encoder.layer.2"),
        ("bert", {"vocab_size": 300}, r"'embeddings.word_embeddings.weight' is \(256, 16\) in one and \(300, 16\)"),
    ],
)
def test_other_architectures_are_refused(bert, other_model, changes, reason):
    with pytest.raises(InputError, match=reason):
        parameter_changes(bert, Encoder(*build_model(other_model, **changes)))


def test_other_special_tokens_are_refused(bert):
    fine_tuned = bert.clone()
    fine_tuned.tokenizer = copy.deepcopy(bert.tokenizer)
    fine_tuned.tokenizer.cls_token = "the"
    with pytest.raises(InputError, match=r"\[CLS\] is token 2 in one"):
        parameter_changes(bert, fine_tuned)


def test_every_part_and_group_occurs_in_a_family():
    changes = [m for family in FAMILIES for m in parameter_changes(*[Encoder(*build_model(family))] * 2)]
    assert set(PARTS) <= {m.part for m in changes}
    assert set(GROUPS) <= {m.group for m in changes}
