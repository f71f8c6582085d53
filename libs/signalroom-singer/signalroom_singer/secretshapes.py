"""Secrets that a text has by its shape, whatever its field is called: masked where they stand."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from signalroom_singer.fieldnames import Sensitive, judge
from signalroom_singer.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Callable

#: Shorter texts hold no secret that has a shape.
SHORTEST = 8
# Each of the shapes has one of these.
_SIGNS = re.compile(
    r"[=@]|://|[Bb]earer |[Bb]asic |[Tt]oken |PRIVATE KEY|[a-z]{2}_|xox|xapp-|gl[a-z]{2,3}-|AIza|"
    r"ya29\.|eyJ|SG\.|sk-|EAA|:"
)
_USER_INFO = re.compile(r"(\b[A-Za-z][\w+.-]*://)(?:[^\s/?#@:]*:[^\s/?#@]*|[^\s/?#@:]{16,})@")
_PARAMETER = re.compile(r"([?&;#])([\w.\-\[\]%]+)=([^&#;\s\"'<>\\]+)")
_FORM = re.compile(r"[\w.\-\[\]%]+=[^&\s]*(?:&[\w.\-\[\]%]+=[^&\s]*)*")
# What is filled in for each click, by whoever sends it.
_MACRO = re.compile(
    r"\$?\{{1,2}[\w.-]+\}{1,2}|\[[\w.-]+\]|__\w+__|%7B[\w.-]+%7D|%5B[\w.-]+%5D", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"\b((?i:bearer|basic|token)) +([A-Za-z0-9._~+/-]{8,}=*)")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
# How the vendors of tokens begin theirs, so that they are recognized.
_TOKEN = re.compile(
    r"\b(?:xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|(?:sk|rk)_(?:live|test)_\w{8,}|whsec_\w{8,}"
    r"|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|ph[xs]_\w{8,}|AIza[\w-]{20,}"
    r"|ya29\.[\w.-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|sk-[\w-]{20,}|shp(?:at|ca|pa|ss)_\w{16,}|EAA[A-Za-z0-9]{30,}|dop_v1_\w{16,}|npm_\w{30,})"
)
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
_MEMBER = re.compile(r"""(["'])([\w.-]+)\1(\s*:\s*)(["'])((?:(?!\4)[^\\]|\\.)*)\4""", re.DOTALL)
_HEADER = re.compile(r"^([ \t]*([A-Za-z][\w-]*)[ \t]*:[ \t]*)(\S.*)$", re.MULTILINE)
_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_IN_ADDRESSES = frozenset(
    {"auth", "hash", "hmac", "key", "pass", "pwd", "sig", "sign", "signature"}
)
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
    return _MACRO.fullmatch(text) is not None


def without_secrets(text: str, is_masked: Callable[[str], bool] = is_secret_name) -> str:
    """Mask what has the shape of a secret.

    Args:
        text: Any text: an address, a header, a note.
        is_masked: Whether parameters of a name are masked, in addresses and in forms.

    Returns:
        The text, with the passwords and secret parameters of URLs, the paths of webhooks, bearer
        and basic credentials, private keys and tokens of known forms replaced.
    """
    if len(text) < SHORTEST or not _SIGNS.search(text):
        return text
    for pattern, replace in _SHAPES:
        text = pattern.sub(replace, text)
    if "=" in text:

        def parameter(match: re.Match[str]) -> str:
            before, name, value = match.groups()
            is_secret = name.lower() in _IN_ADDRESSES or is_masked(name)
            return f"{before}{name}={MASK}" if is_secret and not is_macro(value) else match[0]

        is_form = _FORM.fullmatch(text)
        text = _PARAMETER.sub(parameter, f"&{text}" if is_form else text)
        text = text[1:] if is_form else text

    def member(match: re.Match[str]) -> str:
        quote, name, colon, mark, value = match.groups()
        is_secret = value and is_masked(name) and not is_macro(value)
        return f"{quote}{name}{quote}{colon}{mark}{MASK}{mark}" if is_secret else match[0]

    return _MEMBER.sub(member, text) if ":" in text else text


def _credentials(match: re.Match[str]) -> str:
    scheme, value = match.groups()
    return f"{scheme} {MASK}" if _are_credentials(scheme, value) else match[0]


def _are_credentials(scheme: str, value: str) -> bool:
    """Whether it is no word of a sentence: "the Basic marketing plan", "token validation"."""
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
    start, name, _ = match.groups()
    is_such = name.lower() in _HEADERS or ("-" in name and is_secret_name(name))
    return f"{start}{MASK}" if is_such else match[0]


_SHAPES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_PEM, MASK),
    (_HEADER, _header),
    (_CREDENTIALS, _credentials),
    (_USER_INFO, rf"\1{MASK}@"),
    (_HOOK, rf"\1/{MASK}"),
    (_TOKEN, MASK),
)
