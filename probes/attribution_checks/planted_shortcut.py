"""A planted shortcut: whether a method finds a cause that is known, on this encoder, at this layer.

Each text is dealt a class and given a rare word that stands for that class alone, and a probe is trained on that. Where
it has learnt the shortcut, the word is the reason of its decisions, and a method that does not rank it first is wrong.

Source: Bastings et al. (2022), "Will you find these shortcuts?", arXiv:2111.07367.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.attribution.attribute import attribute
from probes.attribution.baselines import check_baseline
from probes.attribution.methods import METHODS
from probes.attribution.words import word_spans
from probes.checks import MOST_SEED, InputError, check_instance, choose, whole_number
from probes.encoder.encoder import Encoder
from probes.features.extraction import pool_texts
from probes.heads.heads import ProbeHead, log_prob
from probes.probing.logistic import LogisticProbe
from probes.probing.selection import DEFAULT_CS, select_probe
from probes.results.result import Attribution
from probes.sequences import names_list, penalty_list, text_list

LEAST_FLIPPED = 0.95
"""Share of decisions that must follow the word, or the shortcut was not learnt."""
HELD_OUT = 5
"""One training text in so many chooses the penalty."""
LEAST_LETTERS = 4
"""Of a planted word: shorter pieces are rarely words."""


@dataclass(frozen=True, eq=False)
class Audit:
    """Where methods rank a word that is known to decide."""

    planted: tuple[str, ...]
    """(classes,) the word of each class."""
    accuracy: float
    """Share of the audited texts whose decision is their word's class."""
    flipped: float
    """Share whose decision is their word's class, and the next class once the word is swapped for that one's."""
    ranks: Mapping[str, NDArray[np.int64]]
    """Method -> (texts,) rank of the planted word among the text's own tokens, 1 where it alone scores highest; of
    equal scores it has the last rank."""
    n_tokens: NDArray[np.int64]
    """(texts,) own tokens, the planted one among them."""

    @property
    def valid(self) -> bool:
        """Whether the shortcut was learnt; ranks mean nothing otherwise."""
        return self.flipped >= LEAST_FLIPPED

    def hits(self, method: str, k: int = 1) -> float:
        """Share of texts whose planted word is among the first k tokens."""
        return float((choose("method of this audit", method, self.ranks) <= k).mean())

    def chance(self, k: int = 1) -> float:
        """What `hits` is on average for tokens in random order."""
        return float((np.minimum(k, self.n_tokens) / self.n_tokens).mean())


def audit(
    encoder: Encoder,
    train: Iterable[str],
    test: Iterable[str],
    *,
    layer: int,
    pooling: str,
    n_classes: int = 2,
    methods: Sequence[str] = ("integrated_gradients",),
    baseline: str = "auto",
    cs: Sequence[float] = DEFAULT_CS,
    seed: int = 0,
    progress: bool = False,
) -> Audit:
    """Plant a word for each class, train a probe on it, and see where methods rank it.

    Explained is the class of each text's word, which is the decision wherever the shortcut was learnt.

    Args:
        encoder: Computes in float32.
        train: Texts to train the probe on, a few hundred or more.
        test: Texts to audit.
        layer: Of the probe.
        pooling: Of the probe.
        n_classes: Classes that are dealt out, each as often as the others.
        methods: Names from `probes.attribution.methods.METHODS`.
        baseline: Name from `probes.attribution.baselines.BASELINES`, or `auto`.
        cs: Inverse penalty strengths; every fifth training text chooses among them.
        seed: Of the words, their places and the classes, and of every draw of the methods.
        progress: Show bars on stderr.

    Raises:
        InputError: A name or layer does not exist, there are too few texts or classes, or the vocabulary has not
            enough words that the texts do not use.
    """
    check_instance(encoder, Encoder, "encoder")
    train, test = text_list(train, "train"), text_list(test, "test")
    n_classes, layer = whole_number(n_classes, "n_classes"), whole_number(layer, "layer")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    check_baseline(encoder, baseline)
    if n_classes < 2 or len(train) < HELD_OUT * n_classes or not len(test):
        raise InputError(
            f"an audit needs 2 classes, {HELD_OUT} training texts a class and a test text, or more; found {n_classes} "
            f"classes, {len(train)} training and {len(test)} test texts"
        )
    encoder.check_layers([layer])
    encoder.check_poolings([pooling])
    methods, cs = names_list(methods, "methods"), penalty_list(cs)
    for method in methods:
        choose("attribution method", method, METHODS)
    rng, planted = np.random.default_rng(seed), rare_words(encoder, [*train, *test], n_classes, seed=seed)

    texts, labels, _ = _plant(encoder, train, planted, rng)
    features = pool_texts(encoder, encoder.encode(texts), [pooling], [layer])[pooling][0]
    held_out = np.arange(len(train)) % HELD_OUT == 0
    path = LogisticProbe().prepare(features[~held_out]).fit_path(labels[~held_out], cs, n_classes=n_classes)
    probe = select_probe(path, features[held_out], labels[held_out]).probe
    head = ProbeHead(encoder, probe, layer=layer, pooling=pooling, class_names=planted)

    texts, labels, swapped = _plant(encoder, test, planted, rng)
    encoded = encoder.encode(texts)
    right = log_prob(head, encoded).argmax(axis=1) == labels
    follows = log_prob(head, encoder.encode(swapped)).argmax(axis=1) == (labels + 1) % n_classes
    own, ranks = [planted[label] for label in labels], {}
    for method in methods:
        found = attribute(head, encoded, targets=own, method=method, baseline=baseline, seed=seed, progress=progress)
        ranks[method] = np.array([_rank(a, word) for a, word in zip(found, own, strict=True)])
    return Audit(
        planted=planted,
        accuracy=float(right.mean()),
        flipped=float((right & follows).mean()),
        ranks=ranks,
        n_tokens=np.array([int((~special).sum()) for special in encoded.special]),
    )


