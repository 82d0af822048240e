"""Files of labelled texts, and command lines over them."""

import numpy as np

from analyses.__main__ import main

GOOD, BAD = ("good", "great", "bright", "fine"), ("bad", "awful", "dull")


def rows(n, seed):
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        label = i % 2
        words = rng.choice("the film plot actor music scene was very it is on and of".split(), size=rng.integers(2, 7))
        words = np.insert(words, rng.integers(len(words)), rng.choice(GOOD if label else BAD))
        made.append((" ".join(words) + f" {seed}{i}", ["negative", "positive"][label]))
    return made


def files(place):
    return [part for name in ("train", "validation", "test") for part in (f"--{name}", str(place / f"{name}.csv"))]


def call(place, *words, model="bert", out="out"):
    """The exit status of one command line."""
    common = ["--model", str(place / model), "--cache", str(place / "cache"), "--out", str(place / out), "--quiet"]
    return main([words[0], *common, *words[1:]])
