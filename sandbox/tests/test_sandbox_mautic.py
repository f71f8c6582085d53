"""The sandbox's Mautic is as strict, and as odd, as its own source."""

from __future__ import annotations

import pytest
import requests

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET, LIMITED_ID, NO_GRANT_ID


@pytest.fixture
def mautic(sandbox):
    return sandbox.control.mautic


@pytest.fixture
def get(sandbox, token):
    def ask(path, status=200, **params):
        answer = requests.get(
            f"{sandbox.mautic_url}{path}",
            params=params,
            headers={"Authorization": f"Bearer {token()}"},
            timeout=10,
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


@pytest.fixture
def token(sandbox):
    def ask(client=CLIENT_ID, secret=CLIENT_SECRET, status=200, grant="client_credentials"):
        form = {"grant_type": grant, "client_id": client, "client_secret": secret}
        answer = requests.post(f"{sandbox.mautic_url}/oauth/v2/token", data=form, timeout=10)
        assert answer.status_code == status
        return answer.json()["access_token"] if status == 200 else answer.json()["errors"][0]

    return ask


def clause(number, column, operator, value):
    place = f"where[{number}]"
    return {f"{place}[col]": column, f"{place}[expr]": operator, f"{place}[val]": value}


class TestTokens:
    def test_what_is_refused(self, token):
        assert token(secret="wrong", status=400)["type"] == "invalid_client"
        assert token(client="", status=400)["type"] == "invalid_client"
        assert token(client=NO_GRANT_ID, status=400)["type"] == "unauthorized_client"
        assert token(grant="password", status=400)["type"] == "invalid_request"

    def test_a_get_has_no_form(self, sandbox):
        answer = requests.get(f"{sandbox.mautic_url}/oauth/v2/token", timeout=10)
        assert answer.json()["errors"][0]["type"] == "invalid_request"

    def test_they_end(self, sandbox, mautic, token):
        mautic.access(token_seconds=0)
        headers = {"Authorization": f"Bearer {token()}"}
        answer = requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["message"].endswith("has expired.")
        assert "Mautic-Version" not in answer.headers

    def test_an_api_that_is_off(self, mautic, token):
        mautic.access(api_enabled=False)
        assert token(status=403)["type"] == "api_disabled"

    def test_roles(self, sandbox, token):
        headers = {"Authorization": f"Bearer {token(client=LIMITED_ID)}"}
        answer = requests.get(f"{sandbox.mautic_url}/api/forms", headers=headers, timeout=10)
        assert answer.status_code == 403
        answer = requests.get(
            f"{sandbox.mautic_url}/api/stats/webhook_logs", headers=headers, timeout=10
        )
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (200, 403)


class TestContacts:
    def test_names_and_orders(self, get):
        assert get("/api/contacts", orderBy="date_modified")["total"] == "300"
        get("/api/contacts", 500, orderBy="dateModified")
        # At the top they are understood in camelCase, within others not.
        get("/api/contacts", **clause(0, "dateModified", "isNull", ""))
        nested = {
            "where[0][expr]": "orX",
            "where[0][val][0][col]": "dateModified",
            "where[0][val][0][expr]": "isNull",
        }
        get("/api/contacts", 500, **nested)
        get("/api/contacts", 500, **clause(0, "nowhere", "eq", "1"))

    def test_an_unknown_operator_filters_nothing(self, get):
        assert get("/api/contacts", **clause(0, "id", "greater", "290"))["total"] == "300"
        assert get("/api/contacts", **clause(0, "id", "gt", "290"))["total"] == "10"

    def test_pages(self, get):
        assert len(get("/api/contacts")["contacts"]) == 30
        assert len(get("/api/contacts", limit=0, start=7)["contacts"]) == 300
        assert get("/api/contacts", **clause(0, "id", "gt", "999")) == {
            "total": "0",
            "contacts": {},
        }

    def test_dates_by_version(self, get, mautic):
        never = clause(0, "date_modified", "isNull", "")
        assert int(get("/api/contacts", **never)["total"]) > 100
        mautic.edit(numbers=[5], firstname="Edited")
        assert get("/api/contacts", **clause(0, "id", "eq", "5"))["contacts"]["5"]["dateModified"]
        mautic.switches(version=6)
        assert get("/api/contacts", **never)["total"] == "0"
        before = get("/api/contacts", **clause(0, "id", "eq", "5"))["contacts"]["5"]
        mautic.edit(numbers=[5], firstname="Edited")
        after = get("/api/contacts", **clause(0, "id", "eq", "5"))["contacts"]["5"]
        assert after["fields"]["all"]["firstname"] == "Edited"
        assert after["dateModified"] == before["dateModified"]
        log = get("/api/stats/audit_log", **clause(0, "object_id", "eq", "5"))["stats"]
        assert [row["action"] for row in log].count("update") == 1

    def test_values_are_escaped_before_seven(self, get, mautic):
        named = clause(0, "lastname", "eq", "O'Sample & <Söhne> 🙂")
        assert get("/api/contacts", **named)["total"] == "0"
        mautic.switches(version=7)
        assert get("/api/contacts", **named)["total"] == "270"


class TestLists:
    def test_emails_are_joined_with_their_segments(self, get):
        order = {"orderBy": "id", "limit": 3}
        pages = [[*get("/api/emails", start=start, **order)["emails"]] for start in (0, 3, 6)]
        assert pages == [["1", "2"], ["3"], ["5", "6"]]
        assert get("/api/emails", **order)["total"] == 44

    def test_a_filter_takes_the_place_of_the_lists_own(self, get, mautic):
        every = clause(0, "id", "gt", "0")
        assert len(get("/api/emails", limit=0, **every)["emails"]) == 46
        mautic.switches(version=7)
        assert len(get("/api/emails", limit=0, **every)["emails"]) == 44

    def test_names_of_properties(self, get):
        get("/api/emails", 500, orderBy="date_added")
        get("/api/emails", 500, **clause(0, "date_added", "gt", "2020-01-01"))
        assert get("/api/forms", **clause(0, "id", "gt", "99"))["forms"] == []


class TestStats:
    def test_everything_is_text(self, get):
        answer = get("/api/stats/email_stats", limit=2)
        assert answer["total"] == "900"
        assert {type(value) for row in answer["stats"] for value in row.values()} <= {
            str,
            type(None),
        }

    def test_errors_have_a_200(self, get):
        assert get("/api/stats/email_stats", **clause(0, "dateSent", "gt", "1"))["errors"]
        assert "email_stats" in get("/api/stats/email_stat")["availableTables"]

    def test_limits(self, get):
        assert len(get("/api/stats/page_hits")["stats"]) == 100
        assert get("/api/stats/page_hits", limit=0)["stats"] == []


def test_calls_are_limited_by_token(sandbox, mautic, token):
    mautic.limits(per_hour=2)
    headers = {"Authorization": f"Bearer {token()}"}
    answers = [
        requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=10)
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[1].headers["X-RateLimit-Remaining"] == "0"
    assert answers[2].headers["Content-Type"].startswith("text/html")
    assert "Retry-After" not in answers[2].headers
    headers = {"Authorization": f"Bearer {token()}"}
    answer = requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=10)
    assert answer.status_code == 200