def rare_words(encoder: Encoder, texts: Sequence[str], n: int, *, seed: int = 0) -> tuple[str, ...]:
    """n words, drawn at random, of one piece each that no text uses.

    Raises:
        InputError: The vocabulary has not so many.
    """
    tokenizer, found = encoder.tokenizer, list[str]()
    used = {int(i) for ids in encoder.encode(texts).ids for i in ids} | set(tokenizer.all_special_ids)
    ids = sorted(set(tokenizer.get_vocab().values()) - used)
    for i in np.random.default_rng(seed).permutation(ids).tolist():
        word = tokenizer.convert_tokens_to_string([tokenizer.convert_ids_to_tokens(i)]).strip()
        if word.isalpha() and word.islower() and len(word) >= LEAST_LETTERS and word not in found:
            found += [word] if _is_one_piece(encoder, word, used) else []
        if len(found) == n:
            return tuple(found)
    raise InputError(f"the vocabulary has {len(found)} words of one piece that no text uses, {n} are needed")


def _is_one_piece(encoder: Encoder, word: str, used: set[int]) -> bool:
    """Whether a word is one token that is not used, at the beginning of a text and later."""
    text = f"{word} {word}"
    encoded = encoder.encode([text])
    own = ~encoded.special[0]
    pieces = [text[first:last].strip() for _, first, last in encoded.offsets(0)[own]]
    return pieces == [word, word] and used.isdisjoint(encoded.ids[0][own].tolist())


def _plant(
    encoder: Encoder, texts: Sequence[str], planted: Sequence[str], rng: np.random.Generator
) -> tuple[list[str], NDArray[np.int64], list[str]]:
    """Texts with a word each, the classes that these stand for, and the same with the next class's word instead."""
    labels = rng.permutation(np.arange(len(texts)) % len(planted))
    places = [int(rng.choice(own)) for own in _places(encoder, texts)]

    def put(labels: NDArray[np.int64]) -> list[str]:
        return [_put(text, planted[y], place) for text, y, place in zip(texts, labels, places, strict=True)]

    return put(labels), labels, put((labels + 1) % len(planted))


def _places(encoder: Encoder, texts: Sequence[str]) -> list[list[int]]:
    """For each text where a word can be put in and is read: before one of its words, or at its end."""
    encoded, found = encoder.encode(texts), []
    for row, text in enumerate(texts):
        starts = [start for start, _ in word_spans(text)]
        if encoded.lengths[row] < encoder.max_length:
            found.append([*starts, len(text)])
        else:
            read = int(encoded.offsets(row)[:, 2].max())
            found.append([start for start in starts if start < read])
    return found


def _put(text: str, word: str, place: int) -> str:
    before, after = text[:place], text[place:]
    return before + " " * bool(before and not before[-1].isspace()) + word + " " * bool(after) + after


def _rank(a: Attribution, word: str) -> int:
    """Rank of a word among the text's own tokens; below all of them where it is no token."""
    own = np.flatnonzero(a.offsets[:, 0] >= 0)
    there = [i for i in own if a.text[a.offsets[i, 1] : a.offsets[i, 2]].strip() == word]
    return int((a.scores[own] >= a.scores[there[0]]).sum()) if there else len(own) + 1
