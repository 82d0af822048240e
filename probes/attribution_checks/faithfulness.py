"""Whether a head's decision really rests on the tokens that an attribution ranks first: they are taken out, or kept.

Token ids are replaced; no text is joined and tokenised again. Special tokens stay. What is left is no text that the
encoder was trained on, so that some of a fall is that: random orders, which fall too, are the floor.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.attribution.baselines import has_token, missing_token_reason, table_size
from probes.checks import MOST_SEED, InputError, check_instance, choose, whole_number
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head, log_prob
from probes.results.result import Attribution
from probes.sequences import check_instances, item_list

Positions = NDArray[np.int64]
"""Places of tokens in their text."""
FRACTIONS = (0.01, 0.05, 0.10, 0.20, 0.50)
"""Shares of a text's own tokens that are taken out."""
RANDOM_ORDERS = 5


@dataclass(frozen=True)
class Erased:
    """What erasing tokens in one order does to the explained class: means over the fractions."""

    comprehensiveness: float
    """Probability lost without the first tokens: high where they were needed."""
    sufficiency: float
    """Probability lost with the first tokens alone: low where they were enough."""
    log_odds: float
    """Change in log probability, in nats, without the first tokens: low where they were needed."""


@dataclass(frozen=True)
class Faithfulness:
    """Erasing in an attribution's order, and in random ones."""

    own: Erased
    random: tuple[Erased, ...]
    n_tokens: int
    """Tokens that can be erased: all but the special ones."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Probability of the explained class as a text's tokens go, and as they come back, one after the other."""

    deletion: NDArray[np.float64]
    """(tokens + 1,) from the whole text to none of its tokens."""
    insertion: NDArray[np.float64]
    """(tokens + 1,) from none of its tokens to the whole text."""

    @property
    def deletion_area(self) -> float:
        """Mean height of the deletion curve: low where the first tokens were needed."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Mean height of the insertion curve: high where the first tokens were enough."""
        return _area(self.insertion)


def faithfulness(
    head: Head,
    attributions: Iterable[Attribution],
    *,
    fractions: Iterable[float] = FRACTIONS,
    replacement: str = "mask",
    random_orders: int = RANDOM_ORDERS,
    seed: int = 0,
    encoded: Encoded | None = None,
    progress: bool = False,
) -> list[Faithfulness]:
    """Comprehensiveness, sufficiency and log-odds of each attribution: its first tokens erased, or kept alone.

    Of a text with n tokens of its own the first are the max(1, ceil(p n)) with the highest scores, for each fraction p;
    each number is the mean over the fractions. ERASER divides the same sum by one more than there are fractions. The
    class is the attribution's target.

    Args:
        head: That was explained.
        attributions: Of its decisions. Higher scores stand for the class; of equal ones the earlier token is first.
        fractions: Of a text's own tokens, in (0, 1].
        replacement: Name from `REPLACEMENTS`.
        random_orders: Orders drawn for each text. They depend on the seed and the text alone, so that several
            methods' attributions of a text in one call share them at no further cost.
        seed: Of these.
        encoded: What `Encoder.encode` returned for the explained texts, in any order; None to tokenise the texts
            again.
        progress: Show a bar on stderr.

    Returns:
        One a text; all numbers are nan where a text has no token of its own, and where `delete` would leave nothing of
        it, as of a text of one token with a tokenizer that adds no special tokens.

    Raises:
        InputError: A fraction, replacement or class does not exist, the head does not read the replacement, or a text
            has other tokens now.

    Source: DeYoung et al. (2020), ERASER, arXiv:1911.03429; log-odds: Shrikumar et al. (2017), arXiv:1704.02685.
    """
    check_head(head)
    attributions = check_instances(attributions, Attribution, "attributions")
    sizes = _shares(fractions)
    random_orders, seed = whole_number(random_orders, "random_orders"), whole_number(seed, "seed", most=MOST_SEED)
    erased: list[list[Positions]] = []
    for a in attributions:
        own, rng = _own(a), np.random.default_rng([seed, zlib.crc32("\n".join(a.tokens).encode())])
        firsts = [max(1, math.ceil(round(share * len(own), 9))) for share in sizes]  # 0.28 * 25 is above 7
        orders = [_best_first(a), *(rng.permutation(own) for _ in range(random_orders))]
        parts = [part for order in orders for k in firsts for part in (order[:k], order[k:])]
        erased.append([own[:0], *([] if _nothing_left(a, parts, replacement) else parts)])
    found = []
    for a, said in zip(
        attributions, _log_prob(head, attributions, encoded, erased, replacement, progress), strict=True
    ):
        n_tokens, erasures = len(_own(a)), [Erased(*(math.nan,) * 3)] * (1 + random_orders)
        if n_tokens and len(said) > 1:
            erasures = [_erased(said[0], part) for part in said[1:].reshape(1 + random_orders, len(sizes), 2)]
        found.append(Faithfulness(erasures[0], tuple(erasures[1:]), n_tokens))
    return found


