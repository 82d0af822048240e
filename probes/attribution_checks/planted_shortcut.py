"""Planted shortcut: whether attribution methods find a known cause of a decision, for an encoder and a layer.

Each text gets a random class and a rare word that occurs only with this class, and a probe is trained on these classes.
If the probe has learnt the shortcut, the word is the cause of its decisions, and a method that does not rank the word
first is wrong.

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
from probes.features.in_memory import pool_texts
from probes.heads.heads import ProbeHead, log_prob
from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticProbe
from probes.probing.penalty_selection import DEFAULT_CS, select_probe
from probes.results.result import Attribution
from probes.sequences import BoolArray, names_list, penalty_list, text_list

MIN_FLIP_RATE = 0.95
"""Share of decisions that must follow the word for the shortcut to count as learnt."""
VALIDATION_INTERVAL = 5
"""Every so many training texts one is used to choose the penalty."""
MIN_LETTERS = 4
"""Letters of a planted word; shorter pieces are rarely words."""


@dataclass(frozen=True, eq=False)
class PlantedShortcut:
    """Ranks that attribution methods give to a word that is known to decide."""

    words: tuple[str, ...]
    """(classes,) planted word of each class."""
    accuracy: float
    """Share of the explained texts whose decision is the class of their word."""
    flip_rate: float
    """Share whose decision is the class of their word, and the next class once that one's word replaces it."""
    ranks: Mapping[str, NDArray[np.int64]]
    """Method -> (texts,) rank of the planted word among the tokens that are not special: 1 where it alone scores
    highest, and the last rank among equal scores."""
    n_tokens: NDArray[np.int64]
    """(texts,) tokens that are not special, the planted one included."""
    n_unread: int = 0
    """Training and test texts that are left out, because a word planted in them would not be read."""

    @property
    def valid(self) -> bool:
        """Whether the shortcut was learnt; ranks have no meaning otherwise."""
        return self.flip_rate >= MIN_FLIP_RATE

    def hit_rate(self, method: str, k: int = 1) -> float:
        """Compute the share of texts whose planted word is among the first k tokens."""
        ranks = choose("method of this planted shortcut", method, self.ranks)
        return float((ranks <= k).mean())

    def chance_hit_rate(self, k: int = 1) -> float:
        """Compute the expected hit rate of tokens in random order."""
        rates = np.minimum(k, self.n_tokens) / self.n_tokens
        return float(rates.mean())


def planted_shortcut(
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
) -> PlantedShortcut:
    """Plant a word for each class, train a probe on the classes, and rank the words by attribution methods.

    The explained class is that of each text's word, which is the decision wherever the shortcut was learnt.

    Args:
        encoder: Encoder that computes in float32.
        train: Texts to train the probe on, a few hundred or more.
        test: Texts to explain.
        layer: Layer of the probe.
        pooling: Pooling of the probe.
        n_classes: Number of classes; they are equally frequent.
        methods: Names from `probes.attribution.methods.METHODS`.
        baseline: Name from `probes.attribution.baselines.BASELINES`, or `auto`.
        cs: Inverse penalty strengths; every fifth training text is used to choose among them.
        seed: Seed of the words, their positions and the classes, and of every draw of the methods.
        progress: Show bars on stderr.

    Raises:
        InputError: A name or layer does not exist, there are too few texts or classes, a planted word would be read in
            too few of the texts, or the vocabulary has not enough words that the texts do not use.
    """
    check_instance(encoder, Encoder, "encoder")
    train = text_list(train, "train")
    test = text_list(test, "test")
    n_classes = whole_number(n_classes, "n_classes")
    layer = whole_number(layer, "layer")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    check_baseline(encoder, baseline)
    _check_numbers(n_classes, len(train), len(test))
    encoder.check_layers([layer])
    encoder.check_poolings([pooling])
    methods = names_list(methods, "methods")
    cs = penalty_list(cs)
    for method in methods:
        choose("attribution method", method, METHODS)
    rng = np.random.default_rng(seed)
    words = rare_words(encoder, [*train, *test], n_classes, seed=seed)
    # Plant the words.
    planted_train = _plant(encoder, train, words, rng)
    planted_test = _plant(encoder, test, words, rng)
    _check_numbers(n_classes, len(planted_train.texts), len(planted_test.texts), " in which a planted word is read")
    # Train a probe on the texts with planted words.
    encoded_train = encoder.encode(planted_train.texts)
    features = pool_texts(encoder, encoded_train, [pooling], [layer])[pooling][0]
    probe = _fit_probe(features, planted_train.labels, cs, n_classes)
    head = ProbeHead(encoder, probe, layer=layer, pooling=pooling, class_names=words)
    # Measure whether the decisions follow the words.
    encoded = encoder.encode(planted_test.texts)
    swapped = encoder.encode(planted_test.swapped_texts)
    is_correct = log_prob(head, encoded).argmax(axis=1) == planted_test.labels
    is_swapped = log_prob(head, swapped).argmax(axis=1) == planted_test.swapped_labels
    # Rank the words by each method.
    word_of_text = [words[label] for label in planted_test.labels]
    ranks = {}
    for method in methods:
        attributions = attribute(
            head, encoded, targets=word_of_text, method=method, baseline=baseline, seed=seed, progress=progress
        )
        ranks_of_texts = [_rank(a, word) for a, word in zip(attributions, word_of_text, strict=True)]
        ranks[method] = np.array(ranks_of_texts)
    n_tokens = [int((~special).sum()) for special in encoded.special]
    return PlantedShortcut(
        words=words,
        accuracy=float(is_correct.mean()),
        flip_rate=float((is_correct & is_swapped).mean()),
        ranks=ranks,
        n_tokens=np.array(n_tokens),
        n_unread=planted_train.n_unread + planted_test.n_unread,
    )


