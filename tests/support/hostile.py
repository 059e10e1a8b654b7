"""Texts that must do nothing wherever a report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from support.small_report import report, suite_report, table

from harness.core.records import Case, Response
from harness.reporting.model import Report

MARK = "window.__hacked=1"
TEXTS = (
    f"<script>{MARK}</script>",
    f"</script><script>{MARK}</script>",
    f'<!--<script>{MARK}</script>--><img src=x onerror="{MARK}">',
    f"\"'><svg onload={MARK}>",
    f"[click](javascript:{MARK}) ![x](http://evil.example/x.png) <http://evil.example>",
    f"javascript:{MARK}",
    "{{7*7}} {% raw %} ${7*7} <%= 7*7 %>",
    "left \u202e thgir \u2066 isolated \u200b zero \ufeff bom",
    "a\x00b\x07c\x1b[31mred",
    "W" * 5_000,
    "| a | b |\n|---|---|\n# heading\n> quote\n```\nfence",
    "</title></style></textarea></noscript></table><base href=http://evil.example/>",
    "\u2028line\u2029paragraph &lt;b&gt; &amp; &#x3c;i&#x3e;",
)


def hostile_report(**changes: Any) -> Report:
    """Hostile text as input, as label, in answers that can be used and in some that can't."""
    cases = tuple(
        Case(id=f"h{n}", inputs={"text": text, "<b>name</b>": text}, expected={"kind": text, "loud": False})
        for n, text in enumerate(TEXTS * 2)
    )

    def answer(case: Case) -> Response:
        number = int(case.id[1:])
        text = TEXTS[(number + 1) % len(TEXTS)]
        if number % 3 == 0:
            return Response(text=text)
        return Response(text=json.dumps({"kind": text, "loud": False}))

    details: Mapping[str, Any] = {"cases": cases, "baseline": table(_right, cases), "notes": TEXTS, **changes}
    return report(suite_report({"hostile": table(answer, cases)}, **details))


def _right(case: Case) -> Response:
    return Response(text=json.dumps(dict(case.expected)))
