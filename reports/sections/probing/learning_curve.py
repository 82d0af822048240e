"""Learning curve: test accuracy by number of training texts."""

from __future__ import annotations

from reports.blocks import Drawing, Part, Section
from reports.charts import learning_curve
from reports.charts.canvas import Label
from reports.lookup import View
from reports.text import wording
from reports.text.wording import (
    count,
    name,
    percent,
)


def section(view: View) -> Section | None:
    """Return the learning curve of the best site of each label column."""
    verdict, parts = [], []
    for i, task in enumerate(view.tasks, start=1):
        rows, best = view.table("learning_curve", task), view.best(task)
        if rows is None or best is None:
            continue
        at_site = rows[(rows["pooling"] == best[0]) & (rows["layer"] == best[1]) & rows["accuracy"].notna()]
        at_site = at_site.sort_values("train_texts")
        if len(at_site) < 2:
            continue
        last = at_site.iloc[-1]
        near = at_site[at_site["accuracy"] >= last["accuracy"] - 0.01].iloc[0]
        verdict.append(
            view.about(
                task,
                f"Trained on {count(near['train_texts'])} texts the best place is right on "
                f"{percent(near['accuracy'])}, "
                f"on all {count(last['train_texts'])} on {percent(last['accuracy'])}."
                if near["train_texts"] < last["train_texts"]
                else f"Trained on all {count(last['train_texts'])} texts the best place is right on "
                f"{percent(last['accuracy'])}, on {count(at_site.iloc[-2]['train_texts'])} of them on "
                f"{percent(at_site.iloc[-2]['accuracy'])}: it may not have levelled off.",
            )
        )
        words = "; ".join(f"{count(r.train_texts)} texts {percent(r.accuracy)}" for r in at_site.itertuples())
        label = Label(f"sizes-{i}", f"Test accuracy by number of training texts for {name(task)}", f"{words}.")
        floor = view.floors(task).get("majority", 0.0)
        where = wording.place(*best, random_pooler=view.random_pooler).capitalize()
        caption = f"{where}. Band: 95 % intervals. Dashed: majority."
        parts.append(
            Part(view.heading(task), drawings=(Drawing(learning_curve.learning_curve(at_site, floor, label), caption),))
        )
    notes = (
        "The smaller training sets are parts of the larger ones, drawn once: the left end of the curve is noisy.",
        "All places: tables/learning_curve.csv.",
    )
    return Section("How many texts does it take?", "sizes", tuple(verdict), tuple(parts), notes) if parts else None
