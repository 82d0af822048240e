"""One drawing with its caption as an element that stands alone, as in a notebook."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_STYLE = Path(__file__).parent / "templates" / "style" / "colours.css"


def framed(svg: str, caption: str) -> str:
    """Return a drawing and its caption in the light colours of the page."""
    width = re.search(r"--width: (\d+)px", svg)
    wide = f"width:100%;max-width:{width[1] if width else 440}px;height:auto;overflow:visible;display:block"
    drawing = svg.replace('style="--width:', f'style="{wide};--width:', 1)
    ground = (
        "background:var(--surface);color:var(--ink);padding:1rem;border-radius:6px;width:fit-content;max-width:100%"
    )
    letters = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',Arial,sans-serif"
    caption_style = "color:var(--muted);font-size:.875rem;max-width:36rem;margin:.5rem 0 0"
    colours = ";".join(f"--{key}: {colour}" for key, colour in day_colours().items())
    return (
        f'<figure style="{colours};{ground};{letters};box-sizing:border-box;margin:0">{drawing}'
        f'<figcaption style="{caption_style}">{html.escape(caption)}</figcaption></figure>'
    )


@cache
def day_colours() -> Mapping[str, str]:
    """Return the colours of the light page, `cls` -> `#7b3fa0`: those of a drawing that stands without the page."""
    (day,) = re.findall(r"^:root \{(.*?)\}", _STYLE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return MappingProxyType(dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", day)))
