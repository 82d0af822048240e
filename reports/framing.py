"""One drawing with its caption as an element that stands alone, as in a notebook."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path

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
    return (
        f'<figure style="{_colours()};{ground};{letters};box-sizing:border-box;margin:0">{drawing}'
        f'<figcaption style="{caption_style}">{html.escape(caption)}</figcaption></figure>'
    )


@cache
def _colours() -> str:
    """Return the page's own colours as declarations of one element."""
    (day,) = re.findall(r"^:root \{(.*?)\}", _STYLE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return ";".join(re.findall(r"--[\w-]+: #[0-9a-f]+", day))
