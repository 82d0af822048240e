"""Probes on another device than the CPU: no GPU is needed to see that tensors of two devices never meet."""

import json
import subprocess
import sys

import pytest
from torch.utils import backend_registration

from tests.support.paths import ROOT

SETUP = "_setup_privateuseone_for_python_backend"
pytestmark = pytest.mark.skipif(not hasattr(backend_registration, SETUP), reason="a PyTorch without devices in Python")

SWEEPS = """
import json
import numpy as np
import torch
from probes.controls.control_tasks import ControlTask
from probes.probing.sites import Examples, ExampleSplits
from probes.devices import WITHOUT_FLOAT64
from probes.controls.studies import default_studies
from probes.probing.sweep_inputs import SweepOptions
from probes.probing.sweep import sweep_probes
from probes.probing.untrained import untrained_floors
from tests.support.encoders import pretended_device as pretend

rng = np.random.default_rng(0)
features = rng.standard_normal((2, 500, 12)) @ (rng.standard_normal((12, 12)) * np.logspace(0, -1, 12))
features = features.astype(np.float32)
labels = {"two": (features[0, :, 0] > 0).astype(int), "four": rng.integers(4, size=500)}
splits = [
    Examples({"mean": features[:, rows]}, {task: y[rows] for task, y in labels.items()})
    for rows in (slice(0, 300), slice(300, 400), slice(400, 500))
]
train, _, test = splits
control = ControlTask(*(np.stack([s.labels["two"]] * 2) for s in (train, test)), np.ones(100, dtype=bool), n_types=2)


def numbers(device):
    found = []
    for validation in (splits[1], None):
        studies = default_studies({"two": control}, seed=0)
        sweep = sweep_probes(train, validation, test, options=SweepOptions(studies=studies, device=device))
        found += [p.log_prob for task in sweep.tasks.values() for p in task.predictions.values()]
        found += [np.array(each.codelength.bits) for each in sweep.studies["information"].values()]
        found += [result.refit_predictions for result in sweep.studies["training_resampling"].values()]
        found += [result.control_correct for result in sweep.studies["control"].values() if result is not None]
    floors = untrained_floors([ExampleSplits(*splits)], n_classes={"two": 2, "four": 4}, layers=(0, 1), device=device)
    found += [floor.predictions.log_prob for floor in floors[0]]
    return np.concatenate([np.ravel(each) for each in found])


here = numbers("cpu")
before = sum(pretend.calls.values())
there = numbers("pretend")
try:
    torch.ones(2, device="pretend") + torch.ones(2)
    mixed = "taken"
except RuntimeError:
    mixed = "refused"
pretend.settings["float64"] = False
WITHOUT_FLOAT64.add("pretend")
narrow = numbers("pretend")
pretend.settings["float64"] = True
WITHOUT_FLOAT64.clear()
spent = sum(pretend.calls[f"aten.{name}.default"] for name in ("matmul", "mm", "addmm"))
apart = (np.abs(here - there) / (1 + np.abs(here))).max()
same = bool((here == narrow).all())  # probes are fitted on the CPU then
result = {"numbers": len(here), "apart": apart, "same": same, "before": before, "products": spent, "mixed": mixed}
print(json.dumps(result))
"""


