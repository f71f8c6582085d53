"""The sandbox's Mautic is as strict, and as odd, as its own source."""

from __future__ import annotations

import time

import pytest
import requests

from signalroom_sandbox.mautic import (
    CLIENT_ID,
    CLIENT_SECRET,
    LIMITED_ID,
    NO_GRANT_ID,
    PASSWORD,
    USERNAME,
)


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
            timeout=60,
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask


@pytest.fixture
def token(sandbox):
    def ask(client=CLIENT_ID, secret=CLIENT_SECRET, status=200, grant="client_credentials"):
        form = {"grant_type": grant, "client_id": client, "client_secret": secret}
        answer = requests.post(f"{sandbox.mautic_url}/oauth/v2/token", data=form, timeout=60)
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
        answer = requests.get(f"{sandbox.mautic_url}/oauth/v2/token", timeout=60)
        assert answer.json()["errors"][0]["type"] == "invalid_request"

    def test_they_end(self, sandbox, mautic, token):
        mautic.access(token_seconds=0)
        headers = {"Authorization": f"Bearer {token()}"}
        answer = requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.json()["errors"][0]["message"].endswith("has expired.")
        assert "Mautic-Version" not in answer.headers

    def test_responses_name_the_version(self, sandbox, mautic, token):
        headers = {"Authorization": f"Bearer {token()}"}
        for version, name in ((5, "5.1.1"), (7, "7.1.1")):
            mautic.switches(version=version)
            response = requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=60)
            assert response.headers["Mautic-Version"] == name

    def test_an_api_that_is_off(self, mautic, token):
        mautic.access(api_enabled=False)
        assert token(status=403)["type"] == "api_disabled"

    def test_basic_auth(self, sandbox, mautic):
        def status(password):
            url = f"{sandbox.mautic_url}/api/tags"
            return requests.get(url, auth=(USERNAME, password), timeout=60).status_code

        assert (status(PASSWORD), status("wrong")) == (200, 401)
        mautic.access(basic_enabled=False)
        assert status(PASSWORD) == 403

    def test_roles(self, sandbox, token):
        headers = {"Authorization": f"Bearer {token(client=LIMITED_ID)}"}
        answer = requests.get(f"{sandbox.mautic_url}/api/forms", headers=headers, timeout=60)
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

    def test_values(self, get):
        contacts = get("/api/contacts", limit=0)["contacts"]
        fields = contacts["3"]["fields"]
        assert fields["all"]["id"] == "3"
        assert fields["professional"]["lifetime_value"]["value"] == 4.11
        assert fields["core"]["title"]["normalizedValue"] == ""
        assert isinstance(contacts["3"]["tags"], list)
        assert contacts["1"]["ipAddresses"][0]["ipAddress"] == "192.0.2.7"
        assert contacts["8"]["frequencyRules"][0]["channel"] == "email"
        assert contacts["5"]["owner"].keys() == {
            *("createdByUser", "modifiedByUser", "id", "username", "firstName", "lastName"),
        }
        assert {"category", "description", "weight"} <= contacts["6"]["stage"].keys()


class TestErrors:
    def test_what_a_controller_refuses(self, sandbox, token, get):
        headers = {"Authorization": f"Bearer {token(client=LIMITED_ID)}"}
        answer = requests.get(f"{sandbox.mautic_url}/api/forms", headers=headers, timeout=60)
        message = "You do not have access to the requested area/action."
        assert answer.json() == {"errors": [{"code": 403, "message": message, "details": []}]}
        assert get("/api/emails/999", 404) == {
            "errors": [{"code": 404, "message": "Item was not found.", "details": []}]
        }

    def test_what_nobody_caught(self, get):
        (error,) = get("/api/contacts", 500, orderBy="dateModified")["errors"]
        assert error["message"].endswith("please report me to the system administrator!")
        assert (error["code"], error["type"]) == (500, None)

    def test_paths_that_lead_nowhere(self, sandbox, get):
        (error,) = get("/api/nowhere", 404)["errors"]
        assert error["message"] == "Requested URL not found: /mautic/api/nowhere"
        url = f"{sandbox.mautic_url}/nowhere/oauth/v2/token"
        (error,) = requests.post(url, timeout=60).json()["errors"]
        assert error["message"] == "Requested URL not found: /mautic/nowhere/oauth/v2/token"
        page = requests.get(f"{sandbox.mautic_url}/nowhere", timeout=60)
        assert page.status_code == 404
        assert page.headers["Content-Type"].startswith("text/html")
        assert page.cookies

    def test_pages_need_a_session(self, sandbox):
        url = f"{sandbox.mautic_url}/s/oauth/v2/token"
        response = requests.post(url, timeout=60, allow_redirects=False)
        assert response.status_code == 302
        assert response.headers["Location"].endswith("/s/login")

    def test_out_of_memory(self, sandbox, mautic, token):
        mautic.switches(memory_rows=10)
        headers = {"Authorization": f"Bearer {token()}"}
        url = f"{sandbox.mautic_url}/api/contacts"
        answer = requests.get(url, headers=headers, timeout=60)
        assert answer.status_code == 500
        assert "<title>Site is offline</title>" in answer.text
        assert answer.headers["Cache-Control"] == "no-cache, private"


