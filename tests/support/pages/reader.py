"""Pages as tests read them, and a result whose every string tries to break out of its page."""

import dataclasses
import re
from html.parser import HTMLParser

import pandas as pd

from tests.support.results.probed import result

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></script><svg onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "$x$ a_b$ \\frac{1}{0}",
    "null\x00byte \x1b[31m \ufffe",
    "\u202eevil\u2069 \u2066x",
    "שלום עולם",
    "日本語のテキスト 👩‍👩‍👧 é",
    "W" * 5000,
    "javascript:alert(1)//' onfocus=alert(1) autofocus='",
    "<!-- --><base href=https://example.invalid/>",
)


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text = [], []
        # Words that lead to the glossary belong to their sentence.
        self.feed(re.sub(r'<a class="term"[^>]*>([^<]*)</a>', r"\1", html))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements[-1:] and self.elements[-1][0] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def hostile():
    classes = HOSTILE[:3]
    table = pd.DataFrame({HOSTILE[0]: [HOSTILE[1], None], HOSTILE[3]: [1.5, float("nan")]})
    analysis = result(
        model=HOSTILE[0],
        tasks={HOSTILE[1]: classes, HOSTILE[4]: HOSTILE[4:12], HOSTILE[7]: (HOSTILE[5], HOSTILE[8])},
        # Pandas holds no lone surrogate; texts, notes and settings may.
        texts=(*HOSTILE, "lone \ud800 surrogate"),
        notes=(*HOSTILE, "lone \ud800 surrogate"),
        tables={HOSTILE[2]: table},
    )
    origin = dataclasses.replace(analysis.provenance, command=HOSTILE[0], architecture=HOSTILE[2], revision=HOSTILE[5])
    return dataclasses.replace(analysis, provenance=origin, settings={HOSTILE[0]: "lone \udfff"})
