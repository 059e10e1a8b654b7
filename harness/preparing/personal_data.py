"""Personal data in a text: addresses, numbers of phones, cards, accounts and identities."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.core.lazy import need
from harness.preparing.cues import names_another_number
from harness.preparing.national_ids import find_ids
from harness.preparing.phones import REGIONS, find_phones


class Kind(StrEnum):
    """What is looked for. URL (addresses with a password or key in them) and IP only where asked for."""

    URL = "URL"
    EMAIL = "EMAIL"
    IBAN = "IBAN"
    CARD = "CARD"
    ID = "ID"
    PHONE = "PHONE"
    IP = "IP"


USUAL = frozenset({Kind.EMAIL, Kind.IBAN, Kind.CARD, Kind.ID, Kind.PHONE})
MASK = re.compile(rf"<(?P<kind>{'|'.join(Kind)})(?:_(?P<number>[0-9]+))?>")
"""What stands for a value: `<EMAIL>`, for the second different one of a case `<EMAIL_2>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One piece of personal data: where it stands, and `value`, the same for every way of writing it."""

    start: int
    end: int
    kind: Kind
    value: str


_Found = Iterator[tuple[int, int, str]]

_ENDINGS_OF_FILES = r"(?:png|jpe?g|gif|svg|webp|pdf|css|js|ts|py|html?|txt|json|ya?ml|zip|exe|dll|md|csv|docx?|xlsx?)\b"
_LOCAL = r"(?<![\w.+%&|-])[^\W_](?:[\w.+'%&-]{0,62}[\w+-])?|(?<![\w.+'%&|-])_[\w.+-]{1,62}"
_LOCAL_NO_WORD = r"(?<![\w.+'%&|-])[^\W_][\w+-]{0,40}[._\d][\w.+-]{0,40}"
"""For "first.last @example.com"; "follow @example.com" names no address."""
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_TOP = rf"(?!{_ENDINGS_OF_FILES})[^\W\d_]{{2,24}}(?!\w|\.[\w-]*@)"
_SPOKEN_TOP = "(?:com|org|net|info|edu|gov|biz|io|eu|co|us|uk|ie|ca|au|de|at|ch|fr|es|it|nl|be|pl|se|no|dk|fi|pt|br)"
"""Other words follow "at … dot …" too."""
_DOT = r"(?:\s?[\[({]\s?(?:dot|punkt|point)\s?[\])}]\s?)"
_SPOKEN_DOT = r"\s(?:dot|punkt|point|punto|punt)\s"
_DOTS = rf"(?:\.|{_DOT}|{_SPOKEN_DOT})"
_EMAIL = re.compile(
    rf"(?:(?:{_LOCAL})(?:[@＠]\s?|\s[@＠]\s)|{_LOCAL_NO_WORD}\s[@＠])(?:{_LABEL}\.)+{_TOP}(?!:[\w~/])"
    rf"|(?:{_LOCAL})\s?[\[({{]\s?(?:at|ät|@)\s?[\])}}]\s?{_LABEL}(?:{_DOTS}{_LABEL})*{_DOTS}{_TOP}"
    rf"|(?:{_LOCAL})\s(?:at|ät|arobase)\s{_LABEL}(?:{_DOTS}{_LABEL})*(?:{_SPOKEN_DOT}|{_DOT}){_SPOKEN_TOP}\b",
    re.IGNORECASE,
)
_AT = re.compile(r"\s?(?:[\[({]\s?(?:at|ät|@)\s?[\])}]|\s(?:at|ät|arobase)\s|[@＠])\s?", re.IGNORECASE)
_SPOKEN = re.compile(
    r"[\[({]\s?(?:at|ät)\s?[\])}]|\s(?:at|ät|arobase)\s.{1,60}?(?:dot|punkt|point|punto|punt)\b", re.IGNORECASE
)
_ANY_DOT = re.compile(rf"{_DOT}|{_SPOKEN_DOT}", re.IGNORECASE)

_IBAN = re.compile(r"(?<![^\W_])[A-Z]{2}[ ]?[0-9]{2}(?:[ \u00a0.-]{0,2}[A-Z0-9]){11,30}", re.IGNORECASE | re.ASCII)
_CARD = re.compile(r"(?<![\w.,+|-])[2-6][0-9](?:[ \u00a0\u202f.–-]{0,3}[0-9]){11,17}(?![\w|]|[.,-][0-9])")
_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 4, 3), (4, 4, 5), (6, 10), (8, 8)}
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-59]|[689]\d)\d{11}"  # Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"  # Maestro
)
_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,15}://(?:[^\s/@:<>\"']+:[^\s/@<>\"']+@[^\s<>\"']+"
    r"|[^\s<>\"']*[?&](?:[a-z_-]*(?:token|password|passwd|pwd|secret|api_?key|signature)|auth|key|sig)=[^\s<>\"']+)",
    re.IGNORECASE,
)
_IP = re.compile(
    r"(?<![\w.:|])(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4})(?![\w:|]|\.[0-9])", re.I
)


def find_personal_data(
    text: str, *, kinds: Collection[Kind] = USUAL, regions: Sequence[str] = REGIONS
) -> tuple[Span, ...]:
    """Personal data in a text, in its order and without overlaps; masks that stand in the text are none.

    `regions` are the two-letter codes of countries whose national phone numbers are looked for.
    """
    finders: dict[Kind, Callable[[str], _Found]] = {
        Kind.URL: _urls,
        Kind.EMAIL: _emails,
        Kind.IBAN: _ibans,
        Kind.CARD: _cards,
        Kind.ID: find_ids,
        Kind.PHONE: lambda rest: find_phones(rest, regions=regions),
        Kind.IP: _addresses,
    }
    rest = MASK.sub(lambda mask: "|" * len(mask[0]), text)
    spans: list[Span] = []
    for kind, find in finders.items():
        if kind not in kinds:
            continue
        # The longest of overlapping finds, of equally long ones the first.
        for start, end, value in sorted(find(rest), key=lambda found: found[0] - found[1]):
            if "|" not in rest[start:end]:
                spans.append(Span(start=start, end=end, kind=kind, value=value))
                rest = rest[:start] + "|" * (end - start) + rest[end:]
    return tuple(sorted(spans, key=lambda span: span.start))


def _urls(text: str) -> _Found:
    if "://" in text:
        for found in _URL.finditer(text):
            plain = found[0].rstrip(".,;:!?)")
            yield found.start(), found.start() + len(plain), plain


def _emails(text: str) -> _Found:
    if "@" in text or "＠" in text or _SPOKEN.search(text):
        for found in _EMAIL.finditer(text):
            plain = _ANY_DOT.sub(".", _AT.sub("@", found[0], count=1))
            yield found.start(), found.end(), plain.casefold()


def _ibans(text: str) -> _Found:
    at = 0
    while found := _IBAN.search(text, at):
        at = found.start() + 2
        for end in _ends(found[0]):
            plain = re.sub(r"[^A-Za-z0-9]", "", found[0][:end]).upper()
            if _valid_iban(plain):
                yield found.start(), found.start() + end, plain
                at = found.start() + end
                break


def _ends(text: str) -> Iterator[int]:
    """Where words of a text end, the last first."""
    yield from reversed([word.end() for word in re.finditer(r"[A-Za-z0-9]+", text)])


def _valid_iban(plain: str) -> bool:
    # The checksums that some countries have inside are left out: a bank's mistake there is no reason to show a number.
    return bool(need("stdnum.iban", extra="prepare").is_valid(plain, check_country=False))


def _cards(text: str) -> _Found:
    for found in _CARD.finditer(text):
        groups = re.findall(r"[0-9]+", found[0])
        plain = "".join(groups)
        if len(groups) > 1 and tuple(map(len, groups)) not in _GROUPS:
            continue
        if _ISSUERS.fullmatch(plain) and need("stdnum.luhn", extra="prepare").is_valid(plain):
            yield found.start(), found.end(), plain


def _addresses(text: str) -> _Found:
    for found in _IP.finditer(text):
        try:
            plain = str(ipaddress.ip_address(found[0]))
        except ValueError:
            continue
        if not names_another_number(text, found.start()):
            yield found.start(), found.end(), plain
