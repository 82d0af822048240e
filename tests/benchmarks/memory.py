"""Peak memory of extraction for 5,000 and 100,000 texts, each in a process of its own: it must not grow with the texts.

The texts are sst2's, again and again with a number behind each, so that no two are the same; at most 16 tokens
of each are read, which changes the time and not what is held.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.by_hand import DATA, SPLITS, Texts

SIZES = (5_000, 100_000)
AIM = 1.10
WORK = """
import resource, sys
from pathlib import Path
from probes import Encoder, extract_features
lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
n = int(sys.argv[2])
texts = [f"{lines[i % len(lines)]} {i}" for i in range(n)]
encoder = Encoder.load("packaged", device="cpu", dtype="bfloat16", max_length=16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store = extract_features(encoder, texts, cache=Path(sys.argv[3]), stored_dtype="float16")
extracted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = sum(path.stat().st_size for path in store.folder.iterdir())
print(before, extracted, size)
"""


def report(*, limit: int | None, repeats: int) -> None:
    """Extract both sizes (or `limit` and 20 times that) and print what they held at most."""
    if not DATA.is_dir():
        sys.exit("no folder shared/data/sst2 beside the checkout")
    del repeats  # a peak is not noisy
    sizes = SIZES if limit is None else (limit, 20 * limit)
    peaks = []
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
        lines = Path(folder) / "texts.txt"
        texts = [text for name in SPLITS for text in Texts.read(DATA / f"{name}.csv").texts]
        lines.write_text("\n".join(" ".join(text.split()) for text in texts), encoding="utf-8")
        for n in sizes:
            print(f"{n:,} texts ...", file=sys.stderr, flush=True)
            command = [sys.executable, "-W", "ignore", "-c", WORK, str(lines), str(n), folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            before, peak, size = map(int, done.stdout.split())
            peaks.append(peak)
            print(
                f"{n:>7,} texts: {before / 1024:.0f} MB before, {peak / 1024:.0f} MB at most; store {size / 1e6:.0f} MB"
            )
    ratio = peaks[1] / peaks[0]
    print(f"Peak for {sizes[1]:,} / for {sizes[0]:,}: {ratio:.3f} ({'within' if ratio <= AIM else 'BEYOND'} {AIM:g})")
