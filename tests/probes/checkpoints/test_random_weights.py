"""The same architecture with random weights: nothing trained is left in it, and nothing else changes."""

import copy
import functools
import random

import numpy as np
import pytest
import torch

from probes import Encoder, InputError
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model

TEXTS = ("the film was not good .", "awful", "we very dull it is a bright scene !")
AUTOS = ("AutoModel", "AutoModelForSequenceClassification")
both = pytest.mark.parametrize("auto", AUTOS)
families = pytest.mark.parametrize("family", FAMILIES)


@functools.cache
def trained(family, auto="AutoModel"):
    """For tests that only read."""
    return Encoder(*build_model(family, auto))


@functools.cache
def untrained(family, auto="AutoModel", seed=0):
    return trained(family, auto).untrained(seed)


def matrices(encoder):
    return {name: weights for name, weights in encoder.base.named_parameters() if weights.ndim > 1}


def states(encoder, layers=range(LAYERS + 1)):
    batch = encoder.batch(encoder.encode(TEXTS), range(len(TEXTS)))
    with torch.inference_mode():
        return {layer: actual.hidden for layer, actual in encoder.states(batch, layers).items()}


def seeded(config, seed):
    """A BERT whose training has not begun: its weights are those that the seed gives."""
    from transformers import BertModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BertModel(config)


# What is new


@both
@families
def test_every_matrix_differs_from_the_trained_one_and_from_another_seeds(family, auto):
    old, new, second = (
        matrices(e) for e in (trained(family, auto), untrained(family, auto), untrained(family, auto, 1))
    )
    assert old.keys() == new.keys() == second.keys()
    assert len(new) > 2 * LAYERS or family == "albert"
    for name, weights in new.items():
        assert weights.shape == old[name].shape
        assert weights.isfinite().all()
        for those in (old, second):
            assert (weights != those[name]).float().mean() > 0.9, name


@families
def test_a_seed_gives_the_same_weights_again_whatever_the_global_seed(family):
    torch.manual_seed(123)
    again = trained(family).untrained(0)
    for name, tensor in untrained(family).base.state_dict().items():
        assert torch.equal(tensor, again.base.state_dict()[name]), name
    assert again.fingerprint() == untrained(family).fingerprint()


@both
@families
def test_fingerprints_distinguish_the_trained_model_and_every_seed(family, auto):
    encoders = (trained(family, auto), untrained(family, auto), untrained(family, auto, 1))
    assert len({encoder.fingerprint() for encoder in encoders}) == 3


@families
def test_states_of_every_layer_differ_from_the_trained_ones(family):
    old, new = states(trained(family)), states(untrained(family))
    for layer in range(LAYERS + 1):
        assert new[layer].isfinite().all()
        assert (new[layer] - old[layer]).abs().max() > 1e-3


def test_first_values_are_drawn_as_for_a_new_model():
    config = FAMILIES["bert"]()[0]
    expected = dict(seeded(config, 7).named_parameters())
    actual = dict(trained("bert").untrained(7).base.named_parameters())
    assert actual.keys() == expected.keys()
    for name, weights in actual.items():
        assert torch.equal(weights, expected[name]), name
    assert actual["encoder.layer.0.attention.self.query.weight"].std() == pytest.approx(
        config.initializer_range, rel=0.2
    )


def test_initialising_a_loaded_model_again_would_have_changed_nothing(tmp_path):
    from transformers import BertModel

    build_model("bert")[0].save_pretrained(tmp_path)
    model = BertModel.from_pretrained(tmp_path)
    before = copy.deepcopy(model.state_dict())
    model.init_weights()
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
    actual = Encoder(model, trained("bert").tokenizer).untrained(0).base.state_dict()
    assert not torch.equal(actual["encoder.layer.0.output.dense.weight"], before["encoder.layer.0.output.dense.weight"])


# What stays


