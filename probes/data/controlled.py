"""The built-in sentences: a small grammar with known labels and known deciding words.

    I think that the lamp near the mirrors is far from lovely.
    opener      the subject place the other verb degree quality

Every sentence carries three labels, so that one extraction serves three questions. `sentiment` is that of the
quality, turned round by a degree such as `far from` in a quarter of the sentences. `number` is the subject's.
`agreement` is whether the verb's number is the subject's.

Sentences come in pairs with the same words: the two nouns, one singular and one plural, have changed places. That
turns `number` and `agreement` round, so whatever sees only which words occur, linear or not, is right about exactly
one sentence of each pair: its accuracy on these two tasks is one half, on every split.

After the opener, no noun, adjective or verb other than `to be` is shared by two splits: what a probe gets right on
test it has not learned word by word. Verb number, polarity and degree are crossed in full: no label predicts another.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from probes.checks import MOST_SEED, choose, whole_number

Span = tuple[int, int]


@dataclass(frozen=True)
class ControlledSplit:
    """The sentences of one split, with their labels and the words that decide them."""

    texts: tuple[str, ...]
    """(examples,) all different; the two sentences of a pair follow each other."""
    labels: Mapping[str, tuple[str, ...]]
    """Task -> (examples,) class names."""
    rationales: Mapping[str, tuple[tuple[Span, ...], ...]]
    """Task -> (examples,) first and last + 1 character of each deciding word or phrase, in reading order."""
    groups: tuple[int, ...]
    """(examples,) the pair each sentence belongs to: its two sentences are not independent examples."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of the grammar and what is known about it."""

    text: str
    places: Mapping[str, Span]
    """Role in `PATTERN` -> first and last + 1 character of the words that fill it."""
    plural_subject: bool
    plural_verb: bool
    good: bool
    """Polarity of the quality alone."""
    turned: bool
    """The degree turns that polarity round."""


@dataclass(frozen=True)
class Verdict:
    """The class of a sentence in one task, and the roles that decide it."""

    label: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The content words of one split, and how many sentences they make."""

    rounds: int
    """Pairs for each combination of verb number, polarity and degree."""
    nouns: tuple[str, ...]
    """Singular; the plural adds an s."""
    verbs: tuple[tuple[str, str], ...]
    """Singular and plural."""
    bad: tuple[str, ...]
    good: tuple[str, ...]


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
    drawn: dict[str, Sentence] = {}
    for plural_verb, good, degrees in CELLS * vocabulary.rounds:
        pair = _draw_pair(rng, vocabulary, plural_verb=plural_verb, good=good, degrees=degrees)
        while not drawn.keys().isdisjoint(pair):
            pair = _draw_pair(rng, vocabulary, plural_verb=plural_verb, good=good, degrees=degrees)
        drawn |= pair
    verdicts = {task: [judge(sentence) for sentence in drawn.values()] for task, judge in TASKS.items()}
    return ControlledSplit(
        texts=tuple(drawn),
        labels={task: tuple(verdict.label for verdict in judged) for task, judged in verdicts.items()},
        rationales={
            task: tuple(
                tuple(sentence.places[role] for role in verdict.roles)
                for sentence, verdict in zip(drawn.values(), judged, strict=True)
            )
            for task, judged in verdicts.items()
        },
        groups=tuple(row // 2 for row in range(len(drawn))),
    )


def _draw_pair(
    rng: random.Random, vocabulary: Vocabulary, *, plural_verb: bool, good: bool, degrees: tuple[str, ...]
) -> dict[str, Sentence]:
    """Text -> sentence: the singular noun is the subject, then, in the same words, the plural one."""
    singular, other = rng.sample(vocabulary.nouns, 2)
    plural = f"{other}s"
    shared = {
        "opener": rng.choice(OPENERS),
        "place": rng.choice(PLACES),
        "verb": rng.choice(vocabulary.verbs)[plural_verb],
        "degree": rng.choice(degrees),
        "quality": rng.choice(vocabulary.good if good else vocabulary.bad),
    }
    pair = {}
    for subject, attractor in ((singular, plural), (plural, singular)):
        text, places = _fill(PATTERN, {**shared, "subject": subject, "attractor": attractor})
        pair[text] = Sentence(
            text,
            places,
            plural_subject=subject == plural,
            plural_verb=plural_verb,
            good=good,
            turned=degrees == TURNING,
        )
    return pair


def _fill(pattern: str, words: Mapping[str, str]) -> tuple[str, dict[str, Span]]:
    """`pattern.format(**words)`, and where in it each role came to stand."""
    text, places = "", {}
    for literal, role, _, _ in string.Formatter().parse(pattern):
        text += literal
        if role is not None:
            places[role] = (len(text), len(text) + len(words[role]))
            text += words[role]
    return text, places


def sentiment(sentence: Sentence) -> Verdict:
    """`positive` or `negative`; decided by the quality, and by the degree where it turns the quality round."""
    label = "positive" if sentence.good != sentence.turned else "negative"
    return Verdict(label, ("degree", "quality") if sentence.turned else ("quality",))


def number(sentence: Sentence) -> Verdict:
    """`singular` or `plural`; decided by the subject alone, which the verb contradicts in half of the sentences."""
    return Verdict("plural" if sentence.plural_subject else "singular", ("subject",))


def agreement(sentence: Sentence) -> Verdict:
    """`grammatical` or `ungrammatical`; decided by subject and verb, across a noun of the other number."""
    agrees = sentence.plural_subject == sentence.plural_verb
    return Verdict("grammatical" if agrees else "ungrammatical", ("subject", "verb"))


PATTERN = "{opener} the {subject} {place} the {attractor} {verb} {degree} {quality}."

OPENERS = (
    *("In my view,", "To my mind,", "By all accounts,", "Even now,", "After all,"),
    *("They say that", "I think that", "I hear that"),
)
PLACES = ("beside", "near", "behind", "facing", "next to", "close to")

KEEPING = ("truly", "really", "quite", "simply", "clearly")
TURNING = ("far from", "anything but", "not at all", "by no means")
DEGREES = (KEEPING, KEEPING, KEEPING, TURNING)
"""As often as each is drawn."""

CELLS = list(itertools.product((False, True), (False, True), DEGREES))
"""Number of the verb, quality and degree of the pairs, in the order in which they are drawn."""

CYCLE = 2 * len(CELLS)
"""Sentences after which all labels are balanced against each other."""

TO_BE = (("is", "are"), ("was", "were"))

TASKS: Mapping[str, Callable[[Sentence], Verdict]] = {
    "sentiment": sentiment,
    "number": number,
    "agreement": agreement,
}

# Words for things in a house, in a town and in a park; the adjectives suit all three.
SPLITS: Mapping[str, Vocabulary] = {
    "train": Vocabulary(
        rounds=75,
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
        rounds=19,
        nouns=(
            *("shop", "station", "theatre", "hotel", "restaurant", "kiosk", "school", "market", "office"),
            *("apartment", "platform", "warehouse", "museum"),
        ),
        verbs=(*TO_BE, ("appears", "appear")),
        bad=("atrocious", "abysmal", "dingy", "boring", "lousy", "squalid", "hopeless", "inferior"),
        good=("fantastic", "handsome", "brilliant", "exquisite", "fine", "great", "appealing", "sublime"),
    ),
    "test": Vocabulary(
        rounds=28,
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
