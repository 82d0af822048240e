"""The door of every function that explains: any sequence is taken as it is meant, and all else is one line."""

import functools
import re

import numpy as np
import pandas as pd
import pytest
import torch

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute, parameter_randomisation, word_means
from probes.attribution_checks.faithfulness import faithfulness, perturbation_curves
from probes.attribution_checks.infidelity import infidelity
from probes.attribution_checks.planted_shortcut import planted_shortcut
from probes.attribution_checks.plausibility import plausibility
from probes.data.texts import Texts
from probes.mechanism.attention_contributions import attention_contributions
from probes.mechanism.gradient_flow import embedding_gradients, gradient_shares
from probes.mechanism.interventions import intervened_log_probs, mean_states, sample_states
from probes.mechanism.token_shares import direct_scores
from tests.support.datasets.any_sequence import LABELS, NAMES, PAIRS, SEQUENCES, TEXTS, model_head, probe_head
from tests.support.encoders.models import HIDDEN, build_model


def scores_of(attributions):
    return [(a.text, a.pair, a.target, a.words, a.scores.round(5).tolist()) for a in attributions]


WITH_TEXTS = {
    "attribute": lambda texts, labels: scores_of(
        attribute(probe_head(), texts, targets=labels, method="input_x_gradient", references=list(TEXTS))
    ),
    "predict_proba": lambda texts, _labels: model_head().predict_proba(texts),
    "gradient_shares": lambda texts, labels: gradient_shares(probe_head(), texts, labels=labels).mean.round(5),
    "embedding_gradients": lambda texts, labels: embedding_gradients(probe_head(), texts, labels=labels).norms.round(5),
    "contributions": lambda texts, _labels: attention_contributions(probe_head().encoder, texts).mean.round(5),
    "intervened_log_probs": lambda texts, _labels: intervened_log_probs(
        probe_head(), texts, edits=[(1, lambda states: states.hidden * 2)]
    )[1].round(5),
    "mean_states": lambda texts, _labels: mean_states(probe_head().encoder, texts).content.round(5),
    "sample_states": lambda texts, _labels: sample_states(probe_head().encoder, texts, pooling="cls", layers=[1])[
        1
    ].round(5),
    "direct_scores": lambda texts, labels: [
        scores.round(5).tolist() for scores in direct_scores([probe_head()], texts, targets=labels)
    ],
    "parameter_randomisation": lambda texts, labels: parameter_randomisation(
        probe_head(), texts, targets=labels, method="input_x_gradient"
    ).correlation.round(4),
}


@functools.cache
def of_lists(name):
    return WITH_TEXTS[name](Texts(TEXTS, PAIRS), LABELS)


@pytest.mark.parametrize("kind", SEQUENCES)
@pytest.mark.parametrize("name", WITH_TEXTS)
def test_any_sequence_gives_what_a_list_gives(name, kind):
    as_kind = SEQUENCES[kind]
    np.testing.assert_equal(WITH_TEXTS[name](Texts(as_kind(TEXTS), as_kind(PAIRS)), as_kind(LABELS)), of_lists(name))


@pytest.mark.parametrize("labels", [[NAMES[i] for i in LABELS], torch.tensor(LABELS), np.array(LABELS, np.int8)])
@pytest.mark.parametrize("name", ["attribute", "gradient_shares", "direct_scores"])
def test_classes_go_by_name_or_by_id(name, labels):
    np.testing.assert_equal(WITH_TEXTS[name](Texts(TEXTS, PAIRS), labels), of_lists(name))


@pytest.mark.parametrize("target", [1, np.int64(1), "positive", [1, 1, 1]])
def test_one_class_for_all_texts_is_a_name_or_an_id(target):
    attributions = attribute(probe_head(), TEXTS, targets=target, against=np.int64(0), method="random")
    assert {(a.target, a.against) for a in attributions} == {("positive", "negative")}


def test_a_number_that_is_the_id_of_one_class_and_the_name_of_another_is_refused():
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((3, HIDDEN)).astype(np.float32), np.zeros(3, np.float32))
    head = ProbeHead(probe_head().encoder, probe, layer=1, pooling="mean", class_names=("1", "2", "3"))
    with pytest.raises(InputError, match="class 1 is the id of '2' and also the name of another class; give the name"):
        attribute(head, TEXTS, targets=1)
    assert {a.target for a in attribute(head, TEXTS, targets=3, method="random")} == {"3"}
    assert {a.target for a in attribute(head, TEXTS, targets="1", method="random")} == {"1"}
    # Labels are ids, whatever the classes are called.
    ids, names = (gradient_shares(head, TEXTS, labels=labels).mean for labels in ([0, 1, 2], ["1", "2", "3"]))
    np.testing.assert_array_equal(ids, names)