@both
@families
def test_it_has_the_layers_sizes_poolings_and_limits_of_the_trained_one(family, auto):
    old, new = trained(family, auto), untrained(family, auto)
    assert (new.n_layers, new.hidden, new.max_length) == (old.n_layers, old.hidden, old.max_length)
    assert (new.poolings, new.usual_poolings) == (old.poolings, old.usual_poolings)
    assert new.random_pooler == new.has_pooler == old.has_pooler
    assert new.tokenizer is old.tokenizer
    assert new.tokenizer_fingerprint() == old.tokenizer_fingerprint()
    assert type(new.model) is type(old.base)
    assert not new.is_classifier
    assert new.class_names == ()


@families
def test_a_classifiers_encoder_is_built_as_the_bare_one_is(family):
    bare, inner = states(untrained(family)), states(untrained(family, "AutoModelForSequenceClassification"))
    for layer in range(LAYERS + 1):
        assert torch.equal(bare[layer], inner[layer])


def test_name_revision_length_and_dtype_are_those_of_the_trained_model_and_its_seed():
    model, tokenizer = build_model("bert")
    encoder = Encoder(model, tokenizer, max_length=9, dtype="bfloat16", name="mine", revision="v2").untrained(3)
    assert encoder.name == "mine, untrained (seed 3)"
    assert (encoder.max_length, encoder.dtype, encoder.revision) == (9, "bfloat16", "v2")
    assert encoder.encode(["the " * 20]).lengths.tolist() == [9]
    assert states(encoder)[LAYERS].isfinite().all()


@both
@families
def test_the_trained_model_and_every_random_state_are_unchanged(family, auto):
    encoder = Encoder(*build_model(family, auto))
    encoder.model.train()
    before = copy.deepcopy(encoder.model.state_dict()), encoder.base.config.to_dict(), encoder.fingerprint()
    torch.manual_seed(11)
    expected = torch.rand(3), random.Random(5).random(), np.random.RandomState(5).rand()
    torch.manual_seed(11)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global state is what must stay
    encoder.untrained(0)
    actual = torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    assert torch.equal(actual[0], expected[0])
    assert actual[1:] == expected[1:]
    assert encoder.model.training
    assert encoder.base.config.to_dict() == before[1]
    assert encoder.fingerprint() == before[2]
    for name, tensor in encoder.model.state_dict().items():
        assert torch.equal(tensor, before[0][name])


def test_it_is_in_evaluation_mode_and_needs_no_gradients():
    encoder = untrained("bert")
    assert not any(module.training for module in encoder.model.modules())
    assert not any(weights.requires_grad for weights in encoder.model.parameters())
    assert torch.equal(states(encoder)[LAYERS], states(encoder)[LAYERS])


def test_settings_are_a_copy():
    encoder = Encoder(*build_model("bert"))
    random_encoder = encoder.untrained(0)
    assert random_encoder.config is not encoder.config
    assert random_encoder.config.hidden_size == HIDDEN


def test_a_checkpoint_saved_in_bfloat16_is_built_in_float32_as_it_is_loaded(tmp_path):
    model, tokenizer = build_model("bert")
    for part in (model.to(torch.bfloat16), tokenizer):
        part.save_pretrained(tmp_path)
    encoder = Encoder.load(str(tmp_path), device="cpu")
    assert encoder.config.dtype is not None
    random_encoder = encoder.untrained(0)
    assert {weights.dtype for weights in encoder.model.parameters()} == {torch.float32}
    assert {weights.dtype for weights in random_encoder.model.parameters()} == {torch.float32}
    for name, weights in matrices(random_encoder).items():
        assert torch.equal(weights, matrices(untrained("bert"))[name])
        assert not torch.equal(weights, weights.bfloat16().float())  # not drawn in bfloat16 either


def test_an_untrained_model_has_the_dtype_of_a_half_precision_one():
    model, tokenizer = build_model("bert")
    random_encoder = Encoder(model.to(torch.bfloat16), tokenizer).untrained(0)
    assert {weights.dtype for weights in random_encoder.model.parameters()} == {torch.bfloat16}
    for name, weights in matrices(random_encoder).items():
        assert torch.equal(weights, matrices(untrained("bert"))[name].bfloat16())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_a_seed_gives_the_same_weights_and_the_gpus_random_state_stays():
    encoder = Encoder(*build_model("bert"), device="cuda")
    before = torch.cuda.get_rng_state()
    random_encoder = encoder.untrained(0)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert random_encoder.device.type == "cuda"
    assert random_encoder.fingerprint() == untrained("bert").fingerprint()


