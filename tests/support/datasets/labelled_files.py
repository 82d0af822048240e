"""Files and datasets of labelled texts for tests."""

import json

import numpy as np
import pandas as pd

from probes import Source, TextDataset

ROWS = [(f"text number {i}", ["no", "yes"][i % 2]) for i in range(40)]


def dataset(labels, texts=None, classes=None):
    labels = np.asarray(labels)
    names = classes or tuple(str(i) for i in range(labels.max() + 1))
    texts = tuple(texts or (f"text {i}" for i in range(len(labels))))
    return TextDataset("memory", texts, {"label": labels}, {"label": names})


def write(path, rows=ROWS, columns=("text", "label")):
    frame = pd.DataFrame(rows, columns=list(columns))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".tsv":
        path.write_text("\n".join("\t".join(map(str, row)) for row in [columns, *rows]) + "\n", encoding="utf-8")
    elif path.suffix in (".jsonl", ".json"):
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        import datasets

        datasets.Dataset.from_pandas(frame).save_to_disk(str(path))
    return Source(str(path))
