"""How numbers, names and places are written in the report.

Names come from users and models and may hold anything: `clean` makes every string safe to show, escaping is left to
the template.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

MISSING = "–"
ROUNDING = 1e-9
"""Largest absolute number that counts as 0."""

# Not allowed in XML or HTML: controls other than tab and line ends, surrogates, noncharacters.
_NOT_HTML = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef" + "".join(
    chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_ILLEGAL = re.compile(f"[{_NOT_HTML}]")
# Able to reorder the page around them: bidirectional embeddings, overrides and isolates.
_FORBIDDEN = re.compile(f"[{_NOT_HTML}\u202a-\u202e\u2066-\u2069]")

_PLACE = re.compile(r"(.+?) (\d{1,5})(?:, |$)", re.DOTALL)
"""One of the places that a claim lists, as `mean 3, cls 4`."""

POOLINGS = {"cls": "[CLS]", "mean": "mean", "pooler": "pooler", "last": "last token"}
"""Pooling -> the name a reader sees."""

FLOORS = {
    "majority": "the majority class",
    "bag_of_words": "a bag of words",
    "layer_0_mean": "the layer-0 mean",
    "model_head": "the model's own classifier",
    "untrained": "an untrained encoder",
    "control": "the control task",
}
"""Floor, or other reference score -> its name in a sentence."""

SHORT_FLOORS = {
    "majority": "majority class",
    "bag_of_words": "bag of words",
    "layer_0_mean": "layer-0 mean",
    "model_head": "own classifier",
    "untrained": "untrained encoder",
    "control": "control task",
}
"""Floor, or other reference score -> its label in a figure or a table."""

EVIDENCE = {
    "decodable": "Decodable",
    "weak": "Weak evidence",
    "above_floors": "Above the floors",
    "not_shown": "Not shown",
}
"""Outcome of the claim on evidence -> the words of its badge."""

DOUBTS = {
    "compression": "there is no MDL compression",
    "v_information": "V-information is not above 0",
    "power": "the gain may be overestimated",
}
"""Doubt about the evidence -> a clause for it."""

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "mcc": "Matthews correlation",
    "auroc": "AUROC",
    "log_loss": "log loss, nats",
    "ece": "calibration error (ECE)",
}
"""Metric -> what a reader calls it, in the order of a table."""
SHARES = ("accuracy", "balanced_accuracy", "macro_f1")
"""Metrics written in per cent."""

METHODS = {
    "integrated_gradients": "integrated gradients",
    "direct": "direct share",
    "input_x_gradient": "input × gradient",
    "gradient_norm": "gradient norm",
    "gradient_shap": "GradientShap",
    "occlusion": "occlusion",
    "random": "random order",
}
"""Attribution method -> what a reader calls it."""
BASELINES = {
    "pad": "padding",
    "mask": "mask tokens",
    "zero": "zero vectors",
    "mean": "the mean embedding",
    "sampled": "tokens of other texts",
    "none": "nothing",
}
"""Baseline -> what replaces the tokens of a text in it."""
HEADS = {
    "probe": "the probe",
    "model": "the model's own classifier",
    "pooler": "the pooler head",
    "cls": "the [CLS] head",
    "mean": "the mean head",
    "checkpoint": "the checkpoint",
}
"""Head -> its name in a sentence."""
READS = {"pooler": "the pooler", "cls": "[CLS]", "mean": "the mean"}
"""Head -> the vector it reads."""
MODELS = {
    "pretrained": "pretrained",
    "untrained": "untrained",
    "pooler": "fine-tuned, pooler head",
    "cls": "fine-tuned, [CLS] head",
    "mean": "fine-tuned, mean head",
    "checkpoint": "checkpoint",
}
"""An encoder before or after fine-tuning -> its name in a figure."""
SHORT_HEADS = {"probe": "probe", "model": "own classifier"}
"""Head -> its name in a table."""


def unbroken(text: str) -> str:
    """Return a heading whose `95 % CI` does not break over two lines."""
    return text.replace("95 % CI", _INTERVAL).replace("95\u00a0% CI", _INTERVAL)


_INTERVAL = "95\u00a0%\u00a0CI"


def clean(text: str, limit: int | None = None) -> str:
    """Return a text with a replacement character for all that no page may hold, cut to `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return _FORBIDDEN.sub("\ufffd", text)


def legal(text: str) -> str:
    """Return our own text for HTML; the isolates that `name` puts around a name stay."""
    return _ILLEGAL.sub("\ufffd", text)


def name(text: object, limit: int = 80) -> str:
    """Return a name for an English sentence: on one line, and isolated where it is written from right to left."""
    one_line = " ".join(clean(str(text), limit).split()) or "(empty)"
    if any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in one_line):
        return f"\u2068{one_line}\u2069"
    return one_line


def short_model(text: str) -> str:
    """Return a model's name for a heading; for a folder, its last part."""
    folder = text.startswith(("/", "./", "../", "~", "\\\\")) or text[1:3] in (":\\", ":/")
    return name(re.split(r"[/\\]", text.rstrip("/\\"))[-1] if folder else text)


def floor(key: object) -> str:
    """Return the name of a floor in a sentence."""
    return FLOORS.get(str(key), name(key))


def method(key: object) -> str:
    """Return the name of an attribution method in a sentence."""
    return METHODS.get(str(key), name(key, 24))


def baseline(key: object) -> str:
    """Return the name of what a baseline puts in the place of a text's own tokens."""
    return BASELINES.get(str(key), name(key, 24))


def head(key: object) -> str:
    """Return the name of a head in a sentence: the probe, the model's own classifier, or a fine-tuned head."""
    return HEADS.get(str(key), name(key))


def short_head(key: object) -> str:
    """Return the name of a head without an article, on one line, for tables and figures."""
    return HEADS[str(key)].removeprefix("the ").replace(" ", "\u00a0") if str(key) in HEADS else name(key, 20)


def model(key: object) -> str:
    """Return the name in a figure of an encoder before or after fine-tuning."""
    return MODELS.get(str(key), name(key, 16))


def title(text: str) -> str:
    """Return a table's or column's name as a heading: `cls_spread` is `Cls spread`."""
    spaced = name(text).replace("_", " ")
    return spaced[:1].upper() + spaced[1:]


def sentence(text: str) -> str:
    """Return a text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def percent(value: float | None) -> str:
    """Return a share as `83.4 %`, with a space that does not break."""
    return MISSING if value is None or not math.isfinite(value) else f"{_number(100 * value, 1)}\u00a0%"


def points(value: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign: `+5.1`."""
    return MISSING if value is None or not math.isfinite(value) else signed(100 * value, 1)


def unsigned_points(value: float | None) -> str:
    """Return a difference of shares in percentage points, without a sign where it is positive."""
    return points(value).lstrip("+")


def signed(value: float, digits: int = 2) -> str:
    """Return `+0.43`, `−0.38`, and `0.00` without a sign; a dash where nothing was measured."""
    if not math.isfinite(value):
        return MISSING
    text = _number(value, digits)
    return text if text.startswith("−") or not text.strip("0.,") else f"+{text}"


def count(value: float) -> str:
    """Return a whole number with separated thousands; a dash where it is not known."""
    return f"{int(value):,}" if math.isfinite(value) else MISSING


def decimal(value: float | None, digits: int = 3) -> str:
    """Return a number of any size, with a few significant digits where it is small."""
    if value is None or not math.isfinite(value):
        return MISSING
    small = 0 < abs(value) < 10**-digits
    return f"{value:.2g}".replace("-", "−") if small else _number(value, digits)


def general(value: float) -> str:
    """Return a number in as many digits as it has; a dash where there is none."""
    return f"{value:g}" if math.isfinite(value) else MISSING


def interval(bounds: tuple[float, float] | None) -> str:
    """Return two shares, or differences of shares, times a hundred: `81.6 to 85.1`."""
    if bounds is None or not all(map(math.isfinite, bounds)):
        return MISSING
    return between([100 * end for end in bounds], 1)


def between(bounds: Sequence[float] | None, digits: int = 2) -> str:
    """Return the ends of an interval as `0.51 to 0.72`; digits are added where an end would print as 0."""
    if bounds is None or not all(map(math.isfinite, bounds)):
        return MISSING
    ends = (_number(end, digits) for end in bounds)
    return " to ".join(
        printed if printed.strip("0.") or abs(end) < ROUNDING else f"{end:.1g}".replace("-", "−")
        for end, printed in zip(bounds, ends, strict=True)
    )


def confidence(bounds: Sequence[float] | None, *, scale: float = 100.0, digits: int = 1, before: str = "") -> str:
    """Return a confidence interval as `[71.7, 77.3]`; empty, or a dash where nothing stands before it, without limits.

    Args:
        bounds: Its ends, as shares or as differences of shares.
        scale: Number by which the ends are multiplied: 1 for numbers that are no shares.
        digits: Digits after the point.
        before: Text before it, such as a space.
    """
    if bounds is None or not all(map(math.isfinite, bounds)):
        return "" if before else MISSING
    lower, upper = (_number(scale * end, digits) for end in bounds)
    return f"{before}[{lower}, {upper}]"


def p_value(p: float) -> str:
    """Return a p-value as `p = 0.042`, or `p < 0.001`; a dash where it is not known."""
    if not math.isfinite(p):
        return MISSING
    return "p\u00a0<\u00a00.001" if p < SMALLEST_P else f"p\u00a0=\u00a0{p:.3f}"


SMALLEST_P = 0.001
"""Smallest p-value that is written as it is."""


def sample_size(n: float) -> str:
    """Return a number of texts as ` (n = 100)`; empty where it is not known."""
    return f" (n = {count(n)})" if math.isfinite(n) else ""


def reading(name: str, value: float, bounds: Sequence[float] | None = None, digits: int = 3) -> str:
    """Return the description of a point in a drawing: `mean, layer 4: 0.83 (0.81 to 0.85)`."""
    ends = between(bounds, digits)
    return f"{name}: {decimal(value, digits)}" + (f" ({ends})" if ends != MISSING else "")


def plural(n: int, noun: str) -> str:
    """Return `1 text`, `2 texts`, `2 classes`."""
    ending = "es" if noun.endswith(("s", "x", "ch")) else "s"
    return f"{count(n)} {noun}{'' if n == 1 else ending}"


def listing(parts: Iterable[str], last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    items = list(parts)
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def pooling(key: str, *, random_pooler: bool = False) -> str:
    """Return the name of a pooling in a sentence."""
    return "untrained\u00a0pooler" if key == "pooler" and random_pooler else name(POOLINGS.get(key, key), 24)


def place(key: str, layer: int | str, *, random_pooler: bool = False) -> str:
    """Return `the mean vector of layer 4`."""
    return f"the {pooling(key, random_pooler=random_pooler)} vector of layer {layer}"


def site(key: str, layer: int | str, *, random_pooler: bool = False) -> str:
    """Return `mean, layer 4`."""
    return f"{pooling(key, random_pooler=random_pooler)}, layer\u00a0{layer}"


def places(names: str, *, random_pooler: bool = False) -> str:
    """Return a claim's sites, `mean 3, mean 4, cls 6`, as `mean of layers 3 and 4; [CLS] of layer 6`."""
    layers: dict[str, list[int]] = {}
    for match in _PLACE.finditer(names):  # a pooling's name may hold anything
        layers.setdefault(match[1], []).append(int(match[2]))
    return "; ".join(
        f"{pooling(key, random_pooler=random_pooler)} of {_layers(sorted(numbers))}" for key, numbers in layers.items()
    )


def _layers(layers: Sequence[int]) -> str:
    """Return `layer 6`, `layers 3 to 5`, `layers 1 and 3 to 5`."""
    runs: list[str] = []
    for _, run in itertools.groupby(enumerate(layers), key=lambda pair: pair[1] - pair[0]):
        members = [str(layer) for _, layer in run]
        runs += members if len(members) < 3 else [f"{members[0]} to {members[-1]}"]
    return f"{'layer' if len(layers) == 1 else 'layers'} {listing(runs)}"


def _number(value: float, digits: int) -> str:
    """Return a number with separated thousands and a true minus sign, never a negative zero."""
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")
