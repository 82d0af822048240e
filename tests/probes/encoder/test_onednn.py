"""Packed linear layers: the same numbers, in the one case they are for, and a model given back as it came."""

import pytest
import torch
from torch import nn

from probes.encoder.encoder import Encoder
from probes.encoder.onednn import multiplies_bfloat16, packed_linear_layers
from tests.support.encoders.models import build_model

with_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="a PyTorch built without oneDNN")
half_precision = pytest.mark.skipif(not multiplies_bfloat16(), reason="this CPU cannot multiply bfloat16")


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 5, bias=False))


def calls(monkeypatch):
    """Number of products that oneDNN did, beside those on which it is tried first."""
    seen, real = [], torch.ops.mkldnn._linear_pointwise

    def counted(*args):
        if args[0].shape != (3, 8):
            seen.append(0)
        return real(*args)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", counted)
    return seen


@with_onednn
@pytest.mark.parametrize("shape", [(1, 8), (7, 8), (3, 5, 8), (1, 1, 8)])
def test_packed_layers_give_the_same_numbers(shape, monkeypatch):
    model, x, seen = net(), torch.randn(shape, generator=torch.Generator().manual_seed(1)), calls(monkeypatch)
    with torch.inference_mode():
        plain = model(x)
        assert not seen
        with packed_linear_layers(model, 64):
            torch.testing.assert_close(model(x), plain, atol=1e-6, rtol=0)
        assert len(seen) == 2
        assert torch.equal(model(x), plain)
    assert len(seen) == 2


@half_precision
def test_under_autocast_packed_layers_give_autocasts_numbers(monkeypatch):
    model, x, seen = net(), torch.randn(7, 8, generator=torch.Generator().manual_seed(1)), calls(monkeypatch)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        plain = model(x)
        with packed_linear_layers(model, 64, torch.bfloat16):
            output = model(x)
    assert output.dtype is plain.dtype is torch.bfloat16
    assert len(seen) == 2
    torch.testing.assert_close(output, plain, atol=0.01, rtol=0)
    with torch.inference_mode(), packed_linear_layers(model, 64, torch.bfloat16):
        assert model(x).dtype is torch.float32  # laid out for autocast, which is off
    assert len(seen) == 2


@with_onednn
def test_a_cpu_that_cannot_multiply_bfloat16_runs_its_layers_as_ever(monkeypatch):
    model, x, seen = net(), torch.randn(7, 8, generator=torch.Generator().manual_seed(1)), calls(monkeypatch)
    monkeypatch.setattr("probes.encoder.onednn.multiplies_bfloat16", lambda: False)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        plain = model(x)
        with packed_linear_layers(model, 64, torch.bfloat16):
            assert torch.equal(model(x), plain)
        assert not seen
    with torch.inference_mode(), packed_linear_layers(model, 64):
        model(x)
    assert len(seen) == 2  # float32 is packed all the same


class Wide(nn.Module):
    """A linear layer and GELU, as encoders have them; `scale` times that."""

    def __init__(self, scale=1):
        super().__init__()
        torch.manual_seed(0)
        self.dense, self.act, self.scale = nn.Linear(8, 32), nn.GELU(), scale

    def forward(self, x):
        return self.act(self.dense(x)) * self.scale


@with_onednn
@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=half_precision)])
def test_a_gelu_behind_a_linear_layer_is_done_in_one_call(dtype, monkeypatch):
    model, x = nn.Sequential(Wide(), nn.Linear(32, 8)), torch.randn(7, 8, generator=torch.Generator().manual_seed(1))
    seen, active = calls(monkeypatch), []
    monkeypatch.setattr(model[0].act, "forward", lambda x: active.append(0) or nn.functional.gelu(x))
    with torch.inference_mode(), torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32):
        plain = model(x)
        with packed_linear_layers(model, 64, dtype):
            active.clear()
            torch.testing.assert_close(model(x), plain, atol=1e-6 if dtype is torch.float32 else 0.01, rtol=0)
    assert len(seen) == 2
    assert not active
    assert not any("forward" in vars(module) for module in (model[0], model[0].dense, model[1]))


def test_a_module_that_does_more_than_gelu_or_is_watched_is_not_fused(monkeypatch):
    x = torch.randn(7, 8, generator=torch.Generator().manual_seed(1))
    between = []
    watched = Wide()
    watched.dense.register_forward_hook(lambda _module, _args, output: between.append(output))
    for model in (Wide(2), watched):
        with torch.inference_mode():
            plain = model(x)
            with packed_linear_layers(model, 64):
                torch.testing.assert_close(model(x), plain, atol=1e-6, rtol=0)
    assert len(between) == 2


@with_onednn
def test_gradients_autocast_unasked_and_other_dtypes_go_the_usual_way(monkeypatch):
    model, x, seen = net(), torch.randn(3, 8), calls(monkeypatch)
    with packed_linear_layers(model, 64):
        model(x).sum().backward()
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            assert model(x).dtype is torch.bfloat16
    assert model[0].weight.grad.abs().sum() > 0
    half = net().bfloat16()
    with packed_linear_layers(half, 64), torch.inference_mode():
        assert half(x.bfloat16()).dtype is torch.bfloat16
    assert not seen


