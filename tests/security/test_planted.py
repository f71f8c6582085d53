"""Secrets and personal data that a vendor sends, wherever it sends them, get into no table.

They are planted into each object of each answer, at every depth, also within texts that are JSON.
"""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass, field

import pytest
from harness.fuzz.taps import read

#: Taps whose vendors decide what is in a record; a sheet's or a file's owner does it there.
TAPS = ("tap-everflow", "tap-mautic", "tap-posthog", "tap-redtrack")
SECRETS = (
    *("api_token", "slack_incoming_webhook", "authorization_header", "consumerSecret"),
    *("smtpPassword", "X-Api-Key", "aws_secret_access_key", "widget_public_token", "webhook_url"),
    *("private_key", "refreshToken", "session_token", "client_secret", "signingKey"),
)
PERSONAL = (
    *("accounting_contact_email", "firstName", "last_name", "cell_phone", "viewers"),
    *("billing_street_address", "postal_code", "date_of_birth", "emailAddress"),
)
DEVICE = ("remoteHost", "userAgent", "ipAddress", "session_user_ip", "idfa_md5", "$raw_user_agent")
SECRET, PERSON, GADGET = "planted-secret-7x", "planted-person-7x", "planted-device-7x"
TEXTS = (
    f"https://user:{SECRET}@hooks.example/x",
    f"https://crm.example/in?a=1&access_token={SECRET}",
    f"https://hooks.slack.com/services/T0/{SECRET}",
    f"Authorization: Bearer {SECRET}",
)


@dataclass
class Planted:
    """Puts fields into all answers.

    Attributes:
        random: Chooses which.
        count: Into how many objects it put some.
    """

    random: random.Random
    count: int = 0
    # In all requests, as `Mutation` has it.
    request: int | None = field(default=None, init=False)

    def of(self, body: bytes) -> bytes:
        """Another answer."""
        try:
            answer = json.loads(body)
        except ValueError:
            return body
        self._grow(answer, 0)
        return json.dumps(answer).encode()

    def _grow(self, value, depth):
        if isinstance(value, list):
            for place, item in enumerate(value):
                value[place] = self._grow(item, depth + 1)
        elif isinstance(value, dict):
            for name, item in value.items():
                value[name] = self._grow(item, depth + 1)
            # The answer itself, and objects by id or name, have values of one kind.
            if depth and not all(isinstance(item, dict) for item in value.values()):
                self._plant(value)
        elif isinstance(value, str) and value[:1] == "{":
            try:
                return json.dumps(self._grow(json.loads(value), depth + 1))
            except ValueError:
                return value
        return value

    def _plant(self, record):
        choose = self.random.choice
        self.count += 1
        record[choose(SECRETS)] = SECRET
        record[choose(PERSONAL)] = PERSON
        record[choose(DEVICE)] = GADGET
        record["planted_note"] = choose(TEXTS)
        record["planted_pairs"] = [
            {"label": choose(("Authorization", "Cookie")), "value": SECRET},
            {"hint": choose(SECRETS), "value": SECRET},
        ]
        record["json_body"] = json.dumps({"deep": [{choose(SECRETS): SECRET, "x": {"a": 1}}]})


def streams_of(catalog):
    return [entry["stream"] for entry in catalog["streams"]]


@pytest.mark.parametrize("name", TAPS)
def test_what_is_planted_in_answers_is_in_no_message_and_no_log(
    sandbox_server, asked, name, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    catalog, _ = asked(name)
    planted = 0
    for stream in streams_of(catalog):
        planting = Planted(random.Random(stream))
        messages, error, _ = read(name, sandbox_server, catalog, stream, planting)
        assert error is None, (stream, error)
        written = json.dumps(messages)
        assert SECRET not in written, where(messages, SECRET)
        assert GADGET not in written, where(messages, GADGET)
        # People load Mautic for its contacts.
        if name != "tap-mautic":
            assert PERSON not in written, where(messages, PERSON)
        planted += planting.count if any(one["type"] == "RECORD" for one in messages) else 0
    assert planted > 100
    logged = caplog.text + capfd.readouterr().err
    assert not [value for value in (SECRET, PERSON, GADGET) if value in logged]


@pytest.mark.parametrize(
    ("name", "stream", "setting", "values"),
    (
        ("tap-everflow", "offers", "include_personal_data", (PERSON, GADGET)),
        ("tap-redtrack", "campaigns", "include_personal_data", (PERSON, GADGET)),
        ("tap-posthog", "experiments", "include_personal_data", (PERSON, GADGET)),
        ("tap-posthog", "events", "include_personal_data", (PERSON, GADGET)),
        ("tap-mautic", "contacts", "include_ip_addresses", (PERSON, GADGET)),
    ),
)
def test_personal_data_is_there_where_it_is_asked_for(
    sandbox_server, asked, name, stream, setting, values
):
    catalog, _ = asked(name)
    planting = Planted(random.Random(stream))
    messages, error, _ = read(name, sandbox_server, catalog, stream, planting, **{setting: True})
    assert error is None
    written = json.dumps(messages)
    assert all(value in written for value in values)
    assert SECRET not in written


def where(messages, value):
    """The places that have it, for whoever sees the test fail."""

    def places(item, at):
        if isinstance(item, dict):
            return [place for name in item for place in places(item[name], f"{at}.{name}")]
        if isinstance(item, list):
            return [place for one in item for place in places(one, f"{at}[]")]
        return [f"{at}: {item}"[:200]] if value in str(item) else []

    return sorted({place for one in messages for place in places(one, one["type"])})[:20]
