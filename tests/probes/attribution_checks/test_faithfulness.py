"""Faithfulness: a plain loop over token ids, known causes, and the ends of perturbation curves."""

import functools
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from probes import Encoder, InputError, ModelHead, ProbeHead, attribute
from probes.attribution_checks import token_replacement as module
from probes.attribution_checks.faithfulness import FRACTIONS, faithfulness, perturbation_curves
from probes.attribution_checks.token_replacement import REPLACEMENTS
from probes.data.texts import Texts
from tests.support.encoders.models import build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "", "we very dull it is a bright scene ! [MASK] good great bad"]
PAIRS = ["bad", "", "the plot was fine", "good music"]
WORDS = "the film was not good bad fine dull bright very great awful plot actor music scene".split()


def linear(encoder):
    """A bag of embeddings: a probe on the mean of layer 0, without its layer norm, positions and types."""
    embeddings = encoder.model.embeddings
    embeddings.LayerNorm = torch.nn.Identity()
    with torch.no_grad():
        embeddings.position_embeddings.weight.zero_()
        embeddings.token_type_embeddings.weight.zero_()
    return ProbeHead(encoder, probe(), layer=0, pooling="mean")


def plain_log_prob(head, ids, types):
    """(classes,) by transformers alone."""
    inputs = {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([types])}
    with torch.no_grad():
        outputs = head.encoder.model(**inputs, output_hidden_states=True)
    if isinstance(head, ModelHead):
        return log_softmax(outputs.logits[0].double().numpy())
    hidden = outputs.hidden_states[head.layer][0]
    return log_softmax(probe(len(head.class_names)).logits(hidden.mean(dim=0, keepdim=True).numpy())[0])


