"""The built-in sentences: a small grammar whose labels and deciding words are known.

    I think that the lamp near the mirrors is far from lovely.
    opener      the subject preposition the attractor verb degree quality

Every sentence has three labels, so that one extraction serves three questions. `sentiment` is the polarity of the
quality, reversed by a degree such as `far from` in a quarter of the sentences. `number` is that of the subject.
`agreement` is whether the verb has the number of the subject.

Sentences come in pairs with the same words: the two nouns, one singular and one plural, are exchanged. That reverses
`number` and `agreement`, so that a classifier which sees only which words occur, linear or not, is correct on exactly
one sentence of each pair: its accuracy on these two tasks is one half, on every split.

After the opener, no noun, adjective or verb other than `to be` is shared by two splits: a probe cannot be correct on
test by having learned single words. Verb number, polarity and degree are fully crossed: no label predicts another.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from probes.checks import MOST_SEED, choose, whole_number

Span = tuple[int, int]
"""First and last + 1 character."""


@dataclass(frozen=True)
class ControlledSplit:
    """The sentences of one split, with their labels and the words that decide them."""

    texts: tuple[str, ...]
    """(examples,) distinct sentences; the two sentences of a pair follow each other."""
    labels: Mapping[str, tuple[str, ...]]
    """Task -> (examples,) class names."""
    rationales: Mapping[str, tuple[tuple[Span, ...], ...]]
    """Task -> (examples,) spans of the deciding words or phrases, in reading order."""
    groups: tuple[int, ...]
    """(examples,) number of the pair of each sentence; the two sentences of a pair are not independent."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of the grammar and its properties."""

    text: str
    spans: Mapping[str, Span]
    """Role in `PATTERN` -> span of the words that fill it."""
    plural_subject: bool
    plural_verb: bool
    is_good: bool
    """Polarity of the quality alone."""
    is_reversed: bool
    """Whether the degree reverses that polarity."""


@dataclass(frozen=True)
class Judgement:
    """The class of a sentence in one task, and the roles that decide it."""

    label: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """Content words of one split, and the number of sentences made of them."""

    n_rounds: int
    """Number of pairs for each combination of verb number, polarity and degree."""
    nouns: tuple[str, ...]
    """Singular nouns; the plural adds an s."""
    verbs: tuple[tuple[str, str], ...]
    """Singular and plural of each verb."""
    bad: tuple[str, ...]
    """Adjectives of negative polarity."""
    good: tuple[str, ...]
    """Adjectives of positive polarity."""


