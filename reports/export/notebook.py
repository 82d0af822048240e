"""Drawings and pages as a notebook shows them, on a light ground of their own whatever the notebook's is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from probes.checks import unknown_name_message
from probes.results.result import AnalysisResult
from reports.blocks import Drawing

HEIGHT = "80vh"


@dataclass(frozen=True, eq=False, repr=False)
class Drawings(Mapping[str, Drawing]):
    """The drawings of a page, by their anchors there; written out, it lists them."""

    drawings: Mapping[str, Drawing]

    @classmethod
    def of(cls, result: AnalysisResult) -> Drawings:
        """Return the drawings of the first screen, then those of every section."""
        from reports.sections.overview import summary
        from reports.sections.page import sections

        first_screen = summary(result)
        drawings = [drawing for row in first_screen.panels for drawing in row.drawings]
        drawings += first_screen.drawings
        for section in sections(result):
            for part in section.parts:
                drawings += part.drawings
                drawings += [drawing for row in part.panels for drawing in row.drawings]
        return cls({drawing.anchor: drawing for drawing in drawings})

    def __getitem__(self, key: str) -> Drawing:
        if key not in self.drawings:
            raise KeyError(unknown_name_message("drawing", key, self.drawings))
        return self.drawings[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.drawings)

    def __len__(self) -> int:
        return len(self.drawings)

    def __repr__(self) -> str:
        width = max(map(len, self.drawings), default=0)
        return "\n".join(f"{key:<{width}}  {drawing.title}" for key, drawing in self.drawings.items()) or "no drawings"


@dataclass(frozen=True, repr=False)
class Page:
    """A whole page; its `html` can be written to a file as it is."""

    html: str

    def __repr__(self) -> str:
        return f"Page of {len(self.html):,} characters; a notebook shows it, `.html` is its text"

    def _repr_html_(self) -> str:
        """Return the page in a frame that can reach neither the notebook nor, by its own policy, the network."""
        # Inside a frame a bare fragment would be one of the notebook's own address.
        inside = re.sub(r'(<a [^>]*href=")#', r"\1about:srcdoc#", self.html)
        return (
            f'<iframe sandbox="allow-scripts allow-downloads" title="layerprobe" srcdoc="{html.escape(inside)}" '
            f'style="width:100%;height:{HEIGHT};border:1px solid #888;border-radius:6px"></iframe>'
        )
