"""The sections of a comparison, in their order."""

from __future__ import annotations

from reports.blocks import Section
from reports.comparison import agreement, layers, scores
from reports.comparison.side_by_side import Together


def sections(together: Together) -> tuple[Section, ...]:
    """Return every section that these runs have something for."""
    builders = (layers.section, agreement.section, scores.best_sites, scores.heads)
    candidates = [build(together) for build in builders]
    return tuple(section for section in candidates if section is not None)
