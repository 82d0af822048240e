"""Folders of stored features, and the features that they must hold."""

import numpy as np
import torch

from probes.data.texts import Texts


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def plain_loop(encoder, texts, poolings, pairs=None):
    """Pooling -> (layers, examples, hidden), one text at a time by the plain model."""
    vectors = {pooling: [] for pooling in poolings}
    for text, pair in zip(texts, pairs or [None] * len(texts), strict=True):
        batch = encoder.batch(encoder.encode(Texts([text], None if pair is None else [pair])), [0])
        with torch.inference_mode():
            hidden = encoder.base(**batch.inputs, output_hidden_states=True).hidden_states
        for pooling in poolings:
            cls = -1 if encoder.config.model_type == "xlnet" else 0
            first = {
                "cls": [h[0, cls] for h in hidden],
                "mean": [h[0].mean(dim=0) for h in hidden],
                "last": [h[0, -1] for h in hidden],
                "content": [h[0, 1:-1].mean(dim=0) for h in hidden],
            }
            if pooling == "pooler":
                with torch.inference_mode():
                    first["pooler"] = [encoder.base.pooler(h)[0] for h in hidden]
            vectors[pooling].append(torch.stack(first[pooling]).numpy())
    return {pooling: np.stack(rows, axis=1) for pooling, rows in vectors.items()}


def stored_features(store, poolings):
    """Return pooling -> (layers, examples, hidden) as a store holds them."""
    return {pooling: np.stack([store.layers(pooling)[i] for i in store.manifest.layers]) for pooling in poolings}