def _check_numbers(n_classes: int, n_train: int, n_test: int, condition: str = "") -> None:
    """Raise an error unless there are enough classes and texts.

    Args:
        n_classes: Number of classes.
        n_train: Number of training texts.
        n_test: Number of test texts.
        condition: Clause that restricts the texts that count, for the message.
    """
    if n_classes < 2 or n_train < VALIDATION_INTERVAL * n_classes or not n_test:
        raise InputError(
            f"a planted shortcut needs 2 classes, {VALIDATION_INTERVAL} training texts per class and a test text, "
            f"or more; found {n_classes} classes, {n_train} training and {n_test} test texts{condition}"
        )


def _fit_probe(
    features: NDArray[np.floating], labels: NDArray[np.int64], cs: Sequence[float], n_classes: int
) -> FittedProbe:
    """Fit a probe on the training texts, and choose the penalty by its validation texts."""
    is_validation = np.arange(len(labels)) % VALIDATION_INTERVAL == 0
    fitter = LogisticProbe().prepare(features[~is_validation])
    path = fitter.fit_path(labels[~is_validation], cs, n_classes=n_classes)
    return select_probe(path, features[is_validation], labels[is_validation]).probe


# Planted words


def rare_words(encoder: Encoder, texts: Sequence[str], n: int, *, seed: int = 0) -> tuple[str, ...]:
    """Draw n words of one token each that no text uses.

    Raises:
        InputError: The vocabulary has fewer such words.
    """
    tokenizer = encoder.tokenizer
    used_ids = set(tokenizer.all_special_ids)
    for text_ids in encoder.encode(texts).ids:
        used_ids.update(text_ids.tolist())
    unused_ids = sorted(set(tokenizer.get_vocab().values()) - used_ids)
    words = list[str]()
    for token_id in np.random.default_rng(seed).permutation(unused_ids).tolist():
        token = tokenizer.convert_ids_to_tokens(token_id)
        word = tokenizer.convert_tokens_to_string([token]).strip()
        is_word = word.isalpha() and word.islower() and len(word) >= MIN_LETTERS
        if is_word and word not in words and _is_one_piece(encoder, word, used_ids):
            words.append(word)
        if len(words) == n:
            return tuple(words)
    raise InputError(
        f"a planted shortcut needs {n} single-token words that no text contains; the vocabulary has {len(words)}"
    )


def _is_one_piece(encoder: Encoder, word: str, used_ids: set[int]) -> bool:
    """Return whether a word is one unused token, both at the beginning of a text and later."""
    text = f"{word} {word}"
    encoded = encoder.encode([text])
    is_content = ~encoded.special[0]
    offsets = encoded.offsets(0)[is_content]
    pieces = [text[first:last].strip() for _, first, last in offsets]
    ids = encoded.ids[0][is_content].tolist()
    return pieces == [word, word] and used_ids.isdisjoint(ids)


