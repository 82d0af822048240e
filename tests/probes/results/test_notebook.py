"""An attribution as a table and as HTML for a notebook: sums, words, and texts that are shown and never obeyed."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute
from probes.data.texts import Texts
from probes.results.notebook import AGAINST, FOR, MOST_OPACITY, marked_word, scored_text
from tests.support.encoders.models import FAMILIES, HIDDEN, build_model
from tests.support.results.smallest import ATTRIBUTION

TEXTS = [
    "The ACTORs,  aren't GOOD! 你好 👍🏽 [CLS]",
    "",
    " \n awful   ",
    "re-imagining, isn't!!!\n\tsecond  line é e\u0301",
    "סרט טוב. فيلم جيد، जी",
]
PAIRS = ["bad  film ", "", "the plot", " ", "good"]
HOSTILE = "<script>alert(1)</script>\"' onload='x &amp; \x00\u202e\u2067 </bdi></div> שלום"
FRAGILE = f"{HOSTILE} \ud800"


def byte_level():
    """Byte-level pieces: the blank before a word is part of it, or a piece by itself, and a character is several."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate(["<unk>", "<pad>", *letters, "Ġa", "go", "od", "good"])}
    merges = [("Ġ", "a"), ("g", "o"), ("o", "d"), ("go", "od")]
    tokenizer = Tokenizer(models.BPE({k: v % 256 for k, v in vocabulary.items()} | vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")
    return Encoder(build_model("gpt2", vocab_size=300)[0], fast)


def explained(encoder, texts=TEXTS, pairs=None, method="occlusion"):
    rng = np.random.default_rng(0)
    fitted = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, np.float32))
    return attribute(
        ProbeHead(encoder, fitted, layer=1, pooling="mean"), Texts(texts, pairs), targets="1", method=method
    )


def check_tables(attributions):
    for a in attributions:
        tokens, words = a.to_dataframe(), a.to_dataframe("words")
        assert list(tokens) == ["token", "segment", "start", "end", "score", "word"]
        assert list(words) == ["word", "segment", "start", "end", "score", "n_tokens"]
        assert tokens["token"].tolist() == list(a.tokens)
        assert words["word"].tolist() == list(a.words)
        np.testing.assert_array_equal(tokens[["segment", "start", "end"]], a.offsets)
        np.testing.assert_array_equal(words[["segment", "start", "end"]], a.word_offsets)
        assert tokens["score"].sum() == pytest.approx(a.scores.sum(), abs=1e-12)
        gathered = tokens.groupby("word")["score"].agg(["sum", "size"])
        assert gathered.index.tolist() == list(range(len(words)))
        np.testing.assert_allclose(gathered["sum"], words["score"], atol=1e-12)
        np.testing.assert_array_equal(gathered["size"], words["n_tokens"])
        for row in words.itertuples():
            if row.segment >= 0:
                assert (a.text, a.pair)[row.segment][row.start : row.end] == row.word


@pytest.mark.parametrize("pairs", [None, PAIRS])
@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in ("gpt2", "llama")])
def test_tokens_gather_into_the_words_and_both_sum_to_the_scores(family, pairs):
    check_tables(explained(Encoder(*build_model(family)), pairs=pairs, method="input_x_gradient"))


def test_tokens_gather_into_the_words_of_byte_level_pieces_too():
    texts = [text for text in TEXTS if text] + ["good a  good ", "   ", "a\u2028b 👍🏽👎  ", "agood\t\n"]
    attributions = explained(byte_level(), texts, method="random")
    check_tables(attributions)
    assert any(len(a.tokens) > 2 * len(a.words) for a in attributions)


def test_a_table_of_something_else_is_refused():
    with pytest.raises(
        InputError, match=r"unknown kind of rows 'word' \(did you mean 'words'\?\); known: tokens, words"
    ):
        ATTRIBUTION.to_dataframe("word")
    assert ATTRIBUTION.to_dataframe()["word"].tolist() == [0, 1, 1, 2]
    assert isinstance(ATTRIBUTION.to_dataframe("words"), pd.DataFrame)


class Page(HTMLParser):
    """Elements, their attributes and the text in them."""

    def __init__(self, source):
        super().__init__()
        self.open, self.seen, self.text, self.words = [], [], "", []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))
        if "title" in dict(attrs):
            self.words.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open[-1] in ("bdi", "span") and "title" in self.seen[-1][1]:
            self.words[-1] += data


def hostile():
    n = len(FRAGILE)
    return replace(
        ATTRIBUTION,
        text=FRAGILE,
        pair=HOSTILE,
        tokens=(HOSTILE, FRAGILE, HOSTILE),
        scores=np.array([0.0, 0.5, -0.25]),
        offsets=np.array([[-1, 0, 0], [0, 0, n], [1, 0, len(HOSTILE)]]),
        words=(HOSTILE, FRAGILE, HOSTILE),
        word_scores=np.array([0.0, 0.5, -0.25]),
        word_offsets=np.array([[-1, 0, 0], [0, 0, n], [1, 0, len(HOSTILE)]]),
        **dict.fromkeys(("target", "predicted", "label", "method", "baseline", "pooling", "against"), HOSTILE),
        probabilities={HOSTILE: 0.5},
        converged=False,
        truncated=True,
    )