class TestLists:
    def test_emails_are_joined_with_their_segments(self, get):
        order = {"orderBy": "id", "limit": 3}
        pages = [[*get("/api/emails", start=start, **order)["emails"]] for start in (0, 3, 6)]
        assert pages == [["1", "2"], ["3"], ["5", "6"]]
        assert get("/api/emails", **order)["total"] == 44

    def test_emails_that_are_filtered_come_in_whole_pages(self, get, mautic):
        order = {"orderBy": "id", "limit": 3, **clause(0, "id", "gt", "0")}
        assert [*get("/api/emails", **order)["emails"]] == ["1", "2", "3"]
        mautic.switches(joined_pages=True)
        assert [*get("/api/emails", **order)["emails"]] == ["1", "2"]

    def test_limits(self, get):
        assert len(get("/api/forms", limit=0)["forms"]) == 5
        assert get("/api/forms", limit="many") == {"total": 5, "forms": []}
        assert get("/api/contacts", limit="many") == {"total": "300", "contacts": {}}

    def test_associations_to_many_are_lists(self, get, mautic):
        email = get("/api/emails", **clause(0, "id", "eq", "3"))["emails"]["3"]
        assert [one["id"] for one in email["lists"]] == [1, 2, 3]
        assert email["lists"][0].keys() == {
            *("createdByUser", "modifiedByUser", "id", "name", "publicName", "alias"),
            *("description", "category"),
        }
        assert get("/api/emails", **clause(0, "id", "eq", "4"))["emails"]["4"]["lists"] == []
        mautic.switches(relations_by_id=True)
        email = get("/api/emails", **clause(0, "id", "eq", "3"))["emails"]["3"]
        assert [*email["lists"]] == ["1", "2", "3"]

    def test_relatives_are_whole_but_for_dates(self, get):
        email = get("/api/emails/4")["email"]
        parent = email["variantParent"]
        assert email.keys() - parent.keys() == {
            *("isPublished", "dateAdded", "createdBy", "dateModified", "modifiedBy"),
        }
        assert parent["customHtml"].startswith("<html>")
        # Nothing is shown inside of itself.
        assert [one["id"] for one in parent["variantChildren"]] == [9]
        assert parent["variantChildren"][0]["variantParent"] is None

    def test_submissions_need_the_alias_of_their_table(self, get):
        path = "/api/forms/1/submissions"
        get(path, 500, orderBy="id")
        get(path, 500, **clause(0, "id", "gt", "0"))
        page = get(path, orderBy="s.id", limit=2, **clause(0, "s.id", "gt", "5"))
        assert [row["id"] for row in page["submissions"]] == [10, 15]
        assert get(path, orderBy="s.id", **clause(0, "s.id", "gt", "9999"))["submissions"] == {}
        get("/api/forms/99/submissions", 404, orderBy="s.id")

    def test_what_the_api_does_not_have(self, get):
        assert get("/api/categories")["categories"][0].keys() == {
            *("id", "title", "alias", "description", "color", "bundle"),
        }
        assert not {"alias", "language", "revision"} & get("/api/stages")["stages"][0].keys()
        assert "description" not in get("/api/pages")["pages"][0]
        assert "revision" not in get("/api/forms")["forms"][0]
        assert get("/api/forms")["forms"][0]["modifiedByUser"] == " "

    def test_properties_of_fields_are_objects(self, get):
        fields = get("/api/fields/contact", limit=0, **clause(0, "id", "gt", "0"))["fields"]
        assert {field["object"] for field in fields.values()} == {"lead"}
        assert fields["2"]["properties"] == {}
        assert fields["2"]["isListable"] is True

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
        assert {type(value) for row in answer["stats"] for value in row.values()} == {str}

    def test_nulls_are_left_out(self, get):
        (opened,) = get("/api/stats/email_stats", **clause(0, "id", "eq", "3"))["stats"]
        (unopened,) = get("/api/stats/email_stats", **clause(0, "id", "eq", "4"))["stats"]
        assert opened.keys() - unopened.keys() == {"date_read", "last_opened", "open_details"}
        assert unopened.keys() - opened.keys() == {"copy_id"}

    def test_errors_have_a_200(self, get):
        wrong = get("/api/stats/email_stats", **clause(0, "dateSent", "gt", "1"))["errors"][0]
        assert wrong["code"] == 1054
        assert "SQLSTATE[42S22]: Column not found" in wrong["message"]
        order = {"order[0][col]": "nowhere", "order[0][dir]": "asc"}
        assert get("/api/stats/email_stats", **order)["errors"][0]["code"] == 1054
        without = get("/api/stats/email_stats", **{"where[0][col]": "id", "where[0][val]": "1"})
        said = '"expr" is missing in the where clause array.'
        assert without == {"errors": [{"message": said, "code": 0}]}
        assert "email_stats" in get("/api/stats/email_stat")["availableTables"]

    def test_limits(self, get):
        assert len(get("/api/stats/page_hits")["stats"]) == 100
        assert get("/api/stats/page_hits", limit=0)["stats"] == []
        answer = get("/api/stats/page_hits", limit="many")
        assert (answer["total"], answer["stats"]) == ("900", [])

    def test_rows_come_in_any_order(self, get):
        pages = [get("/api/stats/page_hits")["stats"] for _ in range(2)]
        assert pages[0] != pages[1]
        order = {"order[0][col]": "id", "order[0][dir]": "asc"}
        pages = [get("/api/stats/page_hits", **order)["stats"] for _ in range(2)]
        assert pages[0] == pages[1]

    def test_tables_of_5_1_1(self, get, mautic):
        answer = get("/api/stats")
        assert len(answer["availableTables"]) == 33
        assert "utm_source" in answer["tableColumns"]["asset_downloads"]
        assert "manually_added" not in answer["tableColumns"]["companies_leads"]
        mautic.switches(version=4)
        assert "utm_source" not in get("/api/stats")["tableColumns"]["asset_downloads"]