@dataclass(frozen=True, eq=False)
class _PlantedTexts:
    """Texts with one planted word each."""

    texts: list[str]
    labels: NDArray[np.int64]
    """(texts,) classes of the words."""
    swapped_texts: list[str]
    """The same texts with the word of the next class."""
    swapped_labels: NDArray[np.int64]
    """(texts,) the next classes."""
    n_unread: int
    """Texts that are left out, because a word planted in them would not be read."""

    def take(self, rows: NDArray[np.int64]) -> _PlantedTexts:
        """Return the texts of rows; all others count as left out."""
        return _PlantedTexts(
            texts=[self.texts[row] for row in rows],
            labels=self.labels[rows],
            swapped_texts=[self.swapped_texts[row] for row in rows],
            swapped_labels=self.swapped_labels[rows],
            n_unread=self.n_unread + len(self.texts) - len(rows),
        )


def _plant(encoder: Encoder, texts: Sequence[str], words: Sequence[str], rng: np.random.Generator) -> _PlantedTexts:
    """Give each text a random class, and plant the word of this class at a random position at which it is read."""
    n_classes = len(words)
    positions_of_text = _word_positions(encoder, texts)
    rows = [row for row, candidates in enumerate(positions_of_text) if candidates]
    labels = rng.permutation(np.arange(len(rows)) % n_classes)
    positions = [int(rng.choice(positions_of_text[row])) for row in rows]

    def plant_words(classes: NDArray[np.int64]) -> list[str]:
        planted = zip(rows, classes, positions, strict=True)
        return [_insert_word(texts[row], words[label], position) for row, label, position in planted]

    swapped_labels = (labels + 1) % n_classes
    n_unread = len(texts) - len(rows)
    planted = _PlantedTexts(plant_words(labels), labels, plant_words(swapped_labels), swapped_labels, n_unread)
    # Characters beside the word may change how it is divided into tokens.
    is_read = _are_read(encoder, planted.texts, words, labels)
    is_read &= _are_read(encoder, planted.swapped_texts, words, swapped_labels)
    return planted.take(np.flatnonzero(is_read))


def _are_read(encoder: Encoder, texts: Sequence[str], words: Sequence[str], labels: NDArray[np.int64]) -> BoolArray:
    """Return (texts,) whether the word of the text's class is a token of what the encoder reads of it."""
    encoded = encoder.encode(texts)
    is_read = np.zeros(len(texts), dtype=bool)
    for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
        is_read[row] = _token_of_word(text, encoded.offsets(row), words[label]) is not None
    return is_read


def _word_positions(encoder: Encoder, texts: Sequence[str]) -> list[list[int]]:
    """Return for each text the characters at which a planted word is read: before one of its words, or at its end.

    A text that fills the encoder loses one token to the planted word, on the side on which the tokenizer cuts. The word
    is read where that token is another one.
    """
    encoded = encoder.encode(texts)
    cuts_left = encoder.tokenizer.truncation_side == "left"
    positions = []
    for row, text in enumerate(texts):
        starts = [start for start, _ in word_spans(text)]
        is_content = ~encoded.special[row]
        ends_of_tokens = encoded.offsets(row)[is_content, 2]
        if encoded.lengths[row] < encoder.max_length:
            positions.append([*starts, len(text)])
        elif not len(ends_of_tokens):
            positions.append([])
        elif cuts_left:
            first_end = int(ends_of_tokens.min())
            positions.append([*(start for start in starts if start >= first_end), len(text)])
        else:
            last_end = int(ends_of_tokens.max())
            positions.append([start for start in starts if start < last_end])
    return positions


def _insert_word(text: str, word: str, position: int) -> str:
    """Insert a word at a character of a text, with blanks between it and the text."""
    before = text[:position]
    after = text[position:]
    if before and not before[-1].isspace():
        before += " "
    if after:
        after = " " + after
    return before + word + after


def _rank(a: Attribution, word: str) -> int:
    """Return the rank of a word among the tokens that are not special; the rank after all of them if it is no token."""
    is_content = a.offsets[:, 0] >= 0
    token = _token_of_word(a.text, a.offsets, word)
    if token is None:
        return int(is_content.sum()) + 1
    return int((a.scores[is_content] >= a.scores[token]).sum())


def _token_of_word(text: str, offsets: NDArray[np.int64], word: str) -> int | None:
    """Return the position of the first token that is a word; None where there is none.

    Args:
        text: Text of the tokens.
        offsets: (seq, 3) segment and characters of each token, as in `Attribution`.
        word: Word to look for.
    """
    for position, (segment, first, last) in enumerate(offsets.tolist()):
        if segment >= 0 and text[first:last].strip() == word:
            return position
    return None