def _shares(fractions: Any) -> list[float]:
    """Fractions as a list; one stands for a list of it."""
    one = isinstance(fractions, float | int | str)
    sizes = [fractions] if one else item_list(fractions, "fractions", "shares")
    if not sizes or not all(isinstance(share, float | int) and 0 < share <= 1 for share in sizes):
        raise InputError(f"fractions must lie in (0, 1], found {tuple(sizes)}")
    return sizes


def usual_replacement(encoder: Encoder, head: Head | None = None) -> str:
    """`mask`, or what comes nearest to it with this tokenizer, and is read by `head` where one is given."""
    for name in ("mask", "pad"):
        if has_token(encoder, name) and not (name == "pad" and head is not None and skips_padding(head)):
            return name
    return "delete"


def skips_padding(head: Head) -> bool:
    """Whether the head does not read a padding token, even one that is attended to, at the end of a text.

    The classifiers of most decoders read the last token that is not padding: padding in the place of the last tokens
    would not take these out, it would move the place that is read. Such a head says the same of a text with a padding
    token behind it as without, and something else with another token there.
    """
    encoder = head.encoder
    if head.layer is not None or not has_token(encoder, "pad"):
        return False
    (ids,), padding = encoder.encode(["a"]).ids, encoder.tokenizer.pad_token_id
    other = next(token for token in range(table_size(encoder)) if token != padding and token not in ids)
    tails: tuple[list[int], ...] = ([], [padding], [other])
    texts = [_plain_row(np.concatenate([ids, np.array(tail, dtype=np.int64)])) for tail in tails]
    alone, padded, longer = np.exp(log_prob(head, _encoded(texts)))
    return bool(np.allclose(alone, padded, atol=1e-6) and not np.allclose(alone, longer, atol=1e-6))


def _plain_row(ids: NDArray[np.int64]) -> _Row:
    return _Row(ids, np.zeros_like(ids), np.zeros(len(ids), dtype=bool))


def _nothing_left(a: Attribution, parts: Sequence[Positions], replacement: str) -> bool:
    """Whether erasing one of these sets of tokens would leave no token at all."""
    return replacement == "delete" and any(len(part) == len(a.tokens) for part in parts)


def curves(
    head: Head,
    attributions: Iterable[Attribution],
    *,
    replacement: str = "mask",
    encoded: Encoded | None = None,
    progress: bool = False,
) -> list[Curves]:
    """Deletion and insertion curves, a token at a time, from the highest score to the lowest.

    Raises:
        InputError: The arguments are not those of `faithfulness`; or nothing is left of a text without its own tokens,
            as with `delete` and a tokenizer that adds no special tokens.

    Source: Petsiuk, Das & Saenko (2018), RISE, arXiv:1806.07421, there of pixels.
    """
    check_head(head)
    attributions = check_instances(attributions, Attribution, "attributions")
    orders = [_best_first(a) for a in attributions]
    erased = [[part for k in range(len(order) + 1) for part in (order[:k], order[k:])] for order in orders]
    found = _log_prob(head, attributions, encoded, erased, replacement, progress)
    return [Curves(deletion=np.exp(said[0::2]), insertion=np.exp(said[1::2])) for said in found]


def _own(a: Attribution) -> Positions:
    """Positions of the tokens that are not special."""
    return np.flatnonzero(a.offsets[:, 0] >= 0)


def _best_first(a: Attribution) -> Positions:
    own = _own(a)
    return own[np.argsort(-a.scores[own], kind="stable")]


def _erased(whole: float, parts: NDArray[np.float64]) -> Erased:
    """From log probabilities: of the whole text, and (fractions, 2) without the first tokens and with them alone."""
    comprehensiveness, sufficiency = np.exp(whole) - np.exp(parts).mean(axis=0)
    return Erased(float(comprehensiveness), float(sufficiency), float((parts[:, 0] - whole).mean()))


