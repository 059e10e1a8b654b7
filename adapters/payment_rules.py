"""A rules baseline for payment messages: patterns find numbers, amounts and days, words around them choose."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta

CONTRACT = re.compile(r"\bN\s?E[\s-]*(\d(?:[\s.-]?\d){5})(?!\d)", re.IGNORECASE)
BARE_CONTRACT = re.compile(
    r"(?:contract|account|customer)\s*(?:number|no\.?|nr\.?|#|is|:)?\s*(?:number|no\.?|is|:)?\s*(\d(?:[\s.-]?\d){5})(?![\d-])",
    re.IGNORECASE,
)
NOT_THIS = re.compile(r"\b(?:not|instead of|rather than|wrong(?:ly)?)\b[^.;,]{0,20}$", re.IGNORECASE)

NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
BARE_MONEY = re.compile(
    rf"(?:\b(?:the|paid|pay|sent|send|sending|transferred|wired|of|for)\s+)(?P<bare>{NUMBER})"
    r"(?![\d%/]|[.,-]\d|\s*(?:st|nd|rd|th|days?|weeks?|months?|kwh|times)\b)",
    re.IGNORECASE,
)
MONEY = re.compile(
    rf"(?:€|\beur(?:o|os|s)?\b)\s*(?P<after>{NUMBER})(?![\d])|(?<![\d.,-])(?P<before>{NUMBER})\s*(?:€|euros?\b|eur\b|,-)",
    re.IGNORECASE,
)
PAID = re.compile(
    r"paid|sent|transfer|pay|wired|moved|refund|back|remit|settle|debit|instal|put through|deposit", re.IGNORECASE
)
OTHER_MONEY = re.compile(
    r"balance|tariff|last year|invoice (?:of|for|total)|bill (?:of|for|was|came to)|instead of|of the|owe|fee"
    r"|\bnot\b|letter with|said",
    re.IGNORECASE,
)
COMPUTED = re.compile(r"\b(?:half|third|quarter|less|minus|plus|between|twice|double)\b", re.IGNORECASE)

UNITS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
TENS = {
    word: 10 * (position + 2)
    for position, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
}
WORDS = "|".join([*UNITS, *TENS, "hundred", "thousand", "and"])
IN_WORDS = re.compile(rf"\b((?:(?:{WORDS}|a)[\s-]+)+)(?:euros?|eur)\b", re.IGNORECASE)

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS |= {name[:3]: number for name, number in MONTHS.items()} | {"sept": 9}
MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
DAYS |= {name[:3]: number for name, number in DAYS.items()} | {"tues": 1, "thur": 3, "thurs": 3}
DAY = "|".join(sorted(DAYS, key=len, reverse=True))
SMALL = "|".join(UNITS)
NTH = "(?:st|nd|rd|th)"
SHIFTS = {
    "day before yesterday": -2, "yesterday": -1, "today": 0, "this morning": 0, "tonight": 0,
    "day after tomorrow": 2, "tomorrow": 1,
}  # fmt: skip
PAST = re.compile(
    r"\b(?:paid|sent|transferred|wired|went|was|were|did|made|left|put|debited|have|has)\b", re.IGNORECASE
)
OTHER_DAY = re.compile(
    r"\b(?:invoice|bill|reminder|letter|reading|e?-?mail|dated|moved|since|signed|due|not)\b[^.;,]{0,20}$",
    re.IGNORECASE,
)

BRINGS = re.compile(
    r"attach|enclos|below|in the photo|here is|here's|here are|find|photo of|picture of|scan of|with this",
    re.IGNORECASE,
)
LATER = re.compile(
    r"\b(?:send me|need|could you|can you|will send|tomorrow|later|copy of my|please send)\b", re.IGNORECASE
)
DOCUMENTS = {
    "invoice": r"\binvoice\b|\bbill\b",
    "reminder": r"\breminder\b|dunning",
    "receipt": (
        r"\breceipts?\b|transfer slip|proof of payment|payment slip|screenshot of (?:the|my|our) (?:transfer|payment)"
        r"|confirmation of (?:the )?(?:payment|transfer)"
    ),
    "bank_statement": r"bank statement|account statement|\bstatement\b",
    "meter_photo": (
        r"(?:photo|picture|pic|snap\w*)\s+of\s+(?:the|my|our)?\s*(?:\w+\s+)?meter|meter (?:photo|picture|pic)"
    ),
    "contract_copy": r"copy of (?:the|my|our) contract|contract copy|the contract itself",
}


def answer(inputs: dict[str, str]) -> dict[str, object]:
    """Each field for itself."""
    message = inputs["message"]
    received = date.fromisoformat(inputs["received"][:10])
    return {
        "contract": contract(message),
        "amount": amount(message),
        "date": day(message, received),
        "documents": documents(message),
    }


def contract(message: str) -> str | None:
    found = [*CONTRACT.finditer(message), *BARE_CONTRACT.finditer(message)]
    found.sort(key=lambda match: match.start())
    kept = [match for match in found if not NOT_THIS.search(message[: match.start()])]
    return "NE-" + re.sub(r"\D", "", kept[0][1]) if kept else None


def amount(message: str) -> float | None:
    found: list[tuple[int, int, float]] = []
    for match in MONEY.finditer(message):
        before, after = message[: match.start()], message[match.end() :]
        if COMPUTED.search(before[-18:]) or re.match(r"\s*(?:less|minus|plus)\b", after):
            continue
        near = f"{before[-45:]} {after[:15]}"
        weight = 2 * bool(PAID.search(near)) - 2 * bool(OTHER_MONEY.search(before[-22:]))
        found.append((-weight, match.start(), number(match["after"] or match["before"])))
    for match in [] if found else BARE_MONEY.finditer(message):
        before = message[: match.start("bare")]
        if (
            not re.match(rf"\s*(?:of\s+)?(?:{MONTH})\b", message[match.end() :], re.IGNORECASE)
            and len(match["bare"]) < 9
        ):
            found.append((-2 * bool(PAID.search(before[-45:])), match.start(), number(match["bare"])))
    for match in IN_WORDS.finditer(message):
        value = words(match[1])
        if value and not COMPUTED.search(message[: match.start()][-18:]):
            found.append((-2 * bool(PAID.search(message[: match.start()][-45:])), match.start(), value))
    return min(found)[2] if found else None


def number(text: str) -> float:
    """The number that a text with European or English separators means."""
    text = text.replace(" ", "").replace("'", "")
    last = max(text.rfind("."), text.rfind(","))
    if last >= 0 and len(text) - last - 1 in (1, 2):
        return float(re.sub(r"[.,]", "", text[:last]) + "." + text[last + 1 :])
    return float(re.sub(r"[.,]", "", text))


def words(text: str) -> float:
    """A number in words."""
    total = current = 0
    for word in re.split(r"[\s-]+", text.lower().strip()):
        if word in UNITS or word in TENS:
            current += UNITS.get(word, 0) + TENS.get(word, 0)
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word == "thousand":
            total, current = total + max(current, 1) * 1000, 0
    return float(total + current)


def day(message: str, received: date) -> str | None:
    found: list[tuple[bool, int, date]] = []
    for start, end, value in days(message, received):
        other = bool(OTHER_DAY.search(message[max(0, start - 40) : start]))
        near = f"{message[max(0, start - 60) : start]} {message[end : end + 30]}"
        found.append((other and not PAID.search(near[-45:]), start, value))
    found = [one for one in found if not one[0]]
    return min(found)[2].isoformat() if found else None


Found = Iterator[tuple[int, int, date | None]]


def days(message: str, received: date) -> list[tuple[int, int, date]]:
    """Every day that is named: (start, end, day)."""
    return [
        (start, end, value)
        for start, end, value in (*written_days(message, received), *relative_days(message, received))
        if value is not None
    ]


def written_days(message: str, received: date) -> Found:
    for match in re.finditer(r"\b(\d{4})-(\d\d)-(\d\d)\b", message):
        yield *match.span(), valid(int(match[1]), int(match[2]), int(match[3]))
    for match in re.finditer(r"(?<![\d.,/])(\d{1,2})[./](\d{1,2})\b(?:[./](\d{4}|\d\d)\b)?(?!\s*(?:€|eur))", message):
        yield *match.span(), placed(int(match[1]), int(match[2]), match[3], received)
    for match in re.finditer(rf"\b(\d{{1,2}}){NTH}?\.?\s*(?:of\s+)?({MONTH})\b\.?,?\s*(\d{{4}})?", message, re.I):
        yield *match.span(), placed(int(match[1]), MONTHS[match[2].lower()], match[3], received)
    for match in re.finditer(rf"\b({MONTH})\.?\s+(?:the\s+)?(\d{{1,2}}){NTH}?\b,?\s*(\d{{4}})?", message, re.I):
        yield *match.span(), placed(int(match[2]), MONTHS[match[1].lower()], match[3], received)
    for match in re.finditer(rf"\b(beginning|start|mid|middle|end)[\s-]+(?:of\s+)?({MONTH})\b", message, re.I):
        month = MONTHS[match[2].lower()]
        last = calendar.monthrange(received.year, month)[1]
        yield *match.span(), placed({"e": last, "m": 15}.get(match[1][0].lower(), 1), month, None, received)


def relative_days(message: str, received: date) -> Found:
    for match in re.finditer(rf"\b({'|'.join(SHIFTS)})\b", message, re.I):
        yield *match.span(), received + timedelta(days=SHIFTS[match[1].lower()])
    for match in re.finditer(rf"\b(in\s+)?(\d+|{SMALL}|a)\s+(day|week)s?(\s+ago)?\b", message, re.I):
        if bool(match[1]) != bool(match[4]):
            count = {"a": 1, **UNITS}.get(match[2].lower()) or int(re.sub(r"\D", "", match[2]) or 0)
            shift = count * (7 if match[3].lower() == "week" else 1)
            yield *match.span(), received + timedelta(days=-shift if match[4] else shift)
    for match in re.finditer(rf"\b(last|next|this|on|by)?\s*\b({DAY})\b", message, re.I):
        yield *match.span(), weekday(match, message, received)
    for match in re.finditer(r"\bthe end of (?:the|this) month\b", message, re.I):
        yield *match.span(), received.replace(day=calendar.monthrange(received.year, received.month)[1])
    for match in re.finditer(r"\bon the first\b", message, re.I):
        past = PAST.search(message[max(0, match.start() - 40) : match.start()]) is not None
        following = (received.replace(day=28) + timedelta(days=4)).replace(day=1)
        yield *match.span(), received.replace(day=1) if past or received.day == 1 else following


def weekday(match: re.Match[str], message: str, received: date) -> date | None:
    which, wanted = (match[1] or "").lower(), DAYS[match[2].lower()]
    ahead = (wanted - received.weekday()) % 7
    if which == "last":
        return received - timedelta(days=(7 - ahead) if ahead else 7)
    if which == "next":
        return received + timedelta(days=7 - received.weekday() + wanted)
    if which in ("on", "this", "by") or len(match[2]) > 3:
        past = PAST.search(message[max(0, match.start() - 50) : match.start()]) is not None
        return received - timedelta(days=(7 - ahead) % 7) if past else received + timedelta(days=ahead)
    return None


def placed(day_of_month: int, month: int, year: str | None, received: date) -> date | None:
    """The day with this month, of the year that is written or the one nearest to the day of receipt."""
    if year:
        return valid(int(year) + (2000 if len(year) == 2 else 0), month, day_of_month)
    near = [valid(received.year + shift, month, day_of_month) for shift in (-1, 0, 1)]
    return min((one for one in near if one), key=lambda one: abs(one - received), default=None)


def valid(year: int, month: int, day_of_month: int) -> date | None:
    try:
        return date(year, month, day_of_month)
    except ValueError:
        return None


def documents(message: str) -> list[str]:
    """What stands in a sentence that says that something comes with the message."""
    brought: set[str] = set()
    for sentence in re.split(r"(?<=[.!?;])\s+|\n", message):
        if BRINGS.search(sentence) and not LATER.search(sentence):
            brought |= {name for name, pattern in DOCUMENTS.items() if re.search(pattern, sentence, re.IGNORECASE)}
    return [name for name in DOCUMENTS if name in brought]
