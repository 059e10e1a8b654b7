"""National identity numbers whose checksums are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.core.lazy import need
from harness.preparing.cues import is_called_a_phone, names_an_id, names_another_number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a country writes its numbers. `named`: too many other numbers pass its checksum, a word must be beside it."""

    module: str
    pattern: str
    named: bool = False


FORMS = {
    "BE": _Form(module="stdnum.be.nn", pattern=r"\d\d\.?\d\d\.?\d\d[- ]?\d{3}[. ]?\d\d"),
    "BR": _Form(module="stdnum.br.cpf", pattern=r"\d{3}[. ]?\d{3}[. ]?\d{3}[- ]?\d\d"),
    "CH": _Form(module="stdnum.ch.ssn", pattern=r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d"),
    "DE": _Form(module="stdnum.de.idnr", pattern=r"\d\d[ /]?\d{3}[ /]?\d{3}[ /]?\d{3}"),
    "ES": _Form(module="stdnum.es.dni", pattern=r"\d{8}[- ]?[A-Z]|\d\d\.\d{3}\.\d{3}[- ]?[A-Z]"),
    "ES (foreigners)": _Form(module="stdnum.es.nie", pattern=r"[XYZ][- ]?\d{7}[- ]?[A-Z]"),
    "FI": _Form(module="stdnum.fi.hetu", pattern=r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"),
    "FR": _Form(
        module="stdnum.fr.nir",
        pattern=r"[12][ .]?\d\d[ .]?\d\d[ .]?(?:\d\d|2[AB])[ .]?\d{3}[ .]?\d{3}[ .]?\d\d",
    ),
    "IT": _Form(
        module="stdnum.it.codicefiscale",
        pattern=r"[A-Z]{3} ?[A-Z]{3} ?[\dLMNP-V]{2}[A-EHLMPR-T][\dLMNP-V]{2} ?[A-Z][\dLMNP-V]{3} ?[A-Z]",
    ),
    "NL": _Form(module="stdnum.nl.bsn", pattern=r"\d{3}[. ]?\d{3}[. ]?\d{3}|\d{4}[. ]\d\d[. ]\d{3}", named=True),
    "NO": _Form(module="stdnum.no.fodselsnummer", pattern=r"\d{6}[- ]?\d{5}"),
    "PL": _Form(module="stdnum.pl.pesel", pattern=r"\d{11}"),
    "SE": _Form(module="stdnum.se.personnummer", pattern=r"(?:19|20)?\d{6}[-+ ]?\d{4}"),
}
"""The numbers looked for, by country."""

_MEANINGFUL = {"FI", "SE"}
"""Here a - or + between the digits tells the century."""
_LATEST_BIRTH = 2099
_SEPARATORS = re.compile(r"[ ./-]")
_ENOUGH = re.compile(r"(?:\d[ ./-]?){6}")
_LETTERS = {"IT"}
"""Here single digits stand between letters, which are written for them where two people have the same number."""


@cache
def _forms() -> tuple[tuple[str, _Form, re.Pattern[str], Any], ...]:
    edges = r"(?<![\w+|])(?<!\d[.,/-])(?:{})(?![\w|]|[.,/:-]\d)"
    return tuple(
        (country, form, re.compile(edges.format(form.pattern), re.IGNORECASE), need(form.module, extra="prepare"))
        for country, form in FORMS.items()
    )


def find_ids(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and plain value of each number, country by country; spans of several countries may overlap."""
    enough = _ENOUGH.search(text)
    for country, form, pattern, module in _forms():
        if not enough and country not in _LETTERS:
            continue
        for found in pattern.finditer(text):
            start, end = found.span()
            plain = found[0] if country in _MEANINGFUL else _SEPARATORS.sub("", found[0])
            if not module.is_valid(plain) or (country == "PL" and _born_later(module, plain)):
                continue
            named = names_an_id(text, start, end)
            if (form.named or is_called_a_phone(text, start)) and not named:
                continue
            if not names_another_number(text, start):
                yield start, end, _SEPARATORS.sub("", plain).upper()


def _born_later(module: Any, number: str) -> bool:
    """Whether a number would be that of somebody from the 22nd century, as many mobile phones' would."""
    return int(module.get_birth_date(number).year) > _LATEST_BIRTH
