"""The smallest result with one of everything: a table, an attribution, a claim and a file."""

import numpy as np
import pandas as pd

from probes import AnalysisResult, Attribution, Claim, Provenance

PROVENANCE = Provenance(
    model="m",
    architecture="BertModel",
    revision=None,
    weights="00",
    n_layers=2,
    hidden=4,
    max_length=8,
    data={"train": {"rows": 3}},
    versions={"torch": "2"},
    seed=0,
    dtype="float32",
    device="cpu",
    command="layerprobe run",
    created="2026-01-01T00:00:00+00:00",
    seconds=1.5,
)
ATTRIBUTION = Attribution(
    text="ein \ud800 Text </script>",
    tokens=("[CLS]", "ein", "##x", "[SEP]"),
    scores=np.array([0.0, 0.1, -1 / 3, 0.0]),
    offsets=np.array([[-1, 0, 0], [0, 0, 3], [0, 4, 5], [-1, 0, 0]]),
    words=("[CLS]", "ein", "[SEP]"),
    word_scores=np.array([0.0, 0.1 - 1 / 3, 0.0]),
    word_offsets=np.array([[-1, 0, 0], [0, 0, 3], [-1, 0, 0]]),
    target="NA",
    method="integrated_gradients",
    baseline="pad",
    output=0.2,
    baseline_output=0.1,
    convergence_delta=1e-4,
    n_steps=16,
    converged=True,
    predicted="NA",
    probabilities={"NA": 0.6, "1": 0.4},
    head="probe",
    layer=2,
    pooling="mean",
)
TABLE = pd.DataFrame(
    {"task": ["NA", "null", None], "layer": pd.array([0, None, 2], dtype="Int64"), "value": [0.1 + 0.2, np.nan, 1e-300]}
).assign(tied=[True, False, True])
PLAIN = AnalysisResult(
    name="run",
    settings={},
    provenance=PROVENANCE,
    tables={"x_odd": TABLE},
    attributions=(ATTRIBUTION,),
    claims=(Claim("x_other", "measured", "NA", {"accuracy": 0.5}, (0.4, 0.6)),),
    files={"probes.safetensors": b"\x00\x01"},
)
