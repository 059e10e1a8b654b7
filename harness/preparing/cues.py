"""Words beside a number that tell what it is."""

from __future__ import annotations

import re

_BEFORE, _AFTER = 45, 25
"""Characters beside a number in which its words stand."""

_FILLER = (
    r"(?:[\s:#=.\-(\"'*°º]|\b(?:no|nos|nr|num|number|numbers|nummer|numéro|número|numero|code|id|is|was|ist|war|est|es|my|the|"
    r"of|n)\b)*"
)
_OTHER = (
    r"order|invoice|inv|receipt|booking|reservation|tracking|parcel|shipment|package|waybill|awb|ticket|case|ref|reference|"
    r"serial|s/n|part|item|article|sku|model|version|firmware|build|release|isbn|issn|ean|upc|gtin|barcode|batch|lot|"
    r"purchase order|po|policy|contract|customer|client|member(?:ship)?|account|acct|meter|reading|transaction|txn|"
    r"confirmation|error|voucher|coupon|promo|pin|otp|passcode|verification|delivery|routing|library|loyalty|imei|iccid|device|asset|timestamp|epoch|"
    r"bestell(?:ung|nummer|nr)|rechnung(?:s?nummer)?|auftrag(?:s?nummer)?|sendung(?:s?nummer)?|paket(?:nummer)?|"
    r"kunden(?:nummer|nr)|vertrag(?:s?nummer)?|artikel(?:nummer)?|vorgang(?:s?nummer)?|ticketnummer|seriennummer|"
    r"commande|facture|colis|suivi|référence|dossier|contrat|pedido|factura|referencia|envío|contrato|"
    r"ordine|fattura|spedizione|contratto|bestelling|factuur|zending|zamówieni[ea]|faktur[ay]|przesyłk[ai]"
)
_PHONES = (
    r"phone|telephone|tel|mobile|mob|cell|cellphone|fax|call(?:ing|ed|s)?|callback|ring|rang|text|texted|whatsapp|sms|dial|"
    r"reach(?:able|ed)?|contact|kontakt\w*|contatt\w*|my (?:new |old |home |work )?num(?:ber)?|"
    r"hotline|landline|handset|voicemail|signal|telegram|"
    r"telefon\w*|handy\w*|mobil\w*|anruf\w*|angerufen|rückruf\w*|erreich\w*|durchwahl|festnetz|"
    r"téléphone|portable|appel\w*|rappel\w*|joindre|joignable|teléfono|móvil|ll[aá]m\w*|"
    r"telefono|cellulare|chiam\w*|telefoon\w*|mobiel|bel|bellen|gebeld|kom|komórk\w*|zadzwo\w*|dzwoni\w*"
)
_IDS = (
    r"national(?:\s+id(?:entity|entification)?)?|identity|identification|id|id-?card|passport|citizen|personal|tax|taxpayer|"
    r"social\s+security|bsn|burgerservicenummer|sofi(?:nummer)?|dni|nie|nif|cpf|pesel|personnummer|fødselsnummer|hetu|"
    r"henkilötunnus|codice\s+fiscale|steuer\w*|idnr|ahv|avs|nir|insee|sécurité\s+sociale|rijksregister\w*|nrn|niss"
)
_IS_OTHER = re.compile(rf"(?<![^\W_])(?:{_OTHER})s?\b{_FILLER}\Z", re.IGNORECASE)
_PHONE = re.compile(rf"(?<![^\W_])(?:{_PHONES})\b", re.IGNORECASE)
_PHONE_AT_ONCE = re.compile(rf"(?<![^\W_])(?:{_PHONES})\b{_FILLER}\Z", re.IGNORECASE)
_ID = re.compile(rf"(?<![^\W_])(?:{_IDS})\b", re.IGNORECASE)


def names_another_number(text: str, start: int) -> bool:
    """Whether the words right before say that the number is an order's, a version or the like, and no person's."""
    return bool(_IS_OTHER.search(_before(text, start)))


def names_a_phone(text: str, start: int, end: int) -> bool:
    """Whether words of the same line beside the number speak of phones or calls."""
    return bool(_PHONE.search(_before(text, start)) or _PHONE.search(_after(text, end)))


def is_called_a_phone(text: str, start: int) -> bool:
    """Whether the words right before say that the number is a phone's."""
    return bool(_PHONE_AT_ONCE.search(_before(text, start)))


def names_an_id(text: str, start: int, end: int) -> bool:
    """Whether words of the same line beside the number speak of an identity, by any country's name for its number."""
    return bool(_ID.search(_before(text, start)) or _ID.search(_after(text, end)))


def _before(text: str, start: int) -> str:
    return text[max(0, start - _BEFORE) : start].rpartition("\n")[2]


def _after(text: str, end: int) -> str:
    return text[end : end + _AFTER].partition("\n")[0]
