"""Table files written for tests of loading."""

import json

import pandas as pd

from probes import read_splits
from probes.loading.delimited import RequestedColumns, read_delimited

ROWS = [(f"text number {i}", ["bad", "good"][i % 2]) for i in range(20)]


def columns(text, *, names=("text", "label"), separator=None, usual=",", source="t.csv"):
    """Return the columns and notes that are read of a delimited file."""
    request = RequestedColumns(tuple(names), (), ("label",))
    return read_delimited(text, source, request, separator=separator, usual_separator=usual)


def lines(rows, separator=",", header=("text", "label")):
    return "".join(separator.join(row) + "\n" for row in [header, *rows])


def whole(path, labels="label", **options):
    """All rows of a file, in their order."""
    return read_splits(path, labels=labels, **options).train.dataset


def write(path, content, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def write_table(path, rows):
    frame = pd.DataFrame(rows, columns=["text", "label"])
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix in (".json", ".jsonl"):
        frame.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        import datasets

        table = datasets.Dataset.from_pandas(frame)
        table = datasets.DatasetDict({"train": table, "test": table}) if path.name == "both" else table
        table.save_to_disk(path.parents[1] / "plain")
        (path.parents[1] / "plain").rename(path)
    return path


NUMBERS = {
    ".csv": lambda rows: "".join(f"{text},{label}\n" for text, label in [("text", "label"), *rows]),
    ".jsonl": lambda rows: "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows),
}


def numbers(path, values, name="t"):
    rows = [(f"{name} {i}", value) for i, value in enumerate(values)]
    if path.suffix == ".parquet":
        pd.DataFrame(rows, columns=["text", "label"]).to_parquet(path)
        return path
    return write(path, NUMBERS[path.suffix](rows))