def test_hostile_texts_are_shown_as_text_wherever_they_stand():
    source = hostile()._repr_html_()
    page = Page(source)
    assert {tag for tag, _ in page.seen} == {"div", "b", "bdi", "span"}
    assert {name for _, attributes in page.seen for name in attributes} <= {"style", "title", "dir"}
    for _, attributes in page.seen:
        assert re.fullmatch(r"[\w\s.,:;#()%-]*", attributes.get("style", ""))
        assert re.fullmatch(r"[+−]\d\.\d{3}|0\.000|", attributes.get("title", ""))
    for unfit in "\x00\ud800\u202e\u2067":
        assert unfit not in source
    source.encode()
    escaped = re.sub("[\x00\ud800\u202e\u2067]", "\ufffd", HOSTILE)
    assert page.text.count(escaped) >= 3 + 7
    assert page.words == [escaped, f"{escaped} \ufffd", escaped]
    assert "url(" not in source
    assert "http" not in source


def test_the_text_reads_as_it_was_written(bert):
    text, pair = "The  ACTORs,\n aren't 你好 <b>", "bad\tfilm"
    (a,) = explained(bert, [text], [pair])
    flows = re.findall(r'<div dir="auto"[^>]*>(.*?)</div>', a._repr_html_(), flags=re.DOTALL)
    assert [Page(f"<div>{flow}</div>").text for flow in flows] == [f"[CLS] {text} [SEP]", f"{pair} [SEP]"]


def test_a_text_keeps_its_direction_of_writing_whatever_the_special_tokens_are(bert):
    (a,) = explained(bert, ["סרט טוב"])
    (flow,) = re.findall(r'<div dir="auto"[^>]*>(.*?)</div>', a._repr_html_(), flags=re.DOTALL)
    assert re.findall(r"<(\w+)[^>]*>(.*?)</", flow) == [
        ("bdi", "[CLS]"),
        ("span", "סרט"),
        ("span", "טוב"),
        ("bdi", "[SEP]"),
    ]


def test_a_probability_that_is_no_number_is_left_out_of_the_head_of_a_text():
    html = replace(ATTRIBUTION, probabilities={"NA": np.nan})._repr_html_()
    assert "nan" not in Page(html).text


def test_what_is_said_above_the_text_is_what_was_done():
    plain = Page(ATTRIBUTION._repr_html_()).text
    assert "explained NA · predicted NA, 60.0 % · by integrated_gradients from pad" in plain
    assert "of a probe on mean at layer 2 · sum −0.233 logit" in plain
    assert "cut short" not in plain
    other_attribution = replace(
        ATTRIBUTION, method="random", baseline="none", layer=None, states_layer=1, converged=False, truncated=True
    )
    text = Page(replace(other_attribution, against="1", label="x")._repr_html_()).text
    for fact in ("NA rather than 1", "label x", "by random ·", "the model's own head", "token states of layer 1"):
        assert fact in text
    assert "not converged, delta 0.000" in text
    assert "text cut short" in text


def test_the_scale_is_centred_and_a_sign_shows_without_colour():
    words, scores = ["a", "b", "c", "d", "e"], np.array([2.0, -2.0, 1.0, 0.0, np.nan])
    offsets = np.array([[0, 2 * i, 2 * i + 1] for i in range(5)])
    source = scored_text({}, ["a b c d e"], words, scores, offsets)
    styles = [attributes.get("style", "") for tag, attributes in Page(source).seen if "title" in attributes]
    strength = [re.findall(r"rgba\((\d+),(\d+),(\d+),([\d.]+)\)", style) for style in styles]
    assert strength[0] == [(*map(str, FOR), "0.600")]
    assert strength[1] == [(*map(str, AGAINST), "0.600")]
    assert strength[2] == [(*map(str, FOR), "0.300")]
    assert strength[3] == strength[4] == []
    lines = [re.findall("border-bottom:2px (solid|dotted)", style) for style in styles]
    assert lines == [["solid"], ["dotted"], ["solid"], [], []]
    text = Page(source).text
    assert "against −2.000" in text
    assert "for +2.000" in text
    assert "strongest for: a +2.000, c +1.000; strongest against: b −2.000" in text


def test_a_text_without_words_or_scores_is_drawn(bert):
    for a in (*explained(bert, [""]), replace(ATTRIBUTION, word_scores=np.zeros(3), scores=np.zeros(4), layer=None)):
        page = Page(a._repr_html_())
        assert "no word has a score" in page.text
        assert "strongest" not in page.text
        assert "rgba" not in a._repr_html_()
        assert "−0.000" not in page.text


def luminance(colour):
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot([0.2126, 0.7152, 0.0722], parts))


def contrast(one, other_attribution):
    low, high = sorted((luminance(one), luminance(other_attribution)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("paper", "ink"), [((255, 255, 255), (27, 31, 36)), ((17, 17, 17), (224, 224, 224))])
@pytest.mark.parametrize("colour", [FOR, AGAINST])
def test_words_stay_readable_on_light_and_dark_paper(paper, ink, colour):
    for share in np.linspace(0, MOST_OPACITY, 13):
        ground = [share * c + (1 - share) * p for c, p in zip(colour, paper, strict=True)]
        assert contrast(ground, ink) >= 4.5  # WCAG 2.2, AA
    assert contrast(colour, paper) >= 3


def test_a_marked_word_is_escaped_and_names_only_the_attributes_it_has():
    assert marked_word("<b>", title='+0.1"', shade="p3") == '<span class="p3" title="+0.1&quot;">&lt;b&gt;</span>'
    assert marked_word("[CLS]", title="", is_isolated=True) == "<bdi>[CLS]</bdi>"
    assert marked_word("good", title="+0.1", style="color:red") == '<span title="+0.1" style="color:red">good</span>'