def plain(head, a, order, fractions, replacement):
    """Comprehensiveness, sufficiency and log-odds of one order of positions."""
    tokenizer, target = head.encoder.tokenizer, head.class_names.index(a.target)
    sides = (a.text,) if a.pair is None else (a.text, a.pair)
    options = {"truncation": True, "max_length": head.encoder.max_length, "split_special_tokens": True}
    record = tokenizer(*([side] for side in sides), return_token_type_ids=True, **options)
    (ids,), (types,) = record["input_ids"], record["token_type_ids"]
    token = {"mask": tokenizer.mask_token_id, "pad": tokenizer.pad_token_id, "delete": None}[replacement]

    @functools.cache
    def log_prob(removed):
        remaining = [(token if i in removed else t, s) for i, (t, s) in enumerate(zip(ids, types, strict=True))]
        return plain_log_prob(head, *zip(*[(t, s) for t, s in remaining if t is not None], strict=True))[target]

    whole, n, rows = log_prob(frozenset()), len(order), []
    for numerator, denominator in fractions:
        k = max(1, -(-numerator * n // denominator))
        without, alone = log_prob(frozenset(order[:k])), log_prob(frozenset(order[k:]))
        rows.append([np.exp(whole) - np.exp(without), np.exp(whole) - np.exp(alone), without - whole])
    return np.mean(rows, axis=0)


def numbers(erased):
    return [erased.comprehensiveness, erased.sufficiency, erased.log_odds]


def best_first(a):
    positions = [i for i, (side, _, _) in enumerate(a.offsets) if side >= 0]
    return sorted(positions, key=lambda i: (-a.scores[i], i))


@pytest.mark.parametrize("replacement", REPLACEMENTS)
@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("kind", ["probe", "model"])
def test_faithfulness_is_that_of_a_plain_loop(bert, bert_classifier, kind, pairs, replacement):
    head = ModelHead(bert_classifier) if kind == "model" else ProbeHead(bert, probe(3), layer=2, pooling="mean")
    fractions = [(1, 100), (1, 2), (1, 1)]
    shares = [share / whole for share, whole in fractions]
    attributions = attribute(head, Texts(TEXTS, pairs), targets=head.class_names[0], method="input_x_gradient")
    assert any(a.predicted != a.target for a in attributions)
    for a, measured in zip(
        attributions, faithfulness(head, attributions, fractions=shares, replacement=replacement), strict=True
    ):
        order = best_first(a)
        assert measured.n_tokens == len(order)
        if not order:
            assert np.isnan([numbers(scores) for scores in (measured.scores, *measured.random_scores)]).all()
            continue
        expected = plain(head, a, order, fractions, replacement)
        np.testing.assert_allclose(numbers(measured.scores), expected, atol=2e-6)
        assert abs(expected).max() > 1e-3


def test_faithfulness_of_a_truncated_text_counts_the_tokens_that_were_read():
    encoder = Encoder(*build_model("bert"), max_length=8)
    head = ProbeHead(encoder, probe(), layer=2, pooling="mean")
    attributions = attribute(head, ["the film was not good and the plot was awful"], method="occlusion")
    assert attributions[0].truncated
    (measured,) = faithfulness(head, attributions, fractions=[0.5])
    assert measured.n_tokens == 6
    expected = plain(head, attributions[0], best_first(attributions[0]), [(1, 2)], "mask")
    np.testing.assert_allclose(numbers(measured.scores), expected, atol=2e-6)


def test_a_share_that_is_a_whole_number_of_tokens_is_not_rounded_up(bert):
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    attributions = attribute(head, [" ".join((WORDS * 2)[:25])], method="random")
    assert math.ceil(0.28 * 25) == 8
    for hundredths in (28, 56, 57):
        (measured,) = faithfulness(head, attributions, fractions=[hundredths / 100])
        expected = plain(head, attributions[0], best_first(attributions[0]), [(hundredths, 100)], "mask")
        np.testing.assert_allclose(numbers(measured.scores), expected, atol=2e-6)


def test_a_text_of_one_token_has_equal_scores_for_every_order(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    (measured,) = faithfulness(head, attribute(head, ["awful"]))
    assert set(measured.random_scores) == {measured.scores}
    assert measured.scores.sufficiency == pytest.approx(0, abs=1e-12)
    assert measured.scores.comprehensiveness != 0


def test_the_order_of_a_known_reason_is_the_best_of_all_orders_and_its_reverse_the_worst(bert):
    head = linear(bert)
    (a,) = attribute(head, ["the film was not good"], targets="1", against="0", method="occlusion", baseline="mask")
    assert len(set(a.scores[1:-1])) == 5
    fractions = [0.2, 0.4, 0.6, 0.8]
    every_order = list(itertools.permutations(range(5)))
    ranked = [replace(a, scores=np.array([0, *ranks, 0], dtype=float)) for ranks in every_order]
    measured = faithfulness(head, ranked, fractions=fractions, random_orders=0)
    reached = dict(zip(every_order, measured, strict=True))
    best = tuple(np.argsort(np.argsort(a.scores[1:-1])).tolist())
    worst = tuple(4 - rank for rank in best)
    for name, sign in (("comprehensiveness", 1), ("sufficiency", -1), ("log_odds", -1)):
        values = {ranks: sign * getattr(measured.scores, name) for ranks, measured in reached.items()}
        assert max(values, key=values.__getitem__) == best
        assert min(values, key=values.__getitem__) == worst
    (measured,) = faithfulness(head, [a], fractions=fractions, random_orders=200)
    assert measured.scores == reached[best].scores
    for name in ("comprehensiveness", "sufficiency", "log_odds"):
        sampled = [getattr(scores, name) for scores in measured.random_scores]
        exhaustive = [getattr(result.scores, name) for result in reached.values()]
        assert np.mean(sampled) == pytest.approx(np.mean(exhaustive), abs=0.15 * np.ptp(exhaustive))


def test_random_orders_depend_on_the_seed_and_the_text_alone(bert):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    occlusion, gradient_norm = (
        attribute(head, [TEXTS[0], TEXTS[3]], method=name) for name in ("occlusion", "gradient_norm")
    )
    first, second = faithfulness(head, occlusion), faithfulness(head, gradient_norm[::-1])[::-1]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(
            [numbers(scores) for scores in a.random_scores], [numbers(scores) for scores in b.random_scores], atol=1e-6
        )
        assert a.scores != b.scores
        assert len(set(a.random_scores)) > 1
    assert first == faithfulness(head, occlusion)
    assert first[1].random_scores != faithfulness(head, occlusion, seed=1)[1].random_scores


@pytest.mark.parametrize("replacement", REPLACEMENTS)
def test_curves_run_between_the_whole_and_the_empty_text(bert, replacement):
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    attributions = attribute(head, TEXTS)
    for a, curves in zip(attributions, perturbation_curves(head, attributions, replacement=replacement), strict=True):
        n = len(best_first(a))
        assert curves.deletion.shape == curves.insertion.shape == (n + 1,)
        assert curves.deletion[0] == curves.insertion[-1] == pytest.approx(a.probabilities[a.target], abs=1e-6)
        assert curves.deletion[-1] == curves.insertion[0]
        if not n:
            continue
        k = n // 2 + 1
        lost_without, lost_alone, _ = plain(head, a, best_first(a), [(k, n)], replacement)
        assert curves.deletion[k] == pytest.approx(curves.deletion[0] - lost_without, abs=2e-6)
        assert curves.insertion[k] == pytest.approx(curves.deletion[0] - lost_alone, abs=2e-6)


def test_texts_that_are_equal_after_replacement_are_computed_once(bert, monkeypatch):
    head, rows = ProbeHead(bert, probe(), layer=1, pooling="mean"), []

    def counted(head, encoded, *, progress=False):
        rows.append(len(encoded.ids))
        return log_prob(head, encoded, progress=progress)

    log_prob = module.log_prob
    monkeypatch.setattr(module, "log_prob", counted)
    attributions = attribute(head, [" ".join(WORDS[:10])], method="occlusion")
    faithfulness(head, attributions, random_orders=0)
    assert len(FRACTIONS) == 5
    assert rows.pop() == 1 + 2 * 3  # of ten tokens 1, 1, 1, 2 and 5, without them and with them alone
    perturbation_curves(head, attributions)
    assert rows.pop() == 2 * 10
    faithfulness(head, attribute(head, ["awful"], method="occlusion"), random_orders=5)
    assert rows.pop() == 2
    random_attributions = attribute(head, [" ".join(WORDS[:10])], method="random")
    faithfulness(head, attributions)
    with_floor = rows.pop()
    faithfulness(head, [*attributions, *random_attributions])
    assert 1 + 2 * 3 * 4 < with_floor < rows[0] <= with_floor + 2 * 3


def test_no_texts_have_no_faithfulness(bert):
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    assert faithfulness(head, []) == []
    assert perturbation_curves(head, []) == []


def test_what_does_not_fit_is_refused(bert):
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    attributions = attribute(head, TEXTS)
    for fractions in ((), (0.0, 0.5), (1.5,), (math.nan,)):
        with pytest.raises(InputError, match=r"fractions must lie in \(0, 1\]"):
            faithfulness(head, attributions, fractions=fractions)
    with pytest.raises(InputError, match="unknown replacement 'blank'; known: mask, pad, delete"):
        faithfulness(head, attributions, replacement="blank")
    with pytest.raises(InputError, match="unknown class '7'"):
        perturbation_curves(head, [replace(attributions[0], target="7")])
    with pytest.raises(InputError, match="text 0 has other tokens than when it was explained"):
        faithfulness(head, [replace(attributions[0], text="the film was not bad .")])
    with pytest.raises(InputError, match="1 of 5 attributions have a second text"):
        faithfulness(head, [*attributions, *attribute(head, Texts(TEXTS[:1], PAIRS[:1]))])
    decoder = Encoder(*build_model("gpt2"))
    head = ProbeHead(decoder, probe(), layer=1, pooling="last")
    attributions = attribute(head, TEXTS[:2])
    with pytest.raises(InputError, match=r"'mask' needs a mask token.* use delete"):
        faithfulness(head, attributions)
    with pytest.raises(InputError, match="leaves an empty input"):
        perturbation_curves(head, attributions, replacement="delete")
    (measured, _) = faithfulness(head, attributions, replacement="pad")
    assert measured.n_tokens == 6


def test_a_text_without_remaining_tokens_has_nan_scores_and_does_not_affect_other_texts():
    encoder = Encoder(*build_model("gpt2", "AutoModelForSequenceClassification"))
    head = ModelHead(encoder)
    attributions = attribute(head, TEXTS[:2], method="random")
    long, short = faithfulness(head, attributions, replacement="delete")
    assert faithfulness(head, attributions[:1], replacement="delete") == [long]
    assert not np.isnan([numbers(scores) for scores in (long.scores, *long.random_scores)]).any()
    assert np.isnan([numbers(scores) for scores in (short.scores, *short.random_scores)]).all()
    assert (short.n_tokens, len(short.random_scores)) == (1, len(long.random_scores))
    (none,) = faithfulness(head, attributions[:1], replacement="delete", fractions=[1.0])
    assert math.isnan(none.scores.comprehensiveness)
