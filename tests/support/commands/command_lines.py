"""Files of labelled texts, and command lines over them."""

import numpy as np

from analyses.__main__ import main

GOOD, BAD = ("good", "great", "bright", "fine"), ("bad", "awful", "dull")


def rows(n, seed):
    rng = np.random.default_rng(seed)
    labelled_texts = []
    for i in range(n):
        label = i % 2
        words = rng.choice("the film plot actor music scene was very it is on and of".split(), size=rng.integers(2, 7))
        words = np.insert(words, rng.integers(len(words)), rng.choice(GOOD if label else BAD))
        labelled_texts.append((" ".join(words) + f" {seed}{i}", ["negative", "positive"][label]))
    return labelled_texts


def files(root):
    return [part for name in ("train", "validation", "test") for part in (f"--{name}", str(root / f"{name}.csv"))]


def call(root, *words, model="bert", out="out"):
    """The exit status of one command line."""
    common = ["--model", str(root / model), "--cache", str(root / "cache"), "--out", str(root / out), "--quiet"]
    return main([words[0], *common, *words[1:]])


SMALL = "--epochs 1 --learning-rate 1e-3 --train-dtype float32 --measured 16 --explained 4".split()


def call_heads(root, *words, out="out"):
    common = ["--model", str(root / "bert"), "--cache", str(root / "cache"), "--out", str(root / out), "--quiet"]
    return main(["heads", *common, *files(root), *SMALL, *words])
