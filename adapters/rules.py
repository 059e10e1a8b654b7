"""A rules baseline for support tickets: key words decide the category, the category decides the rest."""

from __future__ import annotations

import re

RULES = [
    ("security_incident", r"hack|phish|unknown (login|sign)|breach|leaked|compromised|api key.*(public|github)"),
    ("data_loss", r"\bgone\b|disappeared|vanished|deleted by (mistake|accident)|restore|recover"),
    ("outage", r"\b50[0234]\b|time.?out|blank (page|screen)|is (it )?down\b|not loading|won't load"),
    ("account_locked", r"suspend|account (is |has been |was )?(locked|blocked|disabled)|under review|paused"),
    (
        "charge_dispute",
        r"charged (us |me )?(twice|again)|double charge|chargeback|unauthori[sz]ed|never agreed|wrong amount",
    ),
    ("refund_request", r"refund|money back"),
    ("login_problem", r"log ?in|sign ?in|password|\b2fa\b|verification code|\bsso\b"),
    ("delivery_drop", r"bounc|spam folder|junk|deliverability|blacklist|not arriving"),
    ("campaign_incomplete", r"(didn't|did not|never) (get|receive)|only (sent|went) to|recipients"),
    ("billing_question", r"invoice|billing|\bplan\b|upgrade|downgrade|\bvat\b|pric(e|ing)"),
    ("contacts_and_lists", r"import|csv|contacts?|segment|subscriber|unsubscrib|\btags?\b|duplicate"),
]
PRIORITY = {
    "security_incident": "P1", "data_loss": "P1", "outage": "P1", "account_locked": "P2", "charge_dispute": "P2",
    "delivery_drop": "P2", "refund_request": "P3", "login_problem": "P3", "campaign_incomplete": "P3",
}  # fmt: skip
TEAM = {
    "security_incident": "security", "data_loss": "platform", "outage": "platform", "account_locked": "accounts",
    "charge_dispute": "payments_risk", "delivery_drop": "deliverability", "refund_request": "billing",
    "login_problem": "accounts", "billing_question": "billing",
}  # fmt: skip
ESCALATE = r"lawyer|solicitor|attorney|court|police|third time|regulator|\bgdpr\b"


def answer(inputs: dict[str, str]) -> dict[str, object]:
    """The first rule whose words stand in the text; an ordinary question where none does."""
    text = inputs["text"].lower()
    category = next((name for name, pattern in RULES if re.search(pattern, text)), "product_question")
    priority = PRIORITY.get(category, "P4")
    return {
        "category": category,
        "priority": priority,
        "escalate": priority == "P1" or bool(re.search(ESCALATE, text)),
        "team": TEAM.get(category, "support"),
    }
