"""What a field's name says of its value: a secret, personal data, or neither.

Names are cut into words, whoever wrote them: ``consumerSecret``, ``X-Api-Key`` and
``$raw_user_agent`` are judged alike. The last word says what a value is (``refresh_token``), unless
it says something about it (``token_type``, ``password_updated_at``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Sensitive(Enum):
    """Why a value is not loaded unless somebody asks for it."""

    #: Whoever has it can act in the account's name: passwords, tokens, private keys, webhooks.
    SECRET = "secret"  # noqa: S105 - the word
    #: Who a person is: names, e-mail addresses, phone numbers, postal addresses, dates of birth.
    PERSON = "personal data"
    #: What somebody went online with: IP addresses, user agents, ids of devices.
    DEVICE = "data of devices"

    # Members are singletons; Enum's own would hash the name, in Python, for each counted field.
    __hash__ = object.__hash__


_WORD = re.compile(r"(?i:md|sha|ipv)[0-9]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", re.ASCII)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(*texts: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(text.split()) for text in texts)


# Words that are often written as one.
_JOINED = {
    joined: tuple(joined_words.split())
    for joined_words in (
        *("access token", "auth token", "bearer token", "refresh token", "session token"),
        *("api token", "csrf token", "page token", "api secret", "app secret", "client secret"),
        *("consumer secret", "api key", "api keys", "access key", "secret key", "private key"),
        *("auth key", "license key", "public key", "e mail", "security code"),
        *("email address", "mail address", "phone number", "mobile number", "user agent"),
        *("ip address", "ip addresses", "ip addr", "remote host", "remote addr", "remote ip"),
        *("first name", "last name", "full name", "middle name", "user name", "sur name"),
        *("birth day", "birth date", "postal code", "post code", "zip code", "tax id"),
        *("android id", "web hook", "hook url"),
    )
    for joined in (joined_words.replace(" ", ""),)
}

# About a value, not the value. First words:
_QUESTIONS = _set(
    "is has had can could use uses used allow allows allowed require requires required enable "
    "enables enabled disable disabled show shows hide hides num number max min total count "
    "should must with without"
)
# Last words:
_ABOUT = _set(
    "id ids name names type types kind count counts total at on date time expires expiry "
    "expired expiration expire enabled disabled status state hint policy protected mode "
    "length size label labels format formats scope scopes version versions prefix masked mask "
    "updated created rotated changed reset required optional valid validity validated "
    "verified invalid url uri endpoint ttl lifetime lifespan attempts usage limit strength "
    "rules rule macro macros placeholder template field fields column columns param parameter "
    "parameters consent sent received opened clicked opened bounced stats statistics subject "
    "body domain domains provider method methods confirm confirmed optout optin required "
    "settings setting config configuration options source index position order percentage "
    "rate viewed visited shown completed started succeeded failed"
)
_SECRET_WORDS = _set(
    "password passwords passwd pwd passphrase passcode secret secrets credential credentials "
    "apikey apikeys authorization bearer privatekey jwt dsn"
)
_SECRET_LAST = _set("token pass pin otp cookie cookies crt sig hmac webhook cvv cvc")
_SECRET_PAIRS = _pairs(
    *("pass phrase", "security code", "basic auth", "http auth", "auth header", "hmac key"),
    *("connection string", "access signature", "deploy key", "sentry key"),
)
_SECRET_ADDRESSES = _pairs("webhook url", "webhook uri", "hook url", "hook uri", "web hook")
_KEYS = frozenset({"key", "keys"})
_SECRET_KEYS = _set(
    "api access secret private signing signature encryption auth license licence ssh master "
    "ssl tls client service analytics rest consumer account app application shared server "
    "storage webhook integration merchant partner security crypt encrypt decryption session"
)
_HOLDERS_OF_KEYS = _pairs(
    "acme", "ssl", "tls", "cert", "certificate", "certificates", "api", "auth"
)
_TOKENS_OF_OTHERS = _set(
    "page next previous prev sync dedup deduplicate deduplication idempotency prompt input "
    "output completion reasoning cached total csrf continuation cursor max min design"
)
_PLURAL_TOKENS = _set("api access refresh auth bearer secret session push device")

# What follows a value's name and changes nothing: a hash of an e-mail address finds its owner too.
_SUFFIXES = _set(
    "md5 sha1 sha256 sha512 hash hashed backup old new current raw value plain plaintext pem"
)
_NAMES = _set("first last full middle maiden given family sur user")
# Devices and campaigns have full names too, and errors and certificates fingerprints.
_NAMED_THINGS = _set("device model browser product campaign offer file path host event class table")
_FINGERPRINTS_OF_OTHERS = _set("exception error issue certificate cert ssl tls key")
_ROLES = _set(
    "contact customer manager recipient cardholder employee holder subscriber shopper buyer"
)
_PERSON_LAST = _set(
    "email emails phone phones telephone mobile cell cellphone fax surname firstname lastname "
    "fullname username viewers signature ssn iban dob birthday birthdate street latitude "
    "longitude lat lng passport nickname msisdn zip zipcode postcode"
)
_PERSON_PAIRS = _pairs(
    *("email address", "email addresses", "e mail", "mail address", "phone number", "phone no"),
    *("phone numbers", "mobile number", "fax number", "cell number", "telephone number"),
    *("messaging identifier", "tax id", "vat id", "of birth", "birth day", "birth date"),
    *("street address", "postal address", "home address", "billing address", "street name"),
    *("shipping address", "mailing address", "customer address", "contact address"),
    *("street number", "house number", "address line", "postal code", "post code", "zip code"),
    *("zip postal", "code postal", "national id", "social security", "passport number"),
    *("address 1", "address 2", "address 3", "vat number", "account number", "routing number"),
    *("bank account", "driver license", "drivers license", "driver licence", "drivers licence"),
)
_DEVICE_LAST = _set("ip ipv4 ipv6 useragent ua idfa idfv gaid aaid imei imsi fingerprint")
_DEVICE_PAIRS = _pairs(
    *("ip address", "ip addresses", "ip addr", "remote host", "remote addr", "remote address"),
    *("user agent", "user agents", "android id", "advertising id", "advertiser identifier"),
    *("mac address", "hardware id", "google aid"),
)
_GOOGLE_AD_ID = ("google", "ad", "id")
#: Numbers are counts (``emails: 5``), unless they are as large as a phone number...
_LARGE = 1_000_000
#: ...or nothing else than numbers.
_NUMBERS = _set("latitude longitude lat lng ssn zip zipcode postcode pin otp cvv cvc")


@dataclass(frozen=True)
class Verdict:
    """What a name says.

    Args:
        kind: Why the value is sensitive.
        smallest_number: The smallest number that is such a value; None where none is.
        only_text: Whether lists and objects of this name are something else.
        in_name: Whether the name itself is such data, and says it whatever its value is.
    """

    kind: Sensitive
    smallest_number: int | None = None
    only_text: bool = False
    in_name: bool = False


@lru_cache(maxsize=1 << 15)
def judge(name: str, within: str = "") -> Verdict | None:
    """Judge a field by its name.

    Args:
        name: The field's name, in any notation: ``accessToken``, ``X-Api-Key``, ``$ip``.
        within: The name of the object it is in, in which a bare ``key`` may be a private one.

    Returns:
        What it says; None where it says nothing.
    """
    # What follows is somebody's own name: of a feature flag, say.
    words = _words(name.partition("/")[0] if name.startswith("$") else name)
    if not words or words[0] in _QUESTIONS:
        return None
    plain = _without_suffixes(words)
    if _is_secret(plain, _words(within)):
        addresses = plain[-1] == "webhook" or plain[-2:] in _SECRET_ADDRESSES
        smallest = 0 if plain[-1] in _NUMBERS else None if plain[-1].endswith("s") else _LARGE
        return Verdict(Sensitive.SECRET, smallest, addresses)
    for kind, is_such in ((Sensitive.PERSON, _is_person), (Sensitive.DEVICE, _is_device)):
        if is_such(plain) or is_such(words):
            plural = plain[-1] in {"emails", "phones", "viewers"}
            smallest = 0 if plain[-1] in _NUMBERS else None if plural else _LARGE
            return Verdict(kind, smallest)
    return None


def holds_keys(name: str) -> bool:
    """Whether a bare ``key`` in an object of this name is a private one: ``ssl``, ``api``."""
    return _words(name)[-1:] in _HOLDERS_OF_KEYS


def _words(name: str) -> tuple[str, ...]:
    words: list[str] = []
    for word in _WORD.findall(name):
        lower = word.lower()
        words.extend(_JOINED.get(lower, (lower,)))
    return tuple(words)


def _without_suffixes(words: tuple[str, ...]) -> tuple[str, ...]:
    end = len(words)
    while end > 1 and (words[end - 1] in _SUFFIXES or words[end - 1].isdigit()):
        end -= 1
    return words[:end]


def _is_secret(words: tuple[str, ...], within: tuple[str, ...]) -> bool:
    if words[-2:] in _SECRET_ADDRESSES:
        return True
    if words[-1] in _ABOUT:
        return False
    if words[-2:] in _SECRET_PAIRS or not _SECRET_WORDS.isdisjoint(words):
        return True
    return _is_secret_thing(words[-1], words[-2] if len(words) > 1 else "", within)


def _is_secret_thing(last: str, before: str, within: tuple[str, ...]) -> bool:
    """Whether a key, a token or the like is one that nobody else may have."""
    if last in _KEYS:
        is_private = before in _SECRET_KEYS if before else within[-1:] in _HOLDERS_OF_KEYS
    elif last == "tokens":
        is_private = before in _PLURAL_TOKENS
    elif last == "token":
        is_private = before not in _TOKENS_OF_OTHERS
    elif last in {"cookie", "cookies"}:
        is_private = before not in {"first", "third"}
    else:
        is_private = last in _SECRET_LAST
    return is_private


def _is_person(words: tuple[str, ...]) -> bool:
    last, pair = words[-1], words[-2:]
    if pair in _PERSON_PAIRS or ("ssn" in words[:-1] and words[-1].isdigit()):
        return True
    if last in {"name", "fullname"} and len(words) > 1:
        is_full = words[-2] == "full" or last == "fullname"
        if is_full and not _NAMED_THINGS.isdisjoint(words[:-1]):
            return False
        return last == "fullname" or words[-2] in _NAMES or words[-2] in _ROLES
    return last in _PERSON_LAST


def _is_device(words: tuple[str, ...]) -> bool:
    pair = words[-2:]
    if words[-1] == "fingerprint" and len(words) > 1 and words[-2] in _FINGERPRINTS_OF_OTHERS:
        return False
    return pair in _DEVICE_PAIRS or words[-1] in _DEVICE_LAST or words[-3:] == _GOOGLE_AD_ID
