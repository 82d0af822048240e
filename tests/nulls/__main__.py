"""Whole analyses on nulls and planted truths: the share of pages with a positive claim. `make nulls` makes 200 of each.

python -m tests.nulls [how many] [first seed] [--kinds NAME ...] [--file TEXTS.csv --label COLUMN ...] [--out PAGES]

Seeds are independent, so that runs can be divided and resumed: `python -m tests.nulls 50 100` makes those of 100 to
149, and pages that the file of `--out` holds are not made again. `positive_claims` lists what counts as a claim.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.nulls.counts import KINDS, Page, page, table
from tests.nulls.material import LABELS, Material, built_in_splits, file_splits

PROGRESS = 10
"""Seeds between two lines of progress."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.nulls", description=__doc__.partition("\n")[0])
    parser.add_argument("n", type=int, nargs="?", default=200, help="analyses of each kind")
    parser.add_argument("first", type=int, nargs="?", default=0, help="first seed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="NAME", help=", ".join(KINDS))
    parser.add_argument("--file", type=Path, help="texts in place of the built-in sentences")
    parser.add_argument("--label", nargs="+", default=["label"], help="label columns of the file")
    parser.add_argument("--cache", type=Path, help="folder of the features; a temporary one when left out")
    parser.add_argument("--out", type=Path, help="file to which pages are added, one a line")
    return parser.parse_args(arguments)


def saved_pages(path: Path | None) -> list[Page]:
    """Read the pages of earlier runs."""
    if path is None or not path.exists():
        return []
    pages = []
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = json.loads(line)
        lists = {name: tuple(columns[name]) for name in ("positive", "weaker")}
        pages.append(Page(**{**columns, **lists}))
    return pages


def main(arguments: list[str]) -> int:
    """Make the analyses, print progress to stderr and the table to stdout."""
    from probes.encoder.encoder import Encoder

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    options = parse(arguments)
    encoder = Encoder.load("packaged", device="cpu")
    splits = built_in_splits(LABELS) if options.file is None else file_splits(options.file, options.label)
    pages = saved_pages(options.out)
    finished = {(saved.kind, saved.seed) for saved in pages}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        material = Material(encoder, splits, options.cache or Path(folder))
        for seed in range(options.first, options.first + options.n):
            for name in options.kinds:
                if (name, seed) in finished:
                    continue
                pages.append(page(name, material, seed))
                if options.out is not None:
                    with options.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(dataclasses.asdict(pages[-1])) + "\n")
            n_seeds = seed + 1 - options.first
            if n_seeds % PROGRESS == 0:
                print(f"{n_seeds} seeds after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(table(pages)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