ENCODERS = """
import json
import pickle
import numpy as np
import torch
from probes import Encoder, FittedProbe, ModelHead, ProbeHead, attribute, extract_features
from probes.mechanism.attention_contributions import attention_contributions
from probes.features.distributed import on_cpu
from probes.mechanism.leace import Erasure
from probes.features.in_memory import pool_texts
from probes.attribution_checks.faithfulness import faithfulness, perturbation_curves
from probes.mechanism.gradient_flow import embedding_gradients, gradient_shares
from probes.attribution_checks.infidelity import infidelity
from probes.mechanism.interventions import erasure_edit, intervened_log_probs, mean_ablation, mean_states
from probes.attribution.methods import METHODS
from probes.heads.parameter_change import parameter_changes
from probes.devices import WITHOUT_FLOAT64
from probes.mechanism.token_shares import direct_scores
from tests.support.encoders.models import HIDDEN, LAYERS, build_model

TEXTS = ["the film was not good .", "awful plot", "we"]
rng = np.random.default_rng(0)
probe = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, dtype=np.float32))
map_ = Erasure(*(rng.standard_normal(shape) / 4 for shape in ((HIDDEN, 2), (2, HIDDEN), HIDDEN)))
encoders = [Encoder(*build_model("bert", "AutoModelForSequenceClassification")) for _ in range(2)]
with torch.no_grad():
    for parameter in encoders[1].base.parameters():
        parameter.add_(0.01)
names = encoders[0].class_names


def numbers(encoder, other):
    heads, found = (ModelHead(encoder, names), ProbeHead(encoder, probe, layer=2, pooling="mean")), {}
    for head in heads:
        kind = type(head).__name__
        for baseline in ("pad", "mask", "zero"):
            scored = attribute(head, TEXTS, method="occlusion", baseline=baseline)
            found[f"{kind} {baseline}"] = np.concatenate([a.scores for a in scored])
        for method in METHODS:
            if method != "direct" or kind == "ProbeHead":
                scored = attribute(head, TEXTS, method=method, baseline="sampled")
                found[f"{kind} {method}"] = np.concatenate([a.scores for a in scored])
        scored = attribute(head, TEXTS, states_layer=1, unit="probability", against=head.class_names[0])
        found[f"{kind} contrast"] = np.concatenate([a.scores for a in scored])
        found[f"{kind} gradient shares"] = np.concatenate(gradient_shares(head, TEXTS, labels=[0, 1, 1]).sizes, axis=1)
        found[f"{kind} embedding rows"] = embedding_gradients(head, TEXTS, labels=[0, 1, 1]).norms
        scored = attribute(head, TEXTS, method="occlusion", states_layer=1, baseline="zero")
        found[f"{kind} states"] = np.concatenate([a.scores for a in scored])
        found[f"{kind} infidelity"] = [i.error for i in infidelity(head, scored, samples=20)]
        losses = faithfulness(head, scored, random_orders=2)
        found[f"{kind} faithfulness"] = [loss.scores.comprehensiveness for loss in losses]
        found[f"{kind} curves"] = np.concatenate([c.deletion for c in perturbation_curves(head, scored)])
        centre = mean_states(encoder, TEXTS).cls[1]
        edits = [(1, mean_ablation(centre, "cls")), (2, erasure_edit(map_, "mean"))]
        found[f"{kind} edits"] = intervened_log_probs(head, TEXTS, edits=edits)
    found["direct"] = np.concatenate(direct_scores([heads[1]], TEXTS, targets=[0, 1, 1]), axis=1)
    found["contributions"] = np.concatenate(attention_contributions(encoder, TEXTS).sizes, axis=1)
    found["parameter change"] = [m.relative for m in parameter_changes(encoder, other)]
    poolings = ["cls", "mean", "pooler", "last", "content"]
    found |= pool_texts(encoder, encoder.encode(TEXTS), poolings, range(LAYERS + 1))
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


# After the models: to build one, PyTorch reads the random state of every device, and this one has none.
from tests.support.encoders import pretended_device as pretend

here = numbers(*encoders)
torch.__future__.set_overwrite_module_params_on_conversion(True)
pretend.settings["float64"] = False
WITHOUT_FLOAT64.add("pretend")
moved = [Encoder(encoder.model.to("pretend"), encoder.tokenizer) for encoder in encoders]
there = numbers(*moved)
apart = {name: float((np.abs(here[name] - there[name]) / (1 + np.abs(here[name]))).max()) for name in here}
try:
    torch.ones(2, device="pretend").double()
    wide = "taken"
except TypeError:
    wide = "refused"
sent = pickle.loads(pickle.dumps(on_cpu(moved[0])))
carried = {type(tensor).__name__ for tensor in (*sent.model.parameters(), *sent.model.buffers())}
print(json.dumps({"apart": apart, "wide": wide, "calls": sum(pretend.calls.values()), "carried": sorted(carried)}))
"""


def _run(code):
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_encoders_and_explanations_by_every_method_run_whole_on_a_device_without_float64():
    result = _run(ENCODERS)
    assert result["wide"] == "refused"
    assert result["calls"] > 1000
    assert len(result["apart"]) > 40
    assert max(result["apart"].values()) < 1e-4, result["apart"]
    assert result["carried"] == ["Parameter", "Tensor"]


def test_a_sweep_with_its_floors_and_studies_runs_whole_on_a_device_that_takes_no_tensor_of_another():
    output = _run(SWEEPS)
    assert output["mixed"] == "refused"
    assert output["before"] == 0
    assert output["products"] > 1000  # it did run there
    assert output["numbers"] > 3000
    assert output["same"]
    assert output["apart"] < 1e-5