def _log_prob(
    head: Head,
    attributions: Sequence[Attribution],
    encoded: Encoded | None,
    erased: Sequence[Sequence[Positions]],
    replacement: str,
    progress: bool,
) -> list[NDArray[np.float64]]:
    """For each text the log probabilities of its explained class with each set of positions erased.

    What comes out the same is computed once.
    """
    replace = choose("replacement", replacement, REPLACEMENTS)
    if replacement == "pad" and skips_padding(head):
        raise InputError(
            "replacement 'pad' would move the token that this head reads, the last one that is not padding; use "
            + usual_replacement(head.encoder, head)
        )
    classes = {name: i for i, name in enumerate(head.class_names)}
    targets = [choose("class", a.target, classes) for a in attributions]
    rows: dict[bytes, _Row] = {}
    keys: list[list[bytes]] = []
    texts = encode_again(head.encoder, attributions, encoded)
    wholes = (_Row(*row) for row in zip(texts.ids, texts.types, texts.special, strict=True))
    for whole, sets in zip(wholes, erased, strict=True):
        made = [replace(whole, positions, head.encoder) for positions in sets]
        keys.append([row.key for row in made])
        rows.update(zip(keys[-1], made, strict=True))
    said, place = log_prob(head, _encoded(list(rows.values())), progress=progress), {k: i for i, k in enumerate(rows)}
    return [said[[place[key] for key in own], target] for own, target in zip(keys, targets, strict=True)]


@dataclass(frozen=True, eq=False)
class _Row:
    """The tokens of one text, as in `Encoded`."""

    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    special: NDArray[np.bool_]

    @property
    def key(self) -> bytes:
        """Equal for equal rows."""
        return self.ids.tobytes() + self.types.tobytes() + self.special.tobytes()


def encode_again(encoder: Encoder, attributions: Sequence[Attribution], encoded: Encoded | None = None) -> Encoded:
    """Return the tokens of the explained texts, a row for each attribution; equal texts are tokenised once.

    Args:
        encoder: Reads the texts now.
        attributions: Explained texts.
        encoded: What `Encoder.encode` returned for these texts, in any order; they are tokenised again when None.

    Raises:
        InputError: Only some have a second text, a text has other tokens with this encoder, or `encoded` lacks it.
    """
    second = [a.pair for a in attributions if a.pair is not None]
    if second and len(second) < len(attributions):
        raise InputError(
            f"{len(second)} of {len(attributions)} attributions have a second text; pass these by themselves"
        )
    texts = Texts([a.text for a in attributions], second or None)
    row_of_key = {key: row for row, key in reversed(list(enumerate(texts.keys)))}
    if encoded is None:
        encoded = encoder.encode(texts.take(sorted(row_of_key.values())))
    encoded = encoder.encode(check_instance(encoded, Encoded, "encoded", "; make it by Encoder.encode"))
    encoded_rows = {key: row for row, key in enumerate(encoded.sources.keys)}
    for i, key in enumerate(texts.keys):
        if key not in encoded_rows:
            raise InputError(f"text {i} is not among the {len(encoded)} encoded texts; encode all that were explained")
    aligned = encoded.take([encoded_rows[key] for key in texts.keys])
    for i, (a, ids) in enumerate(zip(attributions, aligned.ids, strict=True)):
        if tuple(encoder.tokenizer.convert_ids_to_tokens(ids)) != a.tokens:
            raise InputError(
                f"text {i} has other tokens than when it was explained; use the same encoder, max_length too"
            )
    return aligned


def _encoded(rows: Sequence[_Row]) -> Encoded:
    return Encoded(
        ids=tuple(row.ids for row in rows),
        types=tuple(row.types for row in rows),
        special=tuple(row.special for row in rows),
        truncated=np.zeros(len(rows), dtype=bool),
        encodings=(),
    )


def _put(name: str) -> Callable[[_Row, Positions, Encoder], _Row]:
    def replace(row: _Row, positions: Positions, encoder: Encoder) -> _Row:
        if not has_token(encoder, name):
            raise InputError(
                f"replacement {name!r} needs a {name} token and {missing_token_reason(encoder, name)}; use delete"
            )
        ids = row.ids.copy()
        ids[positions] = getattr(encoder.tokenizer, f"{name}_token_id")
        return _Row(ids, row.types, row.special)

    return replace


def _delete(row: _Row, positions: Positions, _encoder: Encoder) -> _Row:
    if len(positions) == len(row.ids):
        raise InputError("nothing of a text is left: this tokenizer adds no special tokens; use mask or pad")
    left = np.setdiff1d(np.arange(len(row.ids)), positions)
    return _Row(row.ids[left], row.types[left], row.special[left])


def _area(curve: NDArray[np.float64]) -> float:
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1))) if len(curve) > 1 else math.nan


REPLACEMENTS: Mapping[str, Callable[[_Row, Positions, Encoder], _Row]] = {
    "mask": _put("mask"),
    "pad": _put("pad"),
    "delete": _delete,
}
"""Name -> what becomes of erased tokens. `pad` is attended to like any other token, but families that count positions
from the tokens that are not padding, as RoBERTa does, number the others anew; a head that reads the last token that is
not padding cannot have it. `delete` moves later tokens forward."""
