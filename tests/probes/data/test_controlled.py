import itertools
import os
import random
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from probes.checks import InputError
from probes.data.controlled import (
    OPENERS,
    PREPOSITIONS,
    PRESERVING,
    REVERSING,
    SPLITS,
    TASKS,
    TO_BE,
    controlled_sentences,
)

SHARED = ("the", *OPENERS, *PREPOSITIONS, *PRESERVING, *REVERSING, *itertools.chain(*TO_BE))
NUMBERS = ("singular", "plural")
SAME_WORDS = ("number", "agreement")
"""Tasks whose classes hold the same words."""


@pytest.fixture(scope="module")
def splits():
    return {name: controlled_sentences(name) for name in SPLITS}


@pytest.fixture(scope="module")
def bag_of_words(splits):
    """Task -> unigram TF-IDF with logistic regression, fitted on train and hardly regularised."""
    train = splits["train"]
    return {
        task: make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000)).fit(
            train.texts, train.labels[task]
        )
        for task in TASKS
    }


def words(text):
    return re.findall(r"\w+", text.lower())


def marked(split, task):
    """The words under the rationale of each text."""
    return [
        tuple(text[start:end] for start, end in spans)
        for text, spans in zip(split.texts, split.rationales[task], strict=True)
    ]


@pytest.mark.parametrize(("name", "n"), [("train", 2400), ("validation", 608), ("test", 896)])
def test_every_text_has_a_label_and_a_rationale_in_every_task(splits, name, n):
    split = splits[name]
    assert len(split.texts) == len(split.groups) == n
    for column in (split.labels, split.rationales):
        assert {task: len(values) for task, values in column.items()} == dict.fromkeys(TASKS, n)


def test_no_text_occurs_twice(splits):
    texts = [text for split in splits.values() for text in split.texts]
    assert len(set(texts)) == len(texts)


def test_sentences_have_ten_to_fourteen_words(splits):
    assert {len(words(text)) for split in splits.values() for text in split.texts} == {10, 11, 12, 13, 14}


@pytest.mark.parametrize(("split", "other_split"), list(itertools.combinations(SPLITS, 2)))
def test_two_splits_share_no_words_but_those_outside_their_vocabularies(splits, split, other_split):
    first, second = (set(words(" ".join(splits[name].texts))) for name in (split, other_split))
    assert first & second == set(words(" ".join(SHARED)))


@pytest.mark.parametrize("name", SPLITS)
def test_every_combination_of_labels_is_equally_frequent(splits, name):
    counts = Counter(zip(*(splits[name].labels[task] for task in TASKS), strict=True))
    assert len(counts) == 8
    assert set(counts.values()) == {len(splits[name].texts) // 8}


@pytest.mark.parametrize("name", SPLITS)
def test_reversed_qualities_are_a_quarter_of_each_sentiment(splits, name):
    turned = Counter(
        label
        for label, span in zip(splits[name].labels["sentiment"], marked(splits[name], "sentiment"), strict=True)
        if len(span) == 2
    )
    assert turned == dict.fromkeys(("positive", "negative"), len(splits[name].texts) // 8)


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("task", SAME_WORDS)
def test_the_classes_of_a_same_words_task_hold_the_same_words_equally_often(splits, name, task):
    counts = {label: Counter() for label in splits[name].labels[task]}
    for text, label in zip(splits[name].texts, splits[name].labels[task], strict=True):
        counts[label].update(words(text))
    first, second = counts.values()
    assert first == second


@pytest.mark.parametrize("name", SPLITS)
def test_the_sentences_of_a_pair_have_the_same_words_and_opposite_labels(splits, name):
    split = splits[name]
    for first in range(0, len(split.texts), 2):
        second = first + 1
        assert split.groups[first] == split.groups[second] == first // 2
        assert sorted(words(split.texts[first])) == sorted(words(split.texts[second]))
        assert split.labels["sentiment"][first] == split.labels["sentiment"][second]
        assert all(split.labels[task][first] != split.labels[task][second] for task in SAME_WORDS)


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("task", SAME_WORDS)
def test_a_bag_of_words_is_correct_on_exactly_half_of_a_same_words_task_even_where_it_was_fitted(
    splits, bag_of_words, name, task
):
    assert bag_of_words[task].score(splits[name].texts, splits[name].labels[task]) == 0.5


def test_a_bag_of_word_triples_fits_agreement(splits):
    train = splits["train"]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 3)), LogisticRegression(C=10, max_iter=1000))
    assert model.fit(train.texts, train.labels["agreement"]).score(train.texts, train.labels["agreement"]) > 0.6


