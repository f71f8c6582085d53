"""Secrets are masked however they are written: escaped, over and over, and in base64."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from signalroom_singer import protect, redact
from signalroom_singer.privacy.redaction import MASK

SECRET = 'obviously/f&ke+"key" é<1>\'\\%='


def basic(text):
    """A header of Basic authentication."""
    return base64.b64encode(f"user:{text}".encode()).decode()


#: Ways to write a secret. Each is applied to any secret, and two of them one after the other.
WRITTEN = {
    "plain": str,
    "URL": quote,
    "URL, all": lambda text: quote(text, safe=""),
    "URL, lower case": lambda text: re.sub(
        "%..", lambda escape: escape[0].lower(), quote(text, safe="")
    ),
    "form": quote_plus,
    "every byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON for HTML": lambda text: (
        json.dumps(text)[1:-1].replace("&", "\\u0026").replace("<", "\\u003C")
    ),
    "HTML": html.escape,
    "HTML, decimal": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    "Python": lambda text: repr(text)[1:-1],
    "Python, bytes": lambda text: repr(text.encode())[2:-1],
}
BASE64 = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Basic": basic,
    "Basic, other places": lambda text: base64.b64encode(f"ab:{text}:cd".encode()).decode(),
    "Basic, one more": lambda text: base64.b64encode(f"abc:{text}".encode()).decode(),
    "URL-safe": lambda text: base64.urlsafe_b64encode(f"u:{text}".encode()).decode(),
    "without padding": lambda text: basic(text).rstrip("="),
    "in a URL": lambda text: quote(basic(text), safe=""),
}
AROUND = ("{}", "GET /x?a=1&key={}&b=2 50%", '{{"key": "{}", "n": 1}}', "<p>{}</p>", "Basic {}\n")
TEXTS = st.text(
    st.sampled_from("abcXYZ019 /+=&%\"'\\<>-_~é€\U0001f511"), min_size=8, max_size=40
).map(str.strip)


@pytest.mark.parametrize(
    "text", (r"C:\U99999999 and \ud800 alone", "%2525252541 &amp;amp;amp;amp;amp; B"), ids=str
)
def test_what_only_looks_escaped_stays(text):
    protect([SECRET])
    assert redact(text) == text
    assert redact(f"{text} {quote(SECRET)}") == f"{text} {MASK}"


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("written", (WRITTEN | BASE64).values(), ids=(WRITTEN | BASE64).keys())
def test_every_way_to_write_it(written, around):
    protect([SECRET])
    form = written(SECRET)
    clean = redact(around.format(form))
    assert MASK in clean
    assert form not in clean
    assert clean == around.format(MASK)


@given(
    secret=TEXTS,
    ways=st.lists(st.sampled_from([*WRITTEN.values()]), min_size=1, max_size=3),
    around=st.sampled_from(AROUND),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[*HealthCheck])
def test_any_secret_in_any_ways(secret, ways, around):
    # What is nothing but escapes is short once they are undone.
    assume(len(secret) >= 8 and len(unquote(html.unescape(secret)).strip()) > 5)
    protect([secret])
    form = secret
    for way in ways:
        form = way(form)
    clean = redact(around.format(form))
    assert form not in clean
    assert MASK in clean


@pytest.mark.parametrize("end", ("\\", "\\\\\\", "%", "&", "'\\"))
@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN.keys())
def test_the_end_of_a_secret_may_look_like_an_escape(written, around, end):
    protect([f"tok'12345{end}"])
    form = written(f"tok'12345{end}")
    clean = redact(around.format(form))
    assert MASK in clean
    assert form not in clean
    assert "12345" not in clean


@given(secret=TEXTS, before=st.text("abc:", max_size=5), after=st.text("xyz", max_size=4))
@settings(max_examples=200, deadline=None, suppress_health_check=[*HealthCheck])
def test_any_secret_in_any_place_of_base64(secret, before, after):
    assume(len(secret) >= 8)
    protect([secret])
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        form = encode(f"{before}{secret}{after}".encode()).decode()
        for text in (form, form.rstrip("="), quote(form, safe="")):
            assert redact(f"Authorization: Basic {text}") == f"Authorization: Basic {MASK}"


@given(
    secret=st.text("abcdefghij0123456789", min_size=12, max_size=30),
    text=st.text(st.sampled_from("ghijklmnop /+=&%\\u<>0019\"';#x"), max_size=60),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[*HealthCheck])
def test_other_text_is_left_as_it_is(secret, text):
    assume(secret not in text)
    protect([secret])
    assert redact(text) == text or MASK in redact(text)
    kept = f"/v1/rows?page=2&size=500 100% \\d+ {html.escape('<a&b>')} %41%zz &amp; &nope;"
    assert redact(kept) == kept


@pytest.mark.parametrize("secret", ("test", "user"))
def test_short_secrets_are_not_looked_for_in_base64(secret):
    protect([secret])
    kept = "Contract dGVzd VzZX dXNl 7%20% of all"
    assert redact(kept) == kept


def test_text_around_the_secret_stays():
    protect([SECRET])
    line = f"a%20b &amp; \\u0041 {quote(SECRET, safe='')} c%20d &lt; {json.dumps(SECRET)} \\n"
    assert redact(line) == f'a%20b &amp; \\u0041 {MASK} c%20d &lt; "{MASK}" \\n'
