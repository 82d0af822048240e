"""Tiny random models of every family, each with a tokenizer made in code: none of them needs the network."""

import torch

HIDDEN, LAYERS = 16, 3

WORDS = (
    "the a film movie was is not good bad fine dull bright very ##ly ##s great awful plot actor music scene "
    ". , ! ? [ ] mask cls sep pad unk 你 好 it i we in on of and"
).split()


def build_tokenizer(
    cls="[CLS]", sep="[SEP]", pad="[PAD]", mask="[MASK]", unk="[UNK]", *, pad_first=True, cls_last=False
):
    """A WordPiece tokenizer over `WORDS`; `cls=None` adds no special tokens at all."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = [pad, unk, *([cls, sep, mask] if cls else [])]
    if not pad_first:  # RoBERTa's order: padding is id 1
        special = [cls, pad, sep, unk, mask]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS, *map(chr, range(33, 127))])}
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unk))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"pad_token": pad, "unk_token": unk}
    if cls:
        names |= {"cls_token": cls, "sep_token": sep, "mask_token": mask}
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {sep} {cls}:2" if cls_last else f"{cls} $A {sep}",
            pair=f"$A {sep} $B:1 {sep}:1 {cls}:2" if cls_last else f"{cls} $A {sep} $B:1 {sep}:1",
            special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
        )
    side = {"padding_side": "left"} if cls_last else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names, **side)


ABSENT = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings")


def _config(kind, *, absent=(), **changes):
    import transformers

    sizes = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "vocab_size": 256,
        "max_position_embeddings": 64,
    }
    present = {name: size for name, size in sizes.items() if name not in absent}
    return getattr(transformers, kind)(**(present | changes))


FAMILIES = {
    "bert": lambda: (_config("BertConfig"), build_tokenizer()),
    "distilbert": lambda: (
        _config("DistilBertConfig", dim=HIDDEN, n_layers=LAYERS, n_heads=2, hidden_dim=24, hidden_size=HIDDEN),
        build_tokenizer(),
    ),
    "roberta": lambda: (
        _config("RobertaConfig", pad_token_id=1, max_position_embeddings=66, type_vocab_size=1),
        build_tokenizer("<s>", "</s>", "<pad>", "<mask>", "<unk>", pad_first=False),
    ),
    "albert": lambda: (_config("AlbertConfig", embedding_size=8), build_tokenizer()),
    "electra": lambda: (_config("ElectraConfig", embedding_size=8), build_tokenizer()),
    "deberta-v2": lambda: (
        _config("DebertaV2Config", relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"]),
        build_tokenizer(),
    ),
    "deberta-v3": lambda: (
        _config(
            "DebertaV2Config",
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            share_att_key=True,
            norm_rel_ebd="layer_norm",
            position_biased_input=False,
        ),
        build_tokenizer(),
    ),
    "mpnet": lambda: (
        _config("MPNetConfig", pad_token_id=1, max_position_embeddings=66),
        build_tokenizer("<s>", "</s>", "<pad>", "<mask>", "<unk>", pad_first=False),
    ),
    "xlm-roberta": lambda: (
        _config("XLMRobertaConfig", pad_token_id=1, max_position_embeddings=66, type_vocab_size=1),
        build_tokenizer("<s>", "</s>", "<pad>", "<mask>", "<unk>", pad_first=False),
    ),
    "xlnet": lambda: (
        _config("XLNetConfig", d_model=HIDDEN, n_layer=LAYERS, n_head=2, d_inner=24, pad_token_id=0, absent=ABSENT),
        build_tokenizer("<cls>", "<sep>", "<pad>", "<mask>", "<unk>", cls_last=True),
    ),
    "modernbert": lambda: (
        _config("ModernBertConfig", pad_token_id=0, local_attention=8, global_attn_every_n_layers=2),
        build_tokenizer(),
    ),
    "llama": lambda: (_config("LlamaConfig", num_key_value_heads=1, pad_token_id=0), build_tokenizer(cls=None)),
    "gpt2": lambda: (
        _config("GPT2Config", n_embd=HIDDEN, n_layer=LAYERS, n_head=2, n_positions=64, pad_token_id=0),
        build_tokenizer(cls=None),
    ),
}
"""Family -> its tiny config and tokenizer."""


def build_model(family, auto="AutoModel", **config_changes):
    """A tiny random model of the family, the same every time, in evaluation mode; and its tokenizer."""
    import transformers

    config, tokenizer = FAMILIES[family]()
    for name, value in config_changes.items():
        setattr(config, name, value)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, auto).from_config(config).eval()
        for name, parameter in model.named_parameters():
            # Fresh weights are so small that layers hardly differ; biases are zero, as a random pooler's are.
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * (0.02 if "LayerNorm" in name else 0.2))
    return model, tokenizer