def test_a_bag_of_words_fits_sentiment_on_train_and_is_at_chance_on_test(splits, bag_of_words):
    train, test = splits["train"], splits["test"]
    assert bag_of_words["sentiment"].score(train.texts, train.labels["sentiment"]) > 0.7
    n_pairs = len(test.texts) // 2
    half_width = 1.96 * np.sqrt(0.25 / n_pairs)
    assert abs(bag_of_words["sentiment"].score(test.texts, test.labels["sentiment"]) - 0.5) < half_width


@pytest.mark.parametrize("name", SPLITS)
def test_sentiment_spans_cover_the_quality_and_a_degree_that_reverses_it(splits, name):
    vocabulary = SPLITS[name]
    for label, span in zip(splits[name].labels["sentiment"], marked(splits[name], "sentiment"), strict=True):
        *degree, quality = span
        assert degree == [] or degree[0] in REVERSING
        assert quality in (vocabulary.good if (label == "positive") == (degree == []) else vocabulary.bad)


@pytest.mark.parametrize("name", SPLITS)
def test_a_text_whose_sentiment_span_lacks_the_degree_has_none_that_reverses(splits, name):
    for text, span in zip(splits[name].texts, marked(splits[name], "sentiment"), strict=True):
        assert (len(span) == 2) == any(degree in text for degree in REVERSING)


@pytest.mark.parametrize("name", SPLITS)
def test_number_spans_cover_the_first_noun(splits, name):
    nouns = {form: label for noun in SPLITS[name].nouns for form, label in ((noun, "singular"), (f"{noun}s", "plural"))}
    split = splits[name]
    for text, label, (subject,) in zip(split.texts, split.labels["number"], marked(split, "number"), strict=True):
        assert subject == next(word for word in words(text) if word in nouns)
        assert label == nouns[subject]


@pytest.mark.parametrize("name", SPLITS)
def test_agreement_spans_cover_the_first_noun_and_the_verb(splits, name):
    numbers = {form: number for verb in SPLITS[name].verbs for form, number in zip(verb, NUMBERS, strict=True)}
    split = splits[name]
    for text, label, (subject, verb), (alone,), number in zip(
        split.texts,
        split.labels["agreement"],
        marked(split, "agreement"),
        marked(split, "number"),
        split.labels["number"],
        strict=True,
    ):
        assert subject == alone
        assert [verb] == [word for word in words(text) if word in numbers]
        assert label == ("grammatical" if numbers[verb] == number else "ungrammatical")


@pytest.mark.parametrize("name", SPLITS)
def test_the_noun_next_to_the_verb_is_always_of_the_other_number(splits, name):
    forms = {form for noun in SPLITS[name].nouns for form in (noun, f"{noun}s")}
    for text in splits[name].texts:
        subject, attractor = (word for word in words(text) if word in forms)
        assert subject.endswith("s") != attractor.endswith("s")


def test_the_same_seed_gives_the_same_split_and_another_seed_another(splits):
    assert controlled_sentences("test") == splits["test"]
    second_seed = controlled_sentences("test", seed=1)
    assert len(second_seed.texts) == len(splits["test"].texts)
    assert set(second_seed.texts) != set(splits["test"].texts)


def test_a_split_depends_on_its_seed_alone_and_leaves_the_global_generators_alone(splits):
    state, numpy_state = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert controlled_sentences("validation") == splits["validation"]
    assert random.getstate() == state
    assert np.random.get_state()[1].tolist() == numpy_state  # noqa: NPY002
    code = "from probes.data.controlled import controlled_sentences as draw; print('|'.join(draw('validation').texts))"
    shell = {**os.environ, "PYTHONHASHSEED": "7"}
    printed = subprocess.run([sys.executable, "-c", code], env=shell, capture_output=True, text=True, check=True)
    assert tuple(printed.stdout.rstrip("\n").split("|")) == splits["validation"].texts


def test_an_unknown_split_is_answered_with_the_valid_ones():
    with pytest.raises(InputError, match=r"unknown split 'valid'.*known: train, validation, test"):
        controlled_sentences("valid")
