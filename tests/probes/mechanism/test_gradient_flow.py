"""Gradient shares against plain transformers and autograd, text by text."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from probes import Encoder, InputError, ModelHead, ProbeHead
from probes.data.texts import Texts
from probes.mechanism.gradient_flow import embedding_gradients, gradient_shares
from probes.mechanism.token_shares import KINDS, TokenShares
from probes.statistics.intervals import N_FOLDS
from tests.support.encoders.model_inputs import HEAD, PAIRS, TEXTS, inputs, traces
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model
from tests.support.encoders.random_probes import probe

LABELS = np.array([0, 1, 1, 0, 1])
WITH_CLS = [family for family in FAMILIES if family not in ("llama", "gpt2")]


@pytest.fixture(autouse=True)
def _one_core():
    """Models this small are the slower the more cores work on them."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(cores)


def texts_of(encoder):
    """Texts that have a token, and their labels."""
    rows = [row for row, text in enumerate(TEXTS) if text or encoder.tokenizer.cls_token]
    return rows, [TEXTS[row] for row in rows], LABELS[rows]


def plain_states(encoder, row):
    """Logits, and the hidden states that they were computed from."""
    if encoder.config.model_type != "xlnet":
        out = encoder.model(**inputs(encoder, row), output_hidden_states=True)
        return out.logits, out.hidden_states
    states = []  # its own are transposed copies, on no way to the logits
    modules = [encoder.base.word_embedding, *encoder.base.layer]
    keep = [
        m.register_forward_hook(lambda _m, _a, out: states.append(out[0] if type(out) is tuple else out))
        for m in modules
    ]
    logits = encoder.model(**inputs(encoder, row)).logits
    for hook in keep:
        hook.remove()
    return logits, states


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_at_token_states_are_plain_autograds_for_each_text_alone(family):
    encoder = Encoder(*build_model(family, HEAD))
    rows, texts, labels = texts_of(encoder)
    shares = gradient_shares(ModelHead(encoder), texts, labels=labels)
    assert shares.layers == tuple(range(LAYERS + 1))
    for row, label, sizes in zip(rows, labels, shares.sizes, strict=True):
        logits, states = plain_states(encoder, row)
        plain = torch.autograd.grad(cross_entropy(logits, torch.tensor([label])), states)
        lengths = [g.reshape(-1, HIDDEN).norm(dim=-1) for g in plain]
        np.testing.assert_allclose(sizes, lengths, rtol=1e-3, atol=1e-6)
        assert sizes.max() > 1e-4


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_gradients_of_a_probe_on_a_layer_are_plain_autograds_also_of_pairs(bert, pooling):
    fitted = probe(3)
    weight, bias = torch.from_numpy(fitted.weight), torch.from_numpy(fitted.bias)
    head = ProbeHead(bert, fitted, layer=2, pooling=pooling)
    shares = gradient_shares(head, Texts(TEXTS, PAIRS), labels=LABELS)
    for row, sizes in enumerate(shares.sizes):
        hidden = bert.model(**inputs(bert, row, PAIRS), output_hidden_states=True).hidden_states[:3]
        read = {"cls": lambda h: h[:, 0], "mean": lambda h: h.mean(dim=1), "pooler": bert.model.pooler}[pooling]
        plain = torch.autograd.grad(
            cross_entropy(read(hidden[2]) @ weight.T + bias, torch.tensor([LABELS[row]])), hidden
        )
        np.testing.assert_allclose(sizes, [g[0].norm(dim=-1) for g in plain], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("family", WITH_CLS)
@pytest.mark.parametrize("layer", [0, 2, LAYERS])
def test_at_its_layer_a_cls_head_has_all_of_the_gradient_at_cls(family, layer):
    encoder = Encoder(*build_model(family))
    for pooling in {"cls", "pooler"} & set(encoder.poolings):
        shares = gradient_shares(ProbeHead(encoder, probe(), layer=layer, pooling=pooling), TEXTS, labels=LABELS)
        assert (shares.shares[-1] == np.eye(len(KINDS))[0]).all()
        if layer:  # below it has spread
            assert shares.mean[-2, 0] < 0.9
            assert shares.mean[-2, 4] > 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_at_its_layer_a_mean_head_has_as_much_at_each_token(family):
    encoder = Encoder(*build_model(family))
    _, texts, labels = texts_of(encoder)
    shares = gradient_shares(ProbeHead(encoder, probe(), layer=2, pooling="mean"), texts, labels=labels)
    counts = shares.counts
    np.testing.assert_allclose(shares.shares[-1], counts / counts.sum(axis=1, keepdims=True), rtol=1e-12)
    for sizes in shares.sizes:
        np.testing.assert_allclose(sizes[-1] / sizes[-1].sum(), 1 / sizes.shape[1], rtol=1e-12)


def test_a_model_with_a_pooler_has_all_of_the_last_layers_gradient_at_cls(bert_classifier):
    shares = gradient_shares(ModelHead(bert_classifier), Texts(TEXTS, PAIRS), labels=LABELS)
    assert (shares.shares[-1, :, 0] == 1).all()
    assert (shares.shares[0, :, 0] < 0.9).all()


@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet", "gpt2"])
def test_shares_do_not_depend_on_the_texts_beside(family):
    encoder = Encoder(*build_model(family, HEAD))
    _, texts, labels = texts_of(encoder)
    together = gradient_shares(ModelHead(encoder), texts, labels=labels)
    for i, text in enumerate(texts):
        alone = gradient_shares(ModelHead(encoder), [text], labels=labels[i : i + 1])
        np.testing.assert_allclose(alone.shares[:, 0], together.shares[:, i], atol=1e-5)
        np.testing.assert_allclose(alone.sizes[0], together.sizes[i], rtol=1e-3, atol=1e-7)


def test_padding_on_the_left_gives_the_same_gradients(bert_classifier):
    shares = gradient_shares(ModelHead(bert_classifier), TEXTS, labels=LABELS)
    padded = bert_classifier.tokenizer(TEXTS, padding=True, padding_side="left", return_tensors="pt")
    mask = padded["attention_mask"]
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    out = bert_classifier.base(padded["input_ids"], mask, position_ids=places, output_hidden_states=True)
    first = out.last_hidden_state[torch.arange(len(TEXTS)), mask.argmax(dim=1)]
    logits = bert_classifier.model.classifier(bert_classifier.base.pooler(first[:, None]))
    plain = torch.autograd.grad(cross_entropy(logits, torch.from_numpy(LABELS), reduction="sum"), out.hidden_states)
    for i, sizes in enumerate(shares.sizes):
        mine = [g[i][mask[i] == 1].norm(dim=-1) for g in plain]
        np.testing.assert_allclose(sizes, mine, rtol=1e-3, atol=1e-6)
        assert all((g[i][mask[i] == 0] == 0).all() for g in plain)


def test_the_shares_of_two_classes_are_the_same_for_both_however_certain_the_head_is(bert):
    head = ProbeHead(bert, probe(scale=20.0), layer=2, pooling="mean")
    with torch.no_grad():
        logits = head.logits(bert.batch(bert.encode(TEXTS), range(len(TEXTS))))
    certain = logits.argmax(dim=1).numpy()
    assert (logits.softmax(dim=1).max(dim=1).values == 1).any()  # in float32 a gradient would be lost or turned
    right, wrong = (gradient_shares(head, TEXTS, labels=labels) for labels in (certain, 1 - certain))
    np.testing.assert_allclose(right.shares, wrong.shares, atol=1e-4)
    assert all((a < b).all() for a, b in zip(right.sizes, wrong.sizes, strict=True))


def test_a_frozen_model_in_training_mode_gives_the_same_and_is_given_back(bert_classifier):
    head = ModelHead(bert_classifier)
    before = traces(bert_classifier.model)
    expected = gradient_shares(head, TEXTS, labels=LABELS)
    rows = embedding_gradients(head, TEXTS, labels=LABELS)
    assert traces(bert_classifier.model) == before
    bert_classifier.model.requires_grad_(False).train()
    before = traces(bert_classifier.model)
    with torch.no_grad():
        gradients = gradient_shares(head, TEXTS, labels=LABELS)
        again = embedding_gradients(head, TEXTS, labels=LABELS)
    for a, b in zip(gradients.sizes, expected.sizes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(again.norms, rows.norms, rtol=1e-5)
    assert traces(bert_classifier.model) == before


@pytest.mark.parametrize("measure", [gradient_shares, embedding_gradients])
def test_labels_that_do_not_fit_are_refused(bert_classifier, measure):
    with pytest.raises(InputError, match="lengths differ"):
        measure(ModelHead(bert_classifier), TEXTS, labels=LABELS[:2])
    with pytest.raises(InputError, match=r"labels must lie in \[0, 2\)"):
        measure(ModelHead(bert_classifier), TEXTS, labels=LABELS + 1)


def test_a_kind_of_token_holds_the_sum_of_its_tokens_and_a_text_without_sizes_has_no_shares():
    sizes = np.array([[1.0, 2.0, 3.0, 2.0], [0.0, 1.0, 1.0, 0.0]]), np.zeros((2, 2)), np.array([[1.0, 3.0], [0.0, 0.0]])
    kinds = np.array([0, 4, 4, 1]), np.array([0, 1]), np.array([0, 1])
    token_shares = TokenShares((0, 1), sizes, kinds)
    np.testing.assert_allclose(token_shares.shares[0, 0], [1 / 8, 2 / 8, 0, 0, 5 / 8])
    assert np.isnan(token_shares.shares[:, 1]).all()
    np.testing.assert_allclose(token_shares.mean[0], [(1 / 8 + 1 / 4) / 2, (2 / 8 + 3 / 4) / 2, 0, 0, 5 / 16])
    np.testing.assert_allclose(token_shares.mean[1], [0, 0, 0, 0, 1])
    assert token_shares.counts.tolist() == [[1, 1, 0, 0, 2], [1, 1, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert np.isnan(TokenShares((0,), (np.zeros((1, 1)),), (np.array([0]),)).mean).all()


@pytest.mark.parametrize("family", ["bert", "xlnet"])
def test_threads_side_by_side_measure_the_same(family, monkeypatch):
    monkeypatch.setattr("probes.encoder.batching.token_budget", lambda _encoder: 16)
    head, gradients = ModelHead(Encoder(*build_model(family, HEAD))), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        rows = embedding_gradients(head, TEXTS, labels=LABELS)
        gradients.append([rows.norms, rows.sum_of_norms, *gradient_shares(head, TEXTS, labels=LABELS).sizes])
    for alone, both in zip(*gradients, strict=True):
        np.testing.assert_array_equal(alone, both)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_embedding_rows_are_plain_autograds_on_the_table(family):
    encoder = Encoder(*build_model(family, HEAD))
    rows, texts, labels = texts_of(encoder)
    table, total = encoder.base.get_input_embeddings().weight, 0
    for row, label in zip(rows, labels, strict=True):
        out = encoder.model(**inputs(encoder, row))
        total = total + torch.autograd.grad(cross_entropy(out.logits, torch.tensor([label])), table)[0]
    gradients = embedding_gradients(ModelHead(encoder), texts, labels=labels)
    np.testing.assert_allclose(
        gradients.norms, total[torch.from_numpy(gradients.ids)].norm(dim=1), rtol=1e-3, atol=1e-6
    )
    absent_ids = np.setdiff1d(np.arange(len(table)), gradients.ids)
    assert (total[torch.from_numpy(absent_ids)] == 0).all()
    ids = np.concatenate(encoder.encode(texts).ids)
    assert dict(zip(gradients.ids.tolist(), gradients.counts.tolist(), strict=True)) == {
        i: (ids == i).sum() for i in ids
    }
    once = gradients.counts == 1
    np.testing.assert_allclose(gradients.norms[once], gradients.sum_of_norms[once], rtol=1e-6)
    assert (gradients.norms <= gradients.sum_of_norms * (1 + 1e-6)).all()
    assert (gradients.norms[~once] < 0.99 * gradients.sum_of_norms[~once]).any()
    np.testing.assert_allclose(gradients.per_occurrence * gradients.counts, gradients.norms)


def test_rows_say_which_token_they_are_and_of_what_kind(bert_classifier):
    gradients = embedding_gradients(ModelHead(bert_classifier), Texts(TEXTS, PAIRS), labels=LABELS)
    kinds = {token: KINDS[kind] for token, kind in zip(gradients.tokens, gradients.kinds, strict=True)}
    assert {"[CLS]": "[CLS]", "[SEP]": "[SEP]", ".": "punctuation", "good": "content"}.items() <= kinds.items()
    assert gradients.counts[gradients.of_kind("[CLS]")].tolist() == [5]
    assert gradients.counts[gradients.of_kind("[SEP]")].tolist() == [10]
    assert gradients.counts[[gradients.tokens.index("good")]].tolist() == [5]


@pytest.mark.parametrize("budget", [1, 16, 10_000])
def test_rows_add_up_whatever_the_batches(bert_classifier, monkeypatch, budget):
    whole = embedding_gradients(ModelHead(bert_classifier), TEXTS, labels=LABELS)
    monkeypatch.setattr("probes.encoder.batching.token_budget", lambda _encoder: budget)
    gradients = embedding_gradients(ModelHead(bert_classifier), TEXTS, labels=LABELS)
    np.testing.assert_allclose(gradients.norms, whole.norms, rtol=1e-4)
    np.testing.assert_allclose(gradients.sum_of_norms, whole.sum_of_norms, rtol=1e-4)
    again = embedding_gradients(ModelHead(bert_classifier), TEXTS, labels=LABELS)
    np.testing.assert_array_equal(gradients.norms, again.norms)


def test_what_is_left_without_a_share_of_the_texts_is_the_gradient_of_the_others(bert_classifier):
    head = ModelHead(bert_classifier)
    texts, labels = [f"{TEXTS[i % 4]} {chr(97 + i % 9)}" for i in range(45)], np.arange(45) % 2
    whole = embedding_gradients(head, texts, labels=labels)
    dealt = np.random.default_rng(0).permutation(45) % N_FOLDS
    for share in (0, 7):
        remaining_rows = np.flatnonzero(dealt != share)
        remaining_gradients = embedding_gradients(
            head, [texts[i] for i in remaining_rows], labels=labels[remaining_rows]
        )
        left = dict(zip(remaining_gradients.ids.tolist(), remaining_gradients.norms, strict=True))
        expected = [left.get(token, 0.0) for token in whole.ids.tolist()]
        np.testing.assert_allclose(whole.norms_without_fold[share], expected, rtol=1e-4, atol=1e-6 * whole.norms.max())


@pytest.mark.parametrize("n", [1, 2, 5, 19, 20, 21])
def test_no_fold_of_few_texts_is_empty(bert_classifier, n):
    texts, labels = [f"{TEXTS[i % 4]} {chr(97 + i % 9)}" for i in range(n)], np.arange(n) % 2
    gradients = embedding_gradients(ModelHead(bert_classifier), texts, labels=labels)
    assert len(gradients.norms_without_fold) == min(n, N_FOLDS)
    (cls,) = np.flatnonzero(gradients.of_kind("[CLS]"))
    assert (gradients.norms_without_fold[:, cls] != gradients.norms[cls]).all()


def test_the_rows_of_no_texts_have_no_folds(bert_classifier):
    assert embedding_gradients(ModelHead(bert_classifier), [], labels=[]).norms_without_fold.shape == (0, 0)