class TestRoles:
    def test_a_role_sees_its_own_rows(self, get, mautic):
        mautic.switches(own_only=True)
        assert get("/api/contacts")["total"] == "0"
        assert get("/api/emails")["emails"] == []
        # Before version 7 a filter takes the place of that.
        every = clause(0, "id", "gt", "0")
        assert get("/api/contacts", **every)["total"] == "300"
        get("/api/contacts/5", 403)
        get("/api/segments/1")
        mautic.switches(user=1, version=7)
        # Half of the visitors are nobody's.
        assert get("/api/contacts", **every)["total"] == "285"


class TestChanges:
    def test_a_merge_moves_rows_and_is_in_the_audit_log(self, get, mautic):
        before = get("/api/stats/email_stats", limit=999, **clause(0, "lead_id", "eq", "5"))
        assert int(before["total"]) > 0
        mautic.merge(loser=5, winner=6)
        get("/api/contacts/5", 404)
        after = get("/api/stats/email_stats", limit=999, **clause(0, "lead_id", "eq", "6"))
        moved = {row["id"] for row in before["stats"]}
        assert moved <= {row["id"] for row in after["stats"]}
        log = get("/api/stats/audit_log", limit=999, **clause(0, "object_id", "eq", "5"))["stats"]
        assert {"merge", "delete"} <= {row["action"] for row in log}


def test_calls_are_limited_by_token(sandbox, mautic, token):
    mautic.limits(per_hour=2)
    headers = {"Authorization": f"Bearer {token()}"}
    before = int(time.time())
    answers = [requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=60)]
    after = int(time.time())
    answers += [
        requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=60)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[1].headers["X-RateLimit-Remaining"] == "0"
    assert answers[2].headers["Content-Type"] == "application/json"
    # An hour after the first call.
    assert before + 3600 <= int(answers[2].headers["X-RateLimit-Reset"]) <= after + 3600
    assert "Retry-After" not in answers[2].headers
    headers = {"Authorization": f"Bearer {token()}"}
    answer = requests.get(f"{sandbox.mautic_url}/api/tags", headers=headers, timeout=60)
    assert answer.status_code == 200