# The trained model in disguise


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.word_embeddings.weight",
        "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "encoder.layer.0.attention.self.query.weight",
        f"encoder.layer.{LAYERS - 1}.output.dense.weight",
        "pooler.dense.weight",
    ],
)
def test_a_matrix_that_is_still_the_trained_one_is_refused_by_its_name(name, monkeypatch):
    encoder = trained("bert")
    kind, weights = type(encoder.base), encoder.base.state_dict()[name]

    def init(self, config, _first=kind.__init__):
        _first(self, config)
        self.load_state_dict({**self.state_dict(), name: weights})

    monkeypatch.setattr(kind, "__init__", init)
    with pytest.raises(
        InputError, match=rf"^{name} of the untrained BertModel \(seed 0\) equals the trained one.*floor"
    ):
        encoder.untrained(0)


def test_zeros_in_the_row_of_the_padding_make_no_trained_table_a_new_one(monkeypatch):
    encoder = trained("bert")
    kind, trained_state = type(encoder.base), copy.deepcopy(encoder.base.state_dict())
    trained_state["embeddings.word_embeddings.weight"][encoder.config.pad_token_id] = 0

    def init(self, config, _first=kind.__init__):
        _first(self, config)
        self.load_state_dict(trained_state)

    monkeypatch.setattr(kind, "__init__", init)
    with pytest.raises(InputError, match=r"word_embeddings\.weight of the untrained"):
        encoder.untrained(0)


def test_a_model_never_trained_is_refused_at_its_own_seed_alone():
    config, tokenizer = FAMILIES["bert"]()
    encoder = Encoder(seeded(config, 4), tokenizer)
    with pytest.raises(InputError, match=r"\(seed 4\) equals the trained one.*another seed"):
        encoder.untrained(4)
    assert encoder.untrained(5).fingerprint() != encoder.fingerprint()


def test_vectors_may_equal_their_first_values():
    config, tokenizer = FAMILIES["bert"]()
    encoder = Encoder(seeded(config, 4), tokenizer)
    old, new = encoder.base.state_dict(), encoder.untrained(5).base.state_dict()
    name = "encoder.layer.0.output.LayerNorm.weight"
    assert torch.equal(old[name], new[name])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda model: model.register_parameter("adapter", torch.nn.Parameter(torch.ones(2, 2))), "adapter"),
        (lambda model: setattr(model.pooler, "dense", torch.nn.Linear(HIDDEN, 5)), r"pooler\.dense\.bias, pooler"),
    ],
    ids=["more", "another shape"],
)
def test_an_architecture_that_the_settings_do_not_describe_is_refused(change, named):
    encoder = Encoder(*build_model("bert"))
    change(encoder.base)
    with pytest.raises(InputError, match=f"BertModel built from its config alone differs in {named}"):
        encoder.untrained(0)


# The packaged encoder


def test_the_packaged_encoder_untrained_shares_no_matrix_with_the_trained_one(packaged):
    random_encoder = packaged.untrained(0)
    assert random_encoder.name == "all-MiniLM-L6-v2 (packaged), untrained (seed 0)"
    assert (random_encoder.n_layers, random_encoder.hidden, random_encoder.max_length) == (6, 384, 256)
    assert random_encoder.random_pooler
    old, new = matrices(packaged), matrices(random_encoder)
    assert len(new) == 3 + 6 * 6 + 1
    for name, weights in new.items():
        assert (weights != old[name]).float().mean() > 0.99
    assert len({e.fingerprint() for e in (packaged, random_encoder, packaged.untrained(1))}) == 3
    actual = states(random_encoder, range(7))
    assert all(hidden.isfinite().all() for hidden in actual.values())
