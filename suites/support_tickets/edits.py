"""Edits of a ticket that leave its label as it is: what customers' mail programs, thumbs and manners add."""

from __future__ import annotations

from hypothesis import strategies as generators

GREETINGS = ("Hi,", "Hello there,", "Dear Larkpost team,", "good morning", "Hey folks -")
SIGNATURES = (
    "Kind regards,\nRobin Achterberg",
    "Thanks\nMarisol",
    "-- \nJ. Whitcombe\nOffice manager",
    "Sent from my phone",
    "Cheers, Dev",
)
QUOTES = (
    "On Monday the help desk wrote:\n> Thank you for your message. We will come back to you.",
    "> We have received your request.",
)
NAMES = ("Robin Achterberg", "Marisol Ibáñez", "Tunde Okafor", "Wei Zhang", "Freya Lindqvist")
KINDS = ("greeting", "signature", "quote", "name", "case", "white_space", "typo")


def typo(text: str, place: int) -> str:
    """Two neighbouring letters inside one word swapped; unchanged where no word is long enough."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) >= 6 and word.isalpha()]
    if not long:
        return text
    at = long[place % len(long)]
    word = words[at]
    middle = 1 + place % (len(word) - 3)
    words[at] = word[:middle] + word[middle + 1] + word[middle] + word[middle + 2 :]
    return " ".join(words)


def edit(text: str, kind: str, choice: int) -> str:
    """`text` after one edit; `choice` picks among the forms of its kind."""
    if kind == "greeting":
        return f"{GREETINGS[choice % len(GREETINGS)]}\n\n{text}"
    if kind == "signature":
        return f"{text}\n\n{SIGNATURES[choice % len(SIGNATURES)]}"
    if kind == "quote":
        return f"{text}\n\n{QUOTES[choice % len(QUOTES)]}"
    if kind == "name":
        return f"{text}\n\nMy name is {NAMES[choice % len(NAMES)]}."
    if kind == "case":
        changed = text.lower() if choice % 2 else text.capitalize()
        return changed if changed.casefold() == text.casefold() else text  # ı would become another letter
    if kind == "white_space":
        return ("\n" * (choice % 3)) + text.replace(". ", ".  ") + " " * (choice % 4)
    return typo(text, choice)


def edits(kinds: tuple[str, ...] = KINDS) -> generators.SearchStrategy[list[tuple[str, int]]]:
    """One to three edits, each as (kind, choice), simplest first when Hypothesis shrinks."""
    one = generators.tuples(generators.sampled_from(kinds), generators.integers(min_value=0, max_value=11))
    return generators.lists(one, min_size=1, max_size=3)


def apply(text: str, steps: list[tuple[str, int]]) -> str:
    for kind, choice in steps:
        text = edit(text, kind, choice)
    return text