def explained(**options):
    return lambda: attribute(probe_head(), TEXTS, **options)


def checked(check, **options):
    return lambda: check(probe_head(), attribute(probe_head(), TEXTS, method="random"), **options)


REFUSED = {
    "one text": (lambda: attribute(probe_head(), "good film"), "texts must be a list of texts, found a single one"),
    "None among texts": (lambda: attribute(probe_head(), ["good", None]), "text 1 is None, not text"),
    "a nan among pairs": (lambda: Texts(TEXTS, ["a", float("nan"), "b"]), "second text 1 is nan, not text"),
    "two columns": (lambda: attribute(probe_head(), pd.DataFrame({"a": TEXTS})), "name one column of it"),
    "too few pairs": (lambda: Texts(TEXTS, PAIRS[:2]), "texts has 3, second texts has 2"),
    "too few targets": (explained(targets=["positive"]), "lengths differ: texts has 3, targets has 1"),
    "an unknown class": (explained(targets="negativ"), "unknown class 'negativ' (did you mean 'negative'?)"),
    "an id that is none": (explained(targets=2), "class ids of this head lie in [0, 2), found 2"),
    "a negative id": (explained(targets=-1), "class ids of this head lie in [0, 2), found -1"),
    "a class that is a fraction": (explained(targets=[0.0, 1.0, 0.0]), "targets must be names or ids of classes"),
    "a class that is no name": (explained(targets=[None] * 3), "targets must be names or ids of classes, found None"),
    "targets by text": (
        explained(targets={"a": 1}),
        "targets must be a class, or a list of one class per text, found dict",
    ),
    "against itself": (explained(targets=1, against="positive"), "'positive' cannot be explained against itself"),
    "a method": (explained(method="integrated_gradient"), "did you mean 'integrated_gradients'?"),
    "a method that is no name": (explained(method=["direct"]), "unknown attribution method ['direct']"),
    "a unit": (explained(unit="logits"), "unknown unit 'logits' (did you mean 'logit'?)"),
    "a baseline": (explained(baseline="zeros"), "unknown baseline 'zeros' (did you mean 'zero'?)"),
    "a baseline that is no name": (explained(baseline=0), "unknown baseline 0"),
    "no steps": (explained(max_steps=0), "max_steps must be a whole number from 1 to 4096, found 0"),
    "negative steps": (explained(max_steps=-16), "max_steps must be a whole number from 1 to 4096, found -16"),
    "half a step": (explained(max_steps=16.5), "max_steps must be a whole number from 1 to 4096, found 16.5"),
    "endless steps": (explained(max_steps=10**30), "max_steps must be a whole number from 1 to 4096, found 1000"),
    "a negative tolerance": (explained(tolerance=-0.1), "tolerance must be a finite number of 0 or more, found -0.1"),
    "a tolerance of nan": (explained(tolerance=float("nan")), "tolerance must be a finite number of 0 or more"),
    "a tolerance in words": (explained(tolerance="1%"), "tolerance must be a finite number of 0 or more, found '1%'"),
    "a negative seed": (explained(seed=-1), "seed must be a whole number from 0 to"),
    "a layer": (explained(states_layer=7), "unknown layer 7; known: 0, 1, 2, 3"),
    "a layer by name": (explained(states_layer="last"), "states_layer must be a whole number 0 or more, found 'last'"),
    "a layer above the probe's": (explained(states_layer=3), "the probe reads layer 2; states of layer 3"),
    "one reference": (explained(references="a film"), "references must be a list of texts, found a single one"),
    "an encoder": (lambda: attribute(probe_head().encoder, TEXTS), "found Encoder; wrap it: ModelHead(encoder)"),
    "a probe": (
        lambda: attribute(FittedProbe(np.eye(2, dtype=np.float32), np.zeros(2, np.float32)), TEXTS),
        "head must be a ProbeHead or ModelHead",
    ),
    "a path": (lambda: attribute("my-model", TEXTS), "head must be a ProbeHead or ModelHead, found str"),
    "faithfulness of scores": (lambda: faithfulness(probe_head(), [[0.1]]), "attribution 0 is [0.1], not Attribution"),
    "faithfulness of one": (
        lambda: faithfulness(probe_head(), attribute(probe_head(), TEXTS[:1])[0]),
        "attributions must be a list of Attribution, found Attribution; put one into a list",
    ),
    "faithfulness in percent": (checked(faithfulness, fractions=[1, 5, 10]), "fractions must lie in (0, 1]"),
    "faithfulness in words": (checked(faithfulness, fractions="10%"), "fractions must lie in (0, 1]"),
    "fewer than no orders": (checked(faithfulness, random_orders=-1), "random_orders must be a whole number from 0 to"),
    "a replacement": (checked(perturbation_curves, replacement="[MASK]"), "unknown replacement '[MASK]'"),
    "no samples": (checked(infidelity, samples=0), "infidelity needs 1 set of tokens or more, found 0"),
    "infidelity's baseline": (checked(infidelity, baseline="sampled"), "the baseline 'sampled'"),
    "word means of texts": (lambda: word_means(TEXTS), "attribution 0 is 'the film was good', not Attribution"),
    "too few spans": (
        lambda: plausibility(attribute(probe_head(), TEXTS, method="random"), [[(0, 3)]]),
        "lengths differ: attributions has 3, spans has 1",
    ),
    "spans that are numbers": (
        lambda: plausibility(attribute(probe_head(), TEXTS[:1], method="random"), [[0, 3]]),
        "spans 0: a span must be [first, last + 1], found 0",
    ),
    "spans beyond the text": (
        lambda: plausibility(attribute(probe_head(), TEXTS[:1], method="random"), [[(0, 300)]]),
        "the span (0, 300) is empty or outside its text",
    ),
    "labels that are no ids": (
        lambda: gradient_shares(probe_head(), TEXTS, labels=[0, 1, 2]),
        "labels must lie in [0, 2), found 0 to 2",
    ),
    "labels by a column's name": (
        lambda: gradient_shares(probe_head(), TEXTS, labels="label"),
        "labels must be a list of one class per text, found str",
    ),
    "heads that are none": (lambda: direct_scores([1], TEXTS, targets=0), "head 0 is 1, not ProbeHead"),
    "states of a head": (lambda: mean_states(probe_head(), TEXTS), "encoder must be an Encoder, found ProbeHead"),
    "contributions of a model": (
        lambda: attention_contributions(probe_head().encoder.model, TEXTS),
        "encoder must be an Encoder, found BertModel",
    ),
    "a planted shortcut of one class": (
        lambda: planted_shortcut(probe_head().encoder, TEXTS, TEXTS, layer=1, pooling="mean", n_classes=1),
        "a planted shortcut needs 2 classes",
    ),
    "a planted shortcut by a method": (
        lambda: planted_shortcut(probe_head().encoder, TEXTS * 9, TEXTS, layer=1, pooling="mean", methods="ig"),
        "unknown attribution method 'ig'",
    ),
}
"""Fault -> a call, and a part of what is said."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(name):
    call, message = REFUSED[name]
    with pytest.raises(InputError, match=re.escape(message)) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("head", [probe_head, model_head])
def test_a_head_says_what_it_predicts_of_any_texts(head):
    probe, sizes = head(), (len(TEXTS), 2)
    log_prob, chances = probe.log_prob(Texts(TEXTS, PAIRS)), probe.predict_proba(Texts(pd.Series(TEXTS), tuple(PAIRS)))
    assert (chances.shape, chances.dtype) == (sizes, np.float64)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(chances, np.exp(log_prob))
    assert probe.predict(Texts(iter(TEXTS), PAIRS)) == [NAMES[i] for i in chances.argmax(axis=1)]
    assert [a.predicted for a in attribute(probe, Texts(TEXTS, PAIRS), method="random")] == probe.predict(
        Texts(TEXTS, PAIRS)
    )
    assert probe.predict([]) == []
    assert probe.predict_proba([]).shape == (0, 2)


def test_values_that_are_no_numbers_are_refused_not_explained():
    head = probe_head()
    weight = np.full((2, HIDDEN), np.nan, dtype=np.float32)
    broken = ProbeHead(head.encoder, FittedProbe(weight, np.zeros(2, np.float32)), layer=1, pooling="mean")
    with pytest.raises(InputError, match=r"text 0 \('the film was good'\): the head's logits .* are not finite"):
        attribute(broken, TEXTS, baseline="zero")
    with pytest.raises(InputError, match="the head's logits at a baseline are not finite"):
        attribute(broken, TEXTS)


@pytest.mark.parametrize("function", [lambda s: s.hidden.amax(dim=1), lambda s: (s.hidden**2).mean(dim=1)])
def test_a_pooling_of_ones_own_that_is_no_weighted_sum_has_no_direct_scores(monkeypatch, function):
    from probes.encoder.pooling import POOLINGS, mean

    head = probe_head()
    monkeypatch.setitem(POOLINGS, "own", function)
    monkeypatch.setattr(head, "pooling", "own")
    with pytest.raises(InputError, match="a probe on 'own' is not linear in token states"):
        direct_scores([head], TEXTS, targets=1)
    monkeypatch.setitem(POOLINGS, "own", lambda states: 2 * mean(states))
    doubled = direct_scores([head], TEXTS, targets=1)
    monkeypatch.setattr(head, "pooling", "mean")
    for one, plain in zip(doubled, direct_scores([head], TEXTS, targets=1), strict=True):
        np.testing.assert_allclose(one, 2 * plain, rtol=1e-5)


class TestPlainCaptum:
    """A head as a function of its input embeddings, as Captum calls it."""

    def ready(self, texts):
        head = model_head()
        batch = head.encoder.batch(head.encoder.encode(texts), range(len(texts)))
        embeddings = head.encoder.embed(batch).detach().requires_grad_()
        return head, batch, embeddings, torch.zeros_like(embeddings)

    @pytest.mark.parametrize("options", [{}, {"internal_batch_size": 3}, {"internal_batch_size": 7}])
    def test_integrated_gradients_take_several_texts_at_once(self, options):
        from captum.attr import IntegratedGradients

        head, batch, embeddings, nothing = self.ready(TEXTS)
        method = IntegratedGradients(lambda points: head.logits(batch, points))
        together = method.attribute(embeddings, nothing, target=1, n_steps=8, **options)
        for row in range(len(TEXTS)):
            alone = IntegratedGradients(lambda points, row=row: head.logits(batch.row(row), points))
            n = int(batch.mask[row].sum())
            one = alone.attribute(embeddings[[row], :n], nothing[[row], :n], target=1, n_steps=8)
            torch.testing.assert_close(together[[row], :n], one, atol=1e-6, rtol=1e-4)

    def test_methods_that_repeat_each_text_let_captum_keep_count(self):
        from captum.attr import NoiseTunnel, Saliency

        head, batch, embeddings, _ = self.ready(TEXTS)
        method = NoiseTunnel(Saliency(lambda points, rows: head.logits(batch.take(rows), points)))
        rows = torch.arange(len(TEXTS))
        captum_scores = method.attribute(
            embeddings, nt_samples=3, stdevs=0.0, target=1, abs=False, additional_forward_args=rows
        )
        plain = Saliency(lambda points: head.logits(batch, points)).attribute(embeddings, target=1, abs=False)
        torch.testing.assert_close(captum_scores, plain, atol=1e-6, rtol=1e-4)

    def test_embeddings_of_other_texts_are_refused(self):
        head, batch, embeddings, _ = self.ready(TEXTS)
        for wrong in (embeddings[:2], embeddings[:, 1:], embeddings[0], torch.cat([embeddings, embeddings[:1]])):
            with pytest.raises(InputError, match=r"a batch of 3 texts of \d+ tokens takes embeddings of shape"):
                head.logits(batch, wrong)


class TestAProbeOfAnotherEncoder:
    """Equal sizes are not equal weights."""

    @pytest.fixture
    def fitted(self, bert):
        weight = np.random.default_rng(0).standard_normal((2, HIDDEN)).astype(np.float32)
        return FittedProbe(weight, np.zeros(2, np.float32), encoder=bert.fingerprint())

    def test_its_own_encoder_and_every_copy_of_it_are_accepted(self, bert, fitted):
        for same_encoder in (
            bert,
            bert.replica(),
            bert.clone(),
            bert.with_dtype("bfloat16"),
            Encoder(*build_model("bert")),
        ):
            ProbeHead(same_encoder, fitted, layer=1, pooling="mean")

    def test_another_is_refused_unless_asked_for(self, bert, fitted):
        for other_encoder in (bert.untrained(0), Encoder(*build_model("bert", hidden_act="relu"))):
            with pytest.raises(InputError, match="the probe was fitted on features of another encoder than"):
                ProbeHead(other_encoder, fitted, layer=1, pooling="mean")
            ProbeHead(other_encoder, fitted, layer=1, pooling="mean", check_weights=False)

    @pytest.mark.parametrize("change", ["in place", "by data", "loaded"])
    def test_weights_that_have_changed_since_are_noticed(self, bert, fitted, change):
        ProbeHead(bert, fitted, layer=1, pooling="mean")
        weight = bert.model.encoder.layer[0].output.dense.weight
        if change == "in place":
            with torch.no_grad():
                weight.mul_(2)
        elif change == "by data":
            weight.data[0, 0] += 1
        else:
            bert.model.load_state_dict(bert.untrained(0).model.state_dict())
        with pytest.raises(InputError, match="of another encoder"):
            ProbeHead(bert, fitted, layer=1, pooling="mean")

    def test_the_fingerprint_is_worked_out_once(self, bert, fitted, monkeypatch):
        usual, calls = Encoder.fingerprint, []
        monkeypatch.setattr(Encoder, "fingerprint", lambda encoder: calls.append(1) or usual(encoder))
        for layer in range(3):
            ProbeHead(bert, fitted, layer=layer, pooling="mean")
        assert len(calls) == 1

    def test_a_file_of_probes_brings_the_fingerprint(self, bert, fitted, tmp_path):
        from probes import load_probes
        from probes.logistic.persistence import pack_probes

        packed = pack_probes({"label/mean/1": fitted}, {"weights": bert.fingerprint()})
        (tmp_path / "probes.safetensors").write_bytes(packed)
        (loaded,) = load_probes(tmp_path / "probes.safetensors")[0].values()
        assert loaded.encoder == bert.fingerprint()
        with pytest.raises(InputError, match="of another encoder"):
            ProbeHead(bert.untrained(1), loaded, layer=1, pooling="mean")

    def test_a_probe_of_a_checkpoint_without_a_pooler_fits_that_checkpoint(self, published):
        weight, encoder = np.ones((2, HIDDEN), np.float32), Encoder.load(str(published))
        of_states, whole = encoder.fingerprint(["mean"]), encoder.fingerprint(["mean", "pooler"])
        assert of_states != whole
        for same in (Encoder.load(str(published)), encoder.with_dtype("bfloat16"), encoder.clone()):
            for made_from, pooling in ((of_states, "mean"), (of_states, "cls"), (whole, "mean"), (whole, "pooler")):
                ProbeHead(same, FittedProbe(weight, weight[:, 0], encoder=made_from), layer=1, pooling=pooling)
        for other_encoder in (encoder.untrained(0), Encoder(*build_model("bert"))):
            with pytest.raises(InputError, match="of another encoder"):
                ProbeHead(other_encoder, FittedProbe(weight, weight[:, 0], encoder=of_states), layer=1, pooling="mean")

    def test_whatever_pooler_was_drawn_the_states_are_those_of_the_checkpoint(self, published):
        import transformers

        weight, encoder = np.ones((2, HIDDEN), np.float32), Encoder.load(str(published))
        probe = FittedProbe(weight, weight[:, 0], encoder=encoder.fingerprint(["mean"]))
        loaded = transformers.AutoModel.from_pretrained(str(published))
        with torch.no_grad():
            loaded.pooler.dense.weight.add_(1)
        ProbeHead(Encoder(loaded, encoder.tokenizer), probe, layer=1, pooling="mean")
        with pytest.raises(InputError, match="of another encoder"):
            ProbeHead(Encoder(loaded, encoder.tokenizer), probe, layer=1, pooling="pooler")

    def test_rows_that_change_places_are_noticed(self, bert, fitted):
        ProbeHead(bert, fitted, layer=1, pooling="mean")
        table = bert.model.embeddings.word_embeddings.weight
        with torch.no_grad():
            table[[5, 6]] = table[[6, 5]]
        with pytest.raises(InputError, match="of another encoder"):
            ProbeHead(bert, fitted, layer=1, pooling="mean")
