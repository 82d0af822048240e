"""Probes on another device than the CPU: no GPU is needed to see that tensors of two devices never meet."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils import backend_registration

SETUP = "_setup_privateuseone_for_python_backend"
pytestmark = pytest.mark.skipif(not hasattr(backend_registration, SETUP), reason="a PyTorch without devices in Python")

SWEEPS = """
import json
import numpy as np
import torch
from probes.controls import ControlTask
from probes.places import Examples, Read
from probes.studies import usual_studies
from probes.sweep import sweep_probes
from probes.untrained import untrained_floors
from tests import pretend

rng = np.random.default_rng(0)
features = rng.standard_normal((2, 500, 12)) @ (rng.standard_normal((12, 12)) * np.logspace(0, -1, 12))
features = features.astype(np.float32)
labels = {"two": (features[0, :, 0] > 0).astype(int), "four": rng.integers(4, size=500)}
splits = [
    Examples({"mean": features[:, rows]}, {task: y[rows] for task, y in labels.items()})
    for rows in (slice(0, 300), slice(300, 400), slice(400, 500))
]
train, _, test = splits
control = ControlTask(*(np.stack([s.labels["two"]] * 2) for s in (train, test)), np.ones(100, dtype=bool))


def numbers(device):
    found = []
    for validation in (splits[1], None):
        studies = usual_studies({"two": control}, seed=0)
        sweep = sweep_probes(train, validation, test, studies=studies, device=device)
        found += [p.log_prob for task in sweep.tasks.values() for p in task.predictions.values()]
        found += [np.array(each.codelength.bits) for each in sweep.studies["information"].values()]
        found += [each.refits for each in sweep.studies["depth"].values()]
        found += [each.hits for each in sweep.studies["control"].values() if each is not None]
    floors = untrained_floors([Read(*splits)], n_classes={"two": 2, "four": 4}, layers=(0, 1), device=device)
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
spent = sum(pretend.calls[f"aten.{name}.default"] for name in ("matmul", "addmm"))
apart = (np.abs(here - there) / (1 + np.abs(here))).max()
print(json.dumps({"numbers": len(here), "apart": apart, "before": before, "products": spent, "mixed": mixed}))
"""


def test_a_sweep_with_its_floors_and_studies_runs_whole_on_a_device_that_takes_no_tensor_of_another():
    command = [sys.executable, "-W", "error", "-c", SWEEPS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert found["mixed"] == "refused"
    assert found["before"] == 0
    assert found["products"] > 1000  # it did run there
    assert found["numbers"] > 3000
    assert found["apart"] < 1e-5
