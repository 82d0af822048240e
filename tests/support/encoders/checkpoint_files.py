"""Saved checkpoints that tests change."""

import json

import pytest
import torch

from probes import Encoder, InputError
from tests.support.encoders.models import HIDDEN, build_tokenizer

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene", "a plot !"]


SMALL = {"vocab_size": 256, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2}


SMALL |= {"intermediate_size": 24, "max_position_embeddings": 64}


def assert_refused(name, why, **options):
    with pytest.raises(InputError, match=why) as error:
        Encoder.load(str(name), **options)
    assert "\n" not in str(error.value)


def assert_folder_refused(folder, why):
    """Assert that a folder is not loaded, in one line that names it."""
    with pytest.raises(InputError, match=why) as error:
        Encoder.load(str(folder))
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def change(folder, file="config.json", *, absent=(), **settings):
    content = json.loads((folder / file).read_text(encoding="utf-8")) | settings
    content = {name: value for name, value in content.items() if name not in absent}
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


def with_trained_weights(model):
    """Return the model with weights that differ as trained ones do, and its tokenizer."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval(), build_tokenizer()


def family(name, **changes):
    import transformers

    sizes = {key: value for key, value in SMALL.items() if name != "FNet" or key != "num_attention_heads"}
    config = getattr(transformers, f"{name}Config")(**sizes, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return with_trained_weights(getattr(transformers, f"{name}Model")(config))