def controlled_sentences(split: str, *, seed: int = 0) -> ControlledSplit:
    """Draw the sentences of one split.

    Args:
        split: A name in `SPLITS`.
        seed: Chooses among the sentences of the grammar; counts and balance do not depend on it.

    Raises:
        InputError: `split` is not a name in `SPLITS`.
    """
    vocabulary = choose("split", split, SPLITS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    rng = random.Random(f"{split} {seed}")  # text seeds the same generator on every machine
    sentences: dict[str, Sentence] = {}
    for is_plural, is_good, degrees in CELLS * vocabulary.n_rounds:
        pair = _draw_pair(rng, vocabulary, plural_verb=is_plural, is_good=is_good, degrees=degrees)
        while not sentences.keys().isdisjoint(pair):
            pair = _draw_pair(rng, vocabulary, plural_verb=is_plural, is_good=is_good, degrees=degrees)
        sentences.update(pair)
    labels = {}
    rationales = {}
    for task, judge in TASKS.items():
        judgements = [(sentence, judge(sentence)) for sentence in sentences.values()]
        labels[task] = tuple(judgement.label for _, judgement in judgements)
        rationales[task] = tuple(_role_spans(sentence, judgement.roles) for sentence, judgement in judgements)
    return ControlledSplit(
        texts=tuple(sentences),
        labels=labels,
        rationales=rationales,
        groups=tuple(row // 2 for row in range(len(sentences))),
    )


def _role_spans(sentence: Sentence, roles: tuple[str, ...]) -> tuple[Span, ...]:
    return tuple(sentence.spans[role] for role in roles)


def _draw_pair(
    rng: random.Random, vocabulary: Vocabulary, *, plural_verb: bool, is_good: bool, degrees: tuple[str, ...]
) -> dict[str, Sentence]:
    """Draw a pair as text -> sentence: first the singular noun is the subject, then, in the same words, the plural."""
    singular, second_noun = rng.sample(vocabulary.nouns, 2)
    plural = f"{second_noun}s"
    words = {
        "opener": rng.choice(OPENERS),
        "preposition": rng.choice(PREPOSITIONS),
        "verb": rng.choice(vocabulary.verbs)[plural_verb],
        "degree": rng.choice(degrees),
        "quality": rng.choice(vocabulary.good if is_good else vocabulary.bad),
    }
    pair = {}
    for subject, attractor in ((singular, plural), (plural, singular)):
        text, spans = _fill(PATTERN, {**words, "subject": subject, "attractor": attractor})
        pair[text] = Sentence(
            text,
            spans,
            plural_subject=subject == plural,
            plural_verb=plural_verb,
            is_good=is_good,
            is_reversed=degrees == REVERSING,
        )
    return pair


def _fill(pattern: str, words: Mapping[str, str]) -> tuple[str, dict[str, Span]]:
    """Return `pattern.format(**words)`, and the span of each role in it."""
    text = ""
    spans = {}
    for literal, role, _, _ in string.Formatter().parse(pattern):
        text += literal
        if role is not None:
            start = len(text)
            text += words[role]
            spans[role] = (start, len(text))
    return text, spans


def sentiment(sentence: Sentence) -> Judgement:
    """Judge `positive` or `negative`; decided by the quality, and by the degree where it reverses the quality."""
    label = "positive" if sentence.is_good != sentence.is_reversed else "negative"
    return Judgement(label, ("degree", "quality") if sentence.is_reversed else ("quality",))


def number(sentence: Sentence) -> Judgement:
    """Judge `singular` or `plural`; decided by the subject, which the verb contradicts in half of the sentences."""
    return Judgement("plural" if sentence.plural_subject else "singular", ("subject",))


def agreement(sentence: Sentence) -> Judgement:
    """Judge `grammatical` or `ungrammatical`; decided by subject and verb, across a noun of the other number."""
    agrees = sentence.plural_subject == sentence.plural_verb
    return Judgement("grammatical" if agrees else "ungrammatical", ("subject", "verb"))


PATTERN = "{opener} the {subject} {preposition} the {attractor} {verb} {degree} {quality}."

OPENERS = (
    *("In my view,", "To my mind,", "By all accounts,", "Even now,", "After all,"),
    *("They say that", "I think that", "I hear that"),
)
PREPOSITIONS = ("beside", "near", "behind", "facing", "next to", "close to")

PRESERVING = ("truly", "really", "quite", "simply", "clearly")
REVERSING = ("far from", "anything but", "not at all", "by no means")
DEGREES = (PRESERVING, PRESERVING, PRESERVING, REVERSING)
"""Degrees, each as often as it is drawn."""

CELLS = list(itertools.product((False, True), (False, True), DEGREES))
"""Number of the verb, quality and degree of the pairs, in the order in which they are drawn."""

CYCLE = 2 * len(CELLS)
"""Sentences after which all labels are balanced against each other."""

TO_BE = (("is", "are"), ("was", "were"))

TASKS: Mapping[str, Callable[[Sentence], Judgement]] = {
    "sentiment": sentiment,
    "number": number,
    "agreement": agreement,
}

# Words for things in a house, in a town and in a park; the adjectives suit all three.
SPLITS: Mapping[str, Vocabulary] = {
    "train": Vocabulary(
        n_rounds=75,
        nouns=(
            *("lamp", "mirror", "curtain", "painting", "statue", "window", "chair", "table", "vase", "clock"),
            *("cabinet", "carpet", "door", "poster", "sofa", "desk", "cushion", "pillow", "drawer", "candle"),
            *("blanket", "basket", "wardrobe", "cupboard", "bookcase", "radiator", "fireplace", "ornament"),
        ),
        verbs=(*TO_BE, ("seems", "seem"), ("looks", "look"), ("stays", "stay")),
        bad=(
            *("awful", "ugly", "dreadful", "terrible", "horrible", "dirty", "filthy", "dull", "hideous", "dismal"),
            *("gloomy", "shabby", "tacky", "disgusting", "miserable", "worthless", "nasty", "repulsive", "ghastly"),
            "grotesque",
        ),
        good=(
            *("lovely", "delightful", "charming", "wonderful", "beautiful", "splendid", "excellent", "pretty"),
            *("elegant", "superb", "cheerful", "fabulous", "graceful", "perfect", "attractive", "inviting"),
            *("magnificent", "stylish", "glorious", "adorable"),
        ),
    ),
    "validation": Vocabulary(
        n_rounds=19,
        nouns=(
            *("shop", "station", "theatre", "hotel", "restaurant", "kiosk", "school", "market", "office"),
            *("apartment", "platform", "warehouse", "museum"),
        ),
        verbs=(*TO_BE, ("appears", "appear")),
        bad=("atrocious", "abysmal", "dingy", "boring", "lousy", "squalid", "hopeless", "inferior"),
        good=("fantastic", "handsome", "brilliant", "exquisite", "fine", "great", "appealing", "sublime"),
    ),
    "test": Vocabulary(
        n_rounds=28,
        nouns=(
            *("fountain", "tower", "garden", "bridge", "gate", "wall", "path", "lantern", "chapel", "cottage"),
            *("pond", "terrace", "pavilion", "courtyard", "orchard", "hedge", "barn", "meadow"),
        ),
        verbs=(*TO_BE, ("remains", "remain"), ("proves", "prove")),
        bad=(
            *("bleak", "grim", "drab", "appalling", "grubby", "disappointing", "rotten", "crude", "mediocre"),
            *("dreary", "tasteless", "useless", "wretched", "revolting"),
        ),
        good=(
            *("impressive", "gorgeous", "pleasant", "enchanting", "marvellous", "refined", "remarkable", "cosy"),
            *("amazing", "admirable", "stunning", "tasteful", "radiant", "tidy"),
        ),
    ),
}
