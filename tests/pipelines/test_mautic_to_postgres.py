"""Mautic into PostgreSQL, through Meltano and without."""

from __future__ import annotations

import pytest
from harness.pipelines import new_pipe

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.e2e

TAP = "tap-mautic"
STREAMS = ("contacts", "emails", "campaigns", "email_stats")
SUMS = (
    "select count(*)::int as count, sum(points)::int as points, min(id)::int as first,"
    " max(id)::int as last, sum(length(coalesce(firstname, '')))::int as letters"
    " from mautic.contacts"
)


@pytest.fixture
def mautic(sandbox):
    return sandbox.control.mautic


@pytest.fixture
def pipe(tmp_path, sandbox, database, zygote):
    return new_pipe(
        TAP, tmp_path / "pipe", sandbox, database, "mautic", zygote.bin, TAP_MAUTIC_PAGE_SIZE="50"
    )


def test_other_entities_are_objects_by_id(pipe, mautic, database):
    html = "<html>" + "x" * 300_000
    for number in (1, 4, 9):
        mautic.change(resource="emails", identifier=number, customHtml=html)
    pipe.choose("emails", "campaigns", "forms")
    pipe.load()
    rows = database.query(
        "select id, lists->'2'->>'name' as segment, variant_parent->>'id' as parent,"
        " (select string_agg(key, ',' order by key) from jsonb_object_keys(variant_children) key)"
        " as children, length(row_to_json(emails)::text) < 5000 as is_small,"
        " _extra is null as is_whole from mautic.emails where id in (1, 3, 4) order by id"
    )
    small = {"is_small": True, "is_whole": True}
    assert rows == [
        {"id": 1, "segment": None, "parent": None, "children": "4,9", **small},
        {"id": 3, "segment": "Segment 2", "parent": None, "children": None, **small},
        {"id": 4, "segment": None, "parent": "1", "children": None, **small},
    ]
    (row,) = database.query(
        "select (select count(*) from mautic.campaigns, jsonb_each(events))::int as events,"
        " (select count(*) from mautic.forms, jsonb_each(fields))::int as fields"
    )
    assert row == {"events": 9, "fields": 5}


def test_contacts_and_what_changed(project, mautic, sandbox, database):
    # By the variables of the pipeline before.
    for name in ("API_URL", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET"):
        del project.env[f"TAP_MAUTIC_{name}"]
    (project.folder / ".env").write_text(
        f"MAUTIC_BASE_URL={sandbox.mautic_url}\nMAUTIC_CLIENT_ID={CLIENT_ID}\n"
        f"MAUTIC_CLIENT_SECRET={CLIENT_SECRET}\n"
    )
    project.load(*STREAMS, tap=TAP)
    assert database.query(SUMS) == [mautic.digest()]
    (row,) = database.query(
        "select email, pg_typeof(lifetime_value)::text as number, pg_typeof(birthday)::text as day,"
        " pg_typeof(is_member)::text as flag, pg_typeof(last_order)::text as moment, interests"
        " from mautic.contacts where id = 6"
    )
    assert row == {
        "email": "lead6@example.com",
        "number": "numeric",
        "day": "date",
        "flag": "boolean",
        "moment": "timestamp with time zone",
        "interests": ["sport", "travel"],
    }
    keys = database.query(
        "select table_name as name, string_agg(column_name, ',') as key"
        " from information_schema.key_column_usage where table_schema = 'mautic' group by 1"
    )
    assert {row["name"]: row["key"] for row in keys} == dict.fromkeys(STREAMS, "id")
    mautic.edit(numbers=[7, 70], firstname="Edited")
    mautic.add(count=3)
    opened = {"is_read": 1, "open_count": 1, "date_read": mautic.now()}
    mautic.set(table="email_stats", where={"id": 400}, **opened)
    project.load(*STREAMS, tap=TAP)
    assert database.query(SUMS) == [mautic.digest()]
    assert database.query("select is_read from mautic.email_stats where id = 400") == [
        {"is_read": True}
    ]
    bookmark = project.saved_bookmarks(f"dev:{TAP}-to-target-postgres")["contacts"]
    assert bookmark["replication_key"] == "_updated_at"
    assert bookmark["replication_key_value"].endswith("Z")
    assert "sweep" not in bookmark


@pytest.mark.parametrize("version", (5, 6))
def test_it_equals_the_instance_though_it_changes_meanwhile(pipe, mautic, database, version):
    mautic.switches(version=version)
    mautic.make_contacts(count=1500)
    mautic.switches(churn=9)
    pipe.choose("contacts", "contact_deletions")
    pipe.load()
    mautic.switches(churn=0)
    pipe.load()
    assert database.query(SUMS) == [mautic.digest()]
    assert database.query("select count(*) > 20 as many from mautic.contact_deletions") == [
        {"many": True}
    ]


def test_a_deleted_contact_is_gone_after_the_next_run(project, mautic, database):
    streams = ("contacts", "email_stats", "gone_contacts", "lead_event_log")
    project.load(*streams, tap=TAP)
    of_contact = "select id from mautic.lead_event_log where lead_id = 7"
    assert database.query(of_contact)
    before = [row for row in mautic.rows(table="leads") if row["id"] == 7]
    mautic.delete(numbers=[7, 300])
    (made,) = mautic.add(count=1)
    mautic.merge(loser=158, winner=made)
    project.load(*streams, tap=TAP)
    assert database.query(SUMS) == [mautic.digest()]
    for stream in ("email_stats", "lead_event_log"):
        loaded = database.query(f"select id::int from mautic.{stream} order by id")
        truth = sorted(int(row["id"]) for row in mautic.rows(table=stream))
        assert [row["id"] for row in loaded] == truth
    assert not database.query(of_contact)
    gone = database.query(
        "select contact_id::int as id, final_id::int as final from mautic.gone_contacts order by 1"
    )
    assert gone == [
        {"id": 7, "final": None},
        {"id": 158, "final": made},
        {"id": 300, "final": None},
    ]
    # One comes back from a backup: the log still says that it is gone.
    mautic.insert(table="leads", rows=before)
    project.load(*streams, tap=TAP)
    assert database.query(SUMS) == [mautic.digest()]


def test_deleted_ones_go_where_that_is_wanted(pipe, mautic, database):
    # The catalog was made before the setting.
    pipe.choose("contacts", "lead_donotcontact", "lead_lists_leads")
    pipe.load(TAP_MAUTIC_CONTACTS="all")
    mautic.delete(numbers=[5, 6, 7])
    mautic.remove(table="lead_lists_leads", where={"leadlist_id": 1})
    pipe.load(TAP_MAUTIC_CONTACTS="all")
    assert database.query(SUMS) == [mautic.digest()]
    assert database.query(
        "select count(*) as n from mautic.lead_lists_leads where leadlist_id = 1"
    ) == [{"n": 0}]


def test_a_failing_run_keeps_what_it_had_and_its_secrets(pipe, mautic, sandbox, database):
    pipe.choose("contacts", "emails")
    pipe.load()
    before = {name: database.contents(f"mautic.{name}") for name in ("contacts", "emails")}
    sandbox.control.fault("echo_key", vendor="mautic", match="api/emails", times=99, status=401)
    with pytest.raises(AssertionError) as caught:
        pipe.load()
    assert "emails: GET /api/emails answered 401" in str(caught.value)
    assert CLIENT_SECRET not in str(caught.value)
    assert "sandbox-token-" not in str(caught.value)
    for name, contents in before.items():
        assert database.contents(f"mautic.{name}") == contents