@with_onednn
def test_the_model_is_given_back_also_after_an_exception_and_inside_itself():
    model = net()
    with pytest.raises(RuntimeError, match="stop"), packed_linear_layers(model, 64):
        raise RuntimeError("stop")
    with packed_linear_layers(model, 64):
        with packed_linear_layers(model, 64):
            pass
        assert all("forward" in vars(layer) for layer in model if isinstance(layer, nn.Linear))
    assert not any("forward" in vars(layer) for layer in model)


@with_onednn
def test_a_subclass_of_a_linear_layer_is_left_alone(monkeypatch):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model, x, seen = Doubled(8, 2), torch.randn(3, 8), calls(monkeypatch)
    with torch.inference_mode(), packed_linear_layers(model, 64):
        torch.testing.assert_close(model(x), 2 * nn.functional.linear(x, model.weight, model.bias))
    assert not seen


def test_a_clipped_gelu_is_not_taken_for_gelu():
    """It agrees with GELU below its limit of 10, and so on everything small that could be tried."""
    model, tokenizer = build_model("bert", hidden_act="gelu_10")
    with torch.no_grad():
        weight = model.encoder.layer[0].intermediate.dense.weight
        weight[0] = 2 * torch.randn(weight.shape[1], generator=torch.Generator().manual_seed(0))
        weight[0] -= weight[0].mean()
    encoder = Encoder(model, tokenizer)
    batch = encoder.batch(encoder.encode(["a film", "the plot was good"]), [0, 1])
    with torch.inference_mode():
        plain = encoder.states(batch, [1])[1].hidden
        with encoder.packed_linear_layers(8):
            packed = encoder.states(batch, [1])[1].hidden
    torch.testing.assert_close(packed, plain, atol=1e-5, rtol=1e-5)


def test_a_weight_that_a_hook_makes_anew_is_not_laid_out():
    layer = torch.nn.Sequential(torch.nn.Linear(4, 4))
    with pytest.warns(FutureWarning, match="weight_norm"):
        torch.nn.utils.weight_norm(layer[0])
    with torch.no_grad():
        layer[0].weight_g.mul_(3)
    x = torch.ones(2, 4)
    with torch.inference_mode(), packed_linear_layers(layer, 2):
        output = layer(x)
    torch.testing.assert_close(output, layer(x).detach())


def test_a_packed_layer_takes_its_input_by_name_too():
    layer, x = torch.nn.Linear(4, 3), torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), packed_linear_layers(layer, 2):
        torch.testing.assert_close(layer(input=x), layer(x), atol=1e-6, rtol=1e-6)


class Operators:
    """`torch.ops.mkldnn` with some operators replaced, or missing where None."""

    def __init__(self, **operators):
        self._operators = operators

    def __getattr__(self, name):
        operator = self._operators.get(name, getattr(_MKLDNN, name))
        if operator is None:
            raise AttributeError(name)
        return operator


_MKLDNN = torch.ops.mkldnn


def _takes_less(_x, _weight):
    raise AssertionError("never called rightly")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    "operators",
    [
        {"_linear_pointwise": None},
        {"_reorder_linear_weight": None},
        {"_linear_pointwise": None, "_reorder_linear_weight": None, "_is_mkldnn_bf16_supported": None},
        {"_linear_pointwise": lambda *args: _MKLDNN._linear_pointwise(*args) + 0.5},
        {"_linear_pointwise": lambda *args: _MKLDNN._linear_pointwise(*args[:3], "none", [], "none")},
        {"_linear_pointwise": lambda *args: _MKLDNN._linear_pointwise(*args).double()},
        {"_linear_pointwise": lambda *args: _MKLDNN._linear_pointwise(*args)[:1]},
        {"_linear_pointwise": _takes_less},
    ],
    ids="no_product no_layout no_onednn wrong_numbers no_gelu wrong_dtype wrong_shape other_signature".split(),
)
def test_without_operators_that_agree_with_a_linear_layer_all_runs_as_ever(operators, dtype, monkeypatch):
    from probes.heads.trainer import quickest_dtype

    model, x = net(), torch.randn(7, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        plain = model(x)
        monkeypatch.setattr(torch.ops, "mkldnn", Operators(**operators))
        with packed_linear_layers(model, 64, dtype):
            assert not any("forward" in vars(module) for module in model.modules())
            assert torch.equal(model(x), plain)
    assert quickest_dtype(torch.device("cpu")) in ("float32", "bfloat16")


def test_a_pytorch_without_onednn_multiplies_no_bfloat16(monkeypatch):
    from probes.heads.trainer import quickest_dtype

    monkeypatch.setattr(torch.ops, "mkldnn", Operators(_is_mkldnn_bf16_supported=None))
    assert not multiplies_bfloat16()
    assert quickest_dtype(torch.device("cpu")) == "float32"
    monkeypatch.undo()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not multiplies_bfloat16()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_pytorch_that_is_told_to_leave_onednn_alone_packs_nothing_and_multiplies_no_bfloat16(dtype, monkeypatch):
    from probes.heads.trainer import quickest_dtype

    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not torch.backends.mkldnn.enabled
    assert quickest_dtype(torch.device("cpu")) == "float32"
    model = net()
    with packed_linear_layers(model, 64, dtype):
        assert not any("forward" in vars(module) for module in model.modules())


def test_to_try_the_operators_draws_no_random_number():
    model = net()
    state = torch.get_rng_state()
    with packed_linear_layers(model, 8):
        assert torch.equal(torch.get_rng_state(), state)
