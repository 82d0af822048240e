"""Texts as transformers alone gives them to a model, and the traces that a borrower of a model leaves in it."""

TEXTS = ["the film was not good .", "awful", "", "we very dull it is a bright scene ! good great bad", "good , good"]
PAIRS = ["bad", "", "the plot was fine", "good music", "!"]
HEAD = "AutoModelForSequenceClassification"


def inputs(encoder, row, pairs=None):
    """One text as transformers alone would give it to a model."""
    sides = ([TEXTS[row]],) if pairs is None else ([TEXTS[row]], [pairs[row]])
    types = "token_type_ids" in encoder.batch(encoder.encode(["a"]), [0]).inputs
    encoding = encoder.tokenizer(*sides, return_tensors="pt", return_token_type_ids=types)
    return {name: encoding[name] for name in ("input_ids", "attention_mask", *(["token_type_ids"] if types else []))}


def traces(model):
    """The traces that a careless borrower would leave behind."""
    hooks = [hook for m in model.modules() for hook in (*m._forward_hooks, *m._forward_pre_hooks)]
    modes = [m.training for m in model.modules()]
    return hooks, modes, [p.grad for p in model.parameters()], [p.requires_grad for p in model.parameters()]
