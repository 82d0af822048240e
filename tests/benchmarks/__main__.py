"""Run the benchmarks and print what they measured."""

import argparse
import importlib.metadata
import platform

import torch

from tests.benchmarks import attribution, bfloat16, by_hand, extraction, finetuning, memory, sweep

SUBJECTS = {
    "by_hand": by_hand.report,
    "extraction": extraction.report,
    "bfloat16": bfloat16.report,
    "memory": memory.report,
    "sweep": sweep.report,
    "attribution": attribution.report,
    "finetuning": finetuning.report,
}
PACKAGES = "torch transformers captum scikit-learn numpy".split()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"{', '.join(SUBJECTS)}; all when none is named")
    parser.add_argument("--limit", type=int, help="use at most so many texts of each split: a try, not a measurement")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each side; medians are shown (default 1)")
    args = parser.parse_args()
    if unknown := set(args.subjects) - set(SUBJECTS):
        parser.error(f"unknown subject {min(unknown)!r}; known: {', '.join(SUBJECTS)}")
    if args.repeats < 1 or (args.limit is not None and args.limit < 20):
        parser.error("--repeats must be 1 or more and --limit 20 or more")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    print(f"Python {platform.python_version()}, {versions}; {torch.get_num_threads()} torch threads, CPU")
    for name in args.subjects or SUBJECTS:
        print(f"\n=== {name} ===")
        SUBJECTS[name](limit=args.limit, repeats=args.repeats)


if __name__ == "__main__":
    main()
