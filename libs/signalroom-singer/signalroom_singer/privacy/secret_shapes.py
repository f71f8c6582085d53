"""Secrets that a text has by its shape, whatever its field is called: masked where they stand."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from signalroom_singer.privacy.field_names import Sensitive, judge
from signalroom_singer.privacy.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Callable

#: Shorter texts hold no secret that has a shape.
SHORTEST = 8
# What one of the tokens below begins with, found far sooner than the token itself.
_TOKEN_SIGN = re.compile(
    r"xox[a-z]-|xapp-|_(?:live|test)_|whsec_|gh[pousr]_|github_pat_|glpat-|ph[xs]_|AIza|ya29\.|eyJ|"
    r"SG\.|sk-|shp(?:at|ca|pa|ss)_|EAA|dop_v1_|npm_|pat-|key-"
)
_USER_INFO = re.compile(r"(\b[A-Za-z][\w+.-]*://)(?:[^\s/?#@:]*:[^\s/?#@]*|[^\s/?#@:]{16,})@")
_PARAMETER = re.compile(r"([?&;#])([\w.\-\[\]%]+)(=)([^&#;\s\"'<>\\]+)")
_FORM = re.compile(r"[\w.\-\[\]%]+=[^&\s]*(?:&[\w.\-\[\]%]+=[^&\s]*)*")
# What is filled in for each click, by whoever sends it.
_MACRO = re.compile(
    r"\$?\{{1,2}[\w.-]+\}{1,2}|\[[\w.-]+\]|__\w+__|%7B[\w.-]+%7D|%5B[\w.-]+%5D", re.IGNORECASE
)
_MACRO_STARTS = frozenset("{[$_%")
_ID_OR_TIME = re.compile(
    r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_CREDENTIALS = re.compile(r"\b((?i:bearer|basic|token)) +([A-Za-z0-9._~+/-]{8,}=*)")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
# How the vendors of tokens begin theirs, so that they are recognized.
_TOKEN = re.compile(
    r"\b(?:xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|(?:sk|rk)_(?:live|test)_\w{8,}|whsec_\w{8,}"
    r"|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|ph[xs]_\w{8,}|AIza[\w-]{20,}"
    r"|ya29\.[\w.-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|sk-[\w-]{20,}|shp(?:at|ca|pa|ss)_\w{16,}|EAA[A-Za-z0-9]{30,}|dop_v1_\w{16,}|npm_\w{30,}"
    r"|pat-[a-z]{2,3}\d?-[\w-]{16,}|key-[0-9a-f]{32})"
)
# Those of them that are letters and digits alone.
_TOKENS_OF_LETTERS = ("AIza", "EAA")
# Whoever knows the path of such an address can post to it.
_HOOK = re.compile(
    r"(https?://(?:"
    r"(?:web)?hooks?\.[\w.-]+"
    r"|(?:www\.|ptb\.|canary\.)?discord(?:app)?\.com(?::\d+)?/api/webhooks"
    r"|[\w.-]+\.webhook\.office\.com|[\w.-]+\.logic\.azure\.com|maker\.ifttt\.com"
    r"|api\.telegram\.org(?::\d+)?(?=/bot)"
    r"|[\w.-]+(?::\d+)?(?:/[\w.~%-]+)*?/(?:web)?hooks?(?:/catch|-test)?(?=/[\w.~%-]*\d)"
    r")(?::\d+)?)/[^\s\"'<>\\]+"
)
# Of a text that is nearly JSON: one with macros in place of numbers, or of a program.
_MEMBER = re.compile(
    r"""(?<![\w.-])(\\?["']|)([\w.-]+)\1(\s*(?::=?|=)\s*)(\\?["'])((?:(?!\4)[^\\]|(?!\4)\\.)*)\4""",
    re.DOTALL,
)
_PHP = re.compile(r"""(s:\d+:"([\w.-]+)";)s:\d+:"([^"]+)";""")
_ELEMENT = re.compile(r"<([A-Za-z][\w.-]*)>([^<>]+)</\1>")
# An address in an address.
_ENCODED = re.compile(
    r"(%(?:25)*(?:3F|26|23|3B))([\w.-]+)(%(?:25)*3D)((?:(?!%(?:25)*(?:26|23))[^&#;\s\"'<>\\])+)",
    re.IGNORECASE,
)
# Words of a text: a connection string, a command.
_WORD = re.compile(r"(?<!\S)([\w.-]+)=([^\s&;\"'<>\\]+)(?!\S)")
_QUOTED_HEADER = re.compile(r"""(["'])([A-Za-z][\w-]*)(:[ \t]*)([^"'\n]+)\1""")
# A person's address as a parameter, or as a part of a path; no image of twice the size.
_EMAIL_IN_URL = re.compile(
    r"((?<!/)/|=)[\w.+-]+(?:%2B[\w.+-]+)*(?:@|%40)[\w-]+(?:\.[\w-]+)*"
    r"\.(?!(?:png|jpe?g|gif|webp|svg|avif|ico|css|m?js)\b)[a-z]{2,24}(?![\w@.-])",
    re.IGNORECASE,
)
_HEADER = re.compile(r"^([ \t]*([A-Za-z][\w-]*)[ \t]*:[ \t]*)(\S.*)$", re.MULTILINE)
_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_IN_ADDRESSES = frozenset(
    {"auth", "hash", "hmac", "key", "pass", "pwd", "sig", "sign", "signature"}
    | {"jsessionid", "phpsessid"}
)
_SIGNATURES = ("-signature", "_signature", "-sig", "_sig")
#: A shorter number is an id, not a key: ``?key=12``.
_SHORTEST_NUMBER = 4
_IN_WORDS = 20


def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret: a field, a parameter or a header."""
    verdict = judge(name)
    return verdict is not None and verdict.kind is Sensitive.SECRET


def is_secret_header(name: str) -> bool:
    """Whether an HTTP header of this name carries credentials."""
    return name.strip().lower() in _HEADERS or is_secret_name(name)


def is_macro(text: str) -> bool:
    """Whether a text only names a value that is filled in later: ``{clickid}``, ``[token]``."""
    return text[:1] in _MACRO_STARTS and _MACRO.fullmatch(text) is not None


def is_id_or_time(text: str) -> bool:
    """Whether a text is a UUID, a date or a timestamp, which no shape of a secret is found in."""
    return _ID_OR_TIME.fullmatch(text) is not None


def without_secrets(text: str, is_masked: Callable[[str], bool] = is_secret_name) -> str:
    """Mask what has the shape of a secret.

    Args:
        text: Any text: an address, a header, a note.
        is_masked: Whether parameters of a name are masked, in addresses and in forms.

    Returns:
        The text, with the passwords and secret parameters of URLs, the paths of webhooks, bearer
        and basic credentials, private keys and tokens of known forms replaced.
    """
    if len(text) < SHORTEST or (text.isalnum() and not text.startswith(_TOKENS_OF_LETTERS)):
        return text
    text = _without_tokens(text)
    if "=" in text or "%" in text:
        text = _without_parameters(text, is_masked)
    if '"' in text or "'" in text:
        text = _without_members(text, is_masked)
    if "</" in text:
        text = _ELEMENT.sub(
            lambda match: (
                f"<{match[1]}>{MASK}</{match[1]}>"
                if is_secret_name(match[1]) and not is_macro(match[2])
                else match[0]
            ),
            text,
        )
    if ("@" in text or "%40" in text) and is_masked("email"):
        text = _EMAIL_IN_URL.sub(rf"\1{MASK}", text)
    return text


def _without_tokens(text: str) -> str:
    """Mask what is a secret wherever it stands. What each shape has is looked for first."""
    if "PRIVATE KEY" in text:
        text = _PEM.sub(MASK, text)
    if ":" in text:
        text = _QUOTED_HEADER.sub(_quoted_header, _HEADER.sub(_header, text))
        if "://" in text:
            text = _HOOK.sub(rf"\1/{MASK}", text)
            if "@" in text:
                text = _USER_INFO.sub(rf"\1{MASK}@", text)
    if " " in text:
        text = _CREDENTIALS.sub(_credentials, text)
    return _TOKEN.sub(MASK, text) if _TOKEN_SIGN.search(text) else text


def _without_parameters(text: str, is_masked: Callable[[str], bool]) -> str:
    def parameter(match: re.Match[str]) -> str:
        before, name, equals, value = match.groups()
        is_secret = _is_secret_parameter(name, value, is_masked)
        return f"{before}{name}{equals}{MASK}" if is_secret and not is_macro(value) else match[0]

    def word(match: re.Match[str]) -> str:
        name, value = match.groups()
        return f"{name}={MASK}" if is_masked(name) and not is_macro(value) else match[0]

    if "=" in text:
        is_form = _FORM.fullmatch(text)
        text = _PARAMETER.sub(parameter, f"&{text}" if is_form else text)
        text = text[1:] if is_form else text
        if " " in text:
            text = _WORD.sub(word, text)
    return _ENCODED.sub(parameter, text) if "%" in text else text


def _is_secret_parameter(name: str, value: str, is_masked: Callable[[str], bool]) -> bool:
    name = unquote(name)
    lower = name.lower()
    if lower in _IN_ADDRESSES or lower.endswith(_SIGNATURES):
        return not (lower == "key" and value.isdigit() and len(value) < _SHORTEST_NUMBER)
    return is_masked(name)


def _without_members(text: str, is_masked: Callable[[str], bool]) -> str:
    def member(match: re.Match[str]) -> str:
        quote, name, colon, mark, value = match.groups()
        if not value or is_macro(value):
            return match[0]
        if colon.strip() == "=" and not (mark.endswith('"') and _looks_made_up(value)):
            # A condition of a query, or an attribute.
            return match[0]
        if not is_masked(name):
            # Programs and JSON hold texts that are JSON too.
            inner = _MEMBER.sub(member, value) if "\\" in value else value
            return f"{quote}{name}{quote}{colon}{mark}{inner}{mark}"
        return f"{quote}{name}{quote}{colon}{mark}{MASK}{mark}"

    def php(match: re.Match[str]) -> str:
        name, key, value = match.groups()
        is_secret = is_masked(key) and not is_macro(value)
        return f'{name}s:{len(MASK)}:"{MASK}";' if is_secret else match[0]

    text = _MEMBER.sub(member, text)
    return _PHP.sub(php, text) if '";s:' in text else text


def _credentials(match: re.Match[str]) -> str:
    scheme, value = match.groups()
    return f"{scheme} {MASK}" if _are_credentials(scheme, value) else match[0]


def _are_credentials(scheme: str, value: str) -> bool:
    """Whether it is more than a word: "the Basic marketing plan" and "token validation" are not."""
    if scheme == "Bearer":
        return True
    if scheme.lower() == "basic":
        try:
            return b":" in base64.b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            return False
    is_word = value.isalpha() and (value.islower() or value.istitle() or value.isupper())
    return len(value) > _IN_WORDS or not is_word


def _header(match: re.Match[str]) -> str:
    start, name, value = match.groups()
    is_such = name.lower() in _HEADERS or (
        is_secret_name(name) and ("-" in name or _looks_made_up(value))
    )
    return f"{start}{MASK}" if is_such and not is_macro(value) else match[0]


def _quoted_header(match: re.Match[str]) -> str:
    quote, name, colon, value = match.groups()
    is_such = name.lower() in _HEADERS or ("-" in name and is_secret_name(name))
    return f"{quote}{name}{colon}{MASK}{quote}" if is_such and not is_macro(value) else match[0]


def _looks_made_up(value: str) -> bool:
    """Whether it is more than a word: ``password: hunter22`` is, "password: required" is not."""
    value = value.strip()
    is_word = " " not in value and len(value) >= SHORTEST
    return is_word and any(map(str.isdigit, value)) and any(map(str.isalpha, value))
