"""What a person wrote in a mail, apart from what they answer to and from what their program puts beneath.

The words by which quotes, signatures and programs give themselves away are those of mail-parser-reply. Its cuts are not
taken: they reach from the first such word to the end of the mail, and "Thanks, but it still fails …" goes with all that
follows.
"""

from __future__ import annotations

import re
from functools import cache

from harness.core.lazy import need

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl")
LONGEST_HEADER = 300
"""Characters of a line that may introduce a quote; its patterns take quadratic time, or worse."""
LONGEST_SIGNATURE = 8
"""Lines below a sign-off."""
LONGEST_LINE = 80
"""Characters of a line of a signature."""

_MORE_SIGN_OFFS = (
    "Best",
    "Cheers",
    "(?:Warm|Many|Kindest|Best|Kind) (?:regards|wishes|thanks)",
    "Regards",
    "Sincerely",
    "Thanks",
    "Thank you",
    "Thanks (?:a lot|again|in advance|so much)",
    "Thank you (?:again|in advance|very much|so much)",
    "Yours (?:sincerely|faithfully|truly)",
    "Mit freundlichem Gruß",
    "MfG",
    "LG",
    "VG",
)
_FORWARDS = re.compile(
    r"\b(?:fwd?|wg|tr|rv)\s?:|\bfyi\b|\bforward|\b(?:see|message|mail|thread) below|weitergeleitet|siehe unten", re.I
)
"""What is forwarded is the matter itself."""
_QUOTED = re.compile(r"\s*>")
_FIELD = re.compile(r"[>\s*]*[^\W\d][\w ]{0,15}\s?:[* ]*\S.*\Z")
_FORWARDED = re.compile(
    r"\s*-{3,} ?(?:original message|forwarded message|ursprüngliche nachricht|message d'origine) ?-{3,}\s*\Z", re.I
)
_DELIMITER = re.compile(r"(?:--|__) ?\Z")
_PROSE = re.compile(r"(?:\S+\s+){3,}\S*[.!?]\Z|.*\?\Z")
_DEVICE = re.compile(r"[A-Z]|phone|mobile|tablet|handy|móvil|telefon", re.ASCII)


@cache
def _words() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Patterns of lines: introducing a quote, heading a quoted mail, signing off, and told by a program."""
    known = need("mailparser_reply.constants", extra="prepare").MAIL_LANGUAGES
    languages = [known[language] for language in LANGUAGES]
    wrote = "|".join(language["wrote_header"] for language in languages)
    heads = "|".join(language["from_header"] for language in languages)
    phrases = sorted({phrase.rstrip(",") for language in languages for phrase in language["signatures"]})
    name = r"(?:[^\W\d_a-z][\w.'’-]*\s*){0,4}"
    sign_off = rf"\s*(?:(?i:{'|'.join([*phrases, *_MORE_SIGN_OFFS])}))\s*[,.!]*\s*(?:[-–]\s*)?{name}\s*\Z"
    program = "|".join(language["sent_from"].removesuffix(".*") for language in languages)
    ignore = re.MULTILINE | re.IGNORECASE
    return (
        re.compile(wrote, ignore),
        re.compile(heads, ignore),
        re.compile(sign_off),
        re.compile(rf"\s*(?:{program})\b", re.I),
    )


def without_quotes(text: str) -> str:
    """The text without mails that it answers to.

    Below a line such as "On 3 May … wrote:" the lines that begin with > go, and everything where none does; so they do
    below the head of a mail (three or more of From, Sent, To, Subject). Without these, lines that begin with > go where
    there are two or more in a row. Nothing goes where the person says that they forward it.
    """
    if "\n" not in text:
        return text
    lines = text.split("\n")
    kept: list[str] = []
    at, answers = 0, False
    while at < len(lines):
        length = _header(lines, at)
        after = at + length
        if length and not _quote_follows(lines, after):
            break
        answers = answers or length > 0
        quoted = _quote_end(lines, after) if length or _QUOTED.match(lines[at]) else at
        if quoted - at >= (1 if answers else 2):
            at = quoted
        else:
            kept.append(lines[at])
            at += 1
    left = "\n".join(kept).rstrip()
    return text if len(kept) == len(lines) or _FORWARDS.search(left) else left


def _header(lines: list[str], at: int) -> int:
    """How many lines from `at` on introduce a quoted mail; 0 where they don't."""
    wrote, heads, _, _ = _words()
    for length in (1, 2):
        block = lines[at : at + length]
        if len(block) == length and block[-1].rstrip().endswith((":", "：")) and sum(map(len, block)) <= LONGEST_HEADER:
            joined = "\n".join(line.strip() for line in block)
            found = wrote.match(joined)
            # Programs write the date; "Then on Monday my colleague wrote:" is the person's own.
            if found and found.end() == len(joined) and any(map(str.isdigit, joined)):
                return length
    if _FORWARDED.match(lines[at]) and at > 0:
        return 1
    end = at
    while end < len(lines) and len(lines[end]) <= LONGEST_HEADER and _FIELD.match(lines[end]):
        end += 1
    if at > 0 and end - at >= 3 and heads.match("\n".join(line.strip() for line in lines[at:end])):
        return end - at
    return 0


def _quote_follows(lines: list[str], at: int) -> bool:
    return next((bool(_QUOTED.match(line)) for line in lines[at:] if line.strip()), False)


def _quote_end(lines: list[str], at: int) -> int:
    """Where the quote at `at` ends: after its last line with a >, blank lines between such lines included."""
    end = at
    for position in range(at, len(lines)):
        if _QUOTED.match(lines[position]):
            end = position + 1
        elif lines[position].strip():
            break
    return end


def without_signature(text: str) -> str:
    """The text without a signature at its end.

    A signature is a line "--" with what follows, a sign-off with at most 8 short lines that are no sentences, or the
    line of a program ("Sent from my …"). The first line is never one.
    """
    lines = text.rstrip().split("\n")
    while (end := _signature(lines)) < len(lines):
        lines = "\n".join(lines[:end]).rstrip().split("\n")
    return "\n".join(lines) if len(lines) < len(text.rstrip().split("\n")) else text


def _signature(lines: list[str]) -> int:
    """The line at which the signature begins; the number of lines where there is none."""
    _, _, sign_off, program = _words()
    below = 0
    for at in range(len(lines) - 1, 0, -1):
        line = lines[at].strip()
        if _DELIMITER.match(line) and below:
            return at
        if not line:
            continue
        if len(line) > LONGEST_LINE or below > LONGEST_SIGNATURE:
            break
        if not below and (said := program.match(line)) and len(line) <= 40 and _DEVICE.search(line[said.end() :]):
            return at
        if sign_off.match(line):
            return at
        if _PROSE.match(line):
            break
        below += 1
    return len(lines)
