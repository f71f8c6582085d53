"""What a real Mautic sends along with its rows and nobody may read in a table.

The mock server sends the same fields: see docs/mautic-answers.md.
"""

from __future__ import annotations

import json

import pytest

#: As the mock server has them.
SECRETS = (
    "made-up-header-of-an-email",
    "made-up-header-of-a-webhook",
    "made-up-key-of-a-form",
    "made-up-header-of-a-form",
)
STREAMS = ("emails", "forms", "campaigns", "campaign_events", "contacts")
SENDING = {"form.repost", "campaign.sendwebhook"}


def actions(rows):
    """Each action in some rows, whatever it is in."""
    for value in rows.values() if isinstance(rows, dict) else rows:
        if isinstance(value, dict):
            if value.get("type") in SENDING:
                yield value
            yield from actions(value)
        elif isinstance(value, list):
            yield from actions(value)


def test_secrets_of_forms_webhooks_and_emails_are_not_loaded(make_tap, sync):
    output = sync(make_tap(), *STREAMS)
    written = json.dumps(output.messages)
    assert not [secret for secret in SECRETS if secret in written]
    sending = [*actions(output.records["forms"]), *actions(output.records["campaigns"])]
    sending += [row for row in output.records["campaign_events"] if row["type"] in SENDING]
    assert {action["type"] for action in sending} == SENDING
    # Neither where contacts are sent nor what goes with them.
    names = {name for action in sending for name in action.get("properties") or {}}
    assert names == {"method", "timeout"}


@pytest.mark.parametrize("include", (False, True))
def test_addresses_and_devices_are_loaded_only_where_they_are_asked_for(make_tap, sync, include):
    output = sync(make_tap(include_ip_addresses=include), "contacts", "page_hits", "lead_utmtags")
    written = json.dumps([one for one in output.messages if one["type"] == "RECORD"])
    assert ("198.51.100.9" in written) is include
    names = {name for rows in output.records.values() for row in rows for name in row}
    assert bool({"remote_host", "user_agent", "ip_addresses"} & names) is include
    # Who somebody is is what contacts are loaded for.
    assert any(row["email"] for row in output.records["contacts"])
