"""Strings that try to run, to break out, to load something or to disturb; each tells `window.ran` if it runs."""

import itertools

RUN = "window.ran=(window.ran||0)+1"
LOAD = "//example.invalid/x"

_BREAKS = (
    "",
    '">',
    "'>",
    "</script>",
    "</style>",
    "</title>",
    "</textarea>",
    "-->",
    "]]>",
    "</svg>",
    "`>",
    "</bdi></p>",
)
_ELEMENTS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}>",
    f"<body onload={RUN}>",
    f"<math><mtext><img src=x onerror={RUN}></mtext></math>",
)
_LOADS = (
    f"<img src={LOAD}>",
    f"<link rel=stylesheet href={LOAD}>",
    f"<base href={LOAD}>",
    f"<meta http-equiv=refresh content='0;url={LOAD}'>",
    f"<object data={LOAD}>",
    f"<embed src={LOAD}>",
    f"<form action={LOAD}><button autofocus>send",
    f"<script src={LOAD}></script>",
    f"<style>@import url({LOAD});body{{display:none}}</style>",
    f"<div style='position:fixed;inset:0;background:url({LOAD})'>",
    f"<a href='javascript:{RUN}' ping={LOAD}>here",
)
_ATTRIBUTES = tuple(
    f"{quote} {handler}={RUN} {quote}"
    for quote, handler in itertools.product(
        ('"', "'", "`", ""),
        ("onmouseover", "onfocus autofocus tabindex=0 onfocus", "onanimationstart style=animation:x"),
    )
)
_SCRIPTS = (
    f"\\u003cscript\\u003e{RUN}",
    f'"}}]}}</script><script>{RUN}</script>',
    f"';{RUN};//",
    f'";{RUN};//',
    f"`;{RUN};`",
    f"${{{RUN}}}",
    f"\u2028{RUN}\u2029",
    f"<!--<script>{RUN}//-->",
    f"<![CDATA[<script>{RUN}</script>]]>",
    "__proto__",
    "constructor",
    "hasOwnProperty",
)
_TEMPLATES = (
    "{{ 7 * 7 }}",
    "{% include '/etc/passwd' %}",
    "{{ self.__init__.__globals__ }}",
    "{# gone #}",
    "<%= 7 * 7 %>",
    "#{7 * 7}",
    "${7 * 7}",
    "%(text)s %s {0} {text!r}",
    "$x$ \\frac{1}{0} \\input{x}",
    "&lt;script&gt; &#60;b&#62; &amp;amp; &notanentity;",
    "@media print{*{display:none}}",
    "*/}</style><style>*{display:none}/*",
    "var(--ink);background:red",
    "url(#explained)",
    "told:%3Cscript%3E",
)
_SCHEMES = tuple(
    f"{scheme}{RUN}"
    for scheme in ("javascript:", "JaVaScRiPt:", "java\tscript:", "vbscript:", "data:text/html,<script>")
)
_SHEETS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", '=HYPERLINK("http://example.invalid")')
_LETTERS = (
    "null\x00byte",
    "\x1b[31mred\x1b[0m \x07",
    "\ufeff\ufffe\uffff",
    "lone \ud800 surrogate",
    "\u202egnp.exe\u202c",
    "\u2066isolated",
    "\u2067\u2067\u2067never closed",
    "שלום עולם (a) b",
    "مرحبا بالعالم 123",
    "日本語のテキスト",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪",
    "e" + "\u0301" * 60,
    "Z" + "\u0300\u0316\u0334" * 80,
    "W" * 5000,
    "word " * 2000,
    "\n\n\n\r\n\t lines \n",
    " ",
    "\u3000\u00a0\u200b",
    "a\u00adb\u200dc",
    "\U000e0041\U000e007f",
    "﷽" * 40,
)
PAYLOADS = tuple(
    dict.fromkeys(
        (
            *(before + element for before, element in itertools.product(_BREAKS, _ELEMENTS)),
            *_LOADS,
            *(before + load for before, load in itertools.product(_BREAKS[1:4], _LOADS[:9])),
            *_ATTRIBUTES,
            *_SCRIPTS,
            *_TEMPLATES,
            *_SCHEMES,
            *_SHEETS,
            *_LETTERS,
        )
    )
)
