"""Parameter randomisation: whether rankings change where the weights of the encoder are replaced by random ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from analyses.context.explanations.check_outcomes import SIMILAR_RANKING
from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject, Tables
from probes.checks import side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject

N_TEXTS = 20
"""Most texts that are explained again at every step of the randomisation."""
OUTCOMES = {"above": "unchanged", "below": "changes", "cannot_tell": "cannot_tell"}
"""Side of `SIMILAR_RANKING` on which a correlation lies -> outcome of the claim."""


def parameter_randomisation(explanations: Explanations, case: Case) -> Rows:
    """Yield the rank correlation with the trained encoder's scores, as blocks are randomised from the top down."""
    from probes.attribution_checks.randomisation import parameter_randomisation

    settings = explanations.settings
    rows = case.rows[:N_TEXTS]
    for method in case.by_method:
        measurement = parameter_randomisation(
            case.head,
            explanations.explainer.encode(rows),
            targets=[attribution.target for attribution in case.by_method[method][:N_TEXTS]],
            against=settings.against,
            unit=settings.unit,
            method=method,
            baseline=explanations.explainer.baseline[case.task],
            max_steps=settings.max_steps,
            seed=explanations.job.output.seed,
            progress=explanations.job.progress,
        )
        for n_blocks, level in enumerate(_randomised_parts(measurement.levels)):
            for i, row in enumerate(rows.tolist()):
                yield {
                    "task": case.task,
                    "head": case.head.kind,
                    "method": method,
                    "randomised_blocks": n_blocks,
                    "level": level,
                    "text_id": row,
                    "correlation": float(measurement.correlation[n_blocks][i]),
                    "absolute_correlation": float(measurement.absolute_correlation[n_blocks][i]),
                }


def _randomised_parts(levels: Sequence[str]) -> Iterator[str]:
    """Yield all parts that are random at each level: a level keeps what the ones before it randomised."""
    blocks = [int(level.removeprefix("block ")) for level in levels if level.startswith("block ")]
    for level in levels:
        if level == "embeddings":
            yield "embeddings too"
        elif level == "blocks" or (blocks and level == f"block {blocks[-1]}"):
            yield "all blocks"
        elif level.startswith("block ") and level != f"block {blocks[0]}":
            yield f"{level.replace('block', 'blocks')} to {blocks[0]}"
        else:
            yield level


def claims(explanations: Explanations, tables: Tables) -> Iterator[Claim]:
    """Yield whether the rankings, signs aside, change once every parameter is random."""
    from probes.statistics.intervals import CORRELATIONS, mean_interval

    if "parameter_randomisation" not in tables:
        return
    table = tables["parameter_randomisation"]
    fully_random = table[table["randomised_blocks"] == table["randomised_blocks"].max()]
    for (task, head, method), rows in fully_random.groupby(["task", "head", "method"], sort=False):
        correlations = rows["absolute_correlation"].dropna()
        if not len(correlations):
            continue
        lower, upper = mean_interval(correlations, bounds=CORRELATIONS)
        outcome = OUTCOMES[side_of_zero(lower - SIMILAR_RANKING, upper - SIMILAR_RANKING)]
        numbers: dict[str, Any] = {"head": head, "method": method}
        numbers["correlation"] = float(correlations.mean())
        numbers["n"] = len(correlations)
        yield Claim("parameter_randomisation", outcome, str(task), numbers, (lower, upper))


SUBJECT: ExplanationSubject = Subject(tables={"parameter_randomisation": parameter_randomisation}, claims=claims)
