"""Effect of bfloat16 on each probe's test accuracy, beside its interval: sentiment and three probing tasks."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd

from probes.encoder.encoder import DTYPES, Encoder
from probes.features.extraction import extract_features
from probes.loading.read_splits import Source, read_splits
from probes.probing.sites import Examples
from probes.probing.sweep import sweep_probes
from probes.probing.sweep_result import Sweep
from tests.benchmarks.by_hand import DATA, SPLITS

FOLDER = DATA.parent
TASKS = ("sst2", "past_present", "subj_number", "bigram_shift")


def report(*, limit: int | None, repeats: int) -> None:
    """Run every task in both dtypes and print the largest move; a second run would find the same, so there is none."""
    if not FOLDER.is_dir():
        sys.exit("no folder shared/data beside the checkout")
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
        _moves(Path(folder), limit)


def _moves(folder: Path, limit: int | None) -> None:
    exact = Encoder.load("packaged", device="cpu")
    rows = []
    for task in TASKS:
        sources = {name: Source(str(FOLDER / task / f"{name}.csv")) for name in SPLITS}
        present = {name: source for name, source in sources.items() if Path(source.path).is_file()}
        splits = read_splits(**present, labels=["label"], limit=limit)
        sweeps: dict[str, Sweep] = {}
        for dtype in DTYPES:
            print(f"{task}, {dtype} ...", file=sys.stderr, flush=True)
            examples = {}
            for name, split in splits.items():
                store = extract_features(exact.with_dtype(dtype), split.texts, poolings=["cls", "mean"], cache=folder)
                features = {pooling: store.layers(pooling) for pooling in ("cls", "mean")}
                examples[name] = Examples(features, {"label": split.labels("label")})
            sweeps[dtype] = sweep_probes(**examples)
        sweep_of_dtype = {dtype: sweep.tasks["label"] for dtype, sweep in sweeps.items()}
        moves = {
            point: sweep_of_dtype["bfloat16"].test[point]["accuracy"]
            - sweep_of_dtype["float32"].test[point]["accuracy"]
            for point in sweep_of_dtype["float32"].selections
        }
        worst = max(moves, key=lambda point: abs(moves[point]))
        lower, upper = sweep_of_dtype["float32"].interval(worst)
        rows.append((task, len(splits.test), str(worst), moves[worst], lower, upper, upper - lower))
    columns = ["task", "test texts", "site", "largest move", "lower", "upper", "interval's width"]
    print("\nTest accuracy, bfloat16 minus float32, where it moves most; 95 % interval of float32's there:")
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="{:.4f}".format))
