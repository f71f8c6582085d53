"""Tables that dlt itself made: taken over, loaded into, and queried as before.

The files in `dlt` are what dlt 1.4 and 1.31 made of `tests/harness/migration/samples.py`.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from warehouse import Warehouse, record, schema

from signalroom_target_postgres.cli.commands import main
from signalroom_target_postgres.dlt_adoption.names import dlt_name, likely_keys
from signalroom_target_postgres.dlt_adoption.take_over import take_over
from signalroom_target_postgres.dlt_adoption.view import describe_view, make_view
from signalroom_target_postgres.errors import TargetPostgresError

SCHEMAS = ("everflow", "mautic", "posthog", "redtrack", "s3_exports")
FILES = sorted((Path(__file__).parent / "dlt").glob("*.sql"))
DATES = {"type": ["string", "null"], "format": "date-time"}
LOADED = {"_loaded_at": "2026-01-02T06:00:00+00:00"}
DAILY = ("everflow.daily_stats", "date", "affiliate_id", "advertiser_id")
STREAMS = {
    "everflow.daily_stats": schema(
        {"_client_id": "string", "date": {"type": ["string"], "format": "date"}}
        | dict.fromkeys(("affiliate_id", "advertiser_id", "clicks", "conversions"), "integer")
        | dict.fromkeys(("payout", "revenue", "profit"), "number")
        | dict.fromkeys(("affiliate_label", "advertiser_label"), "string")
        | {"_loaded_at": DATES},
        keys=("_client_id", "date", "affiliate_id", "advertiser_id"),
        stream="daily_stats",
    ),
    "posthog.events": schema(
        {"uuid": "string", "event": "string", "properties": "object", "timestamp": DATES}
        | {"distinct_id": "string", "elements_chain": "string", "_loaded_at": DATES},
        keys=("uuid",),
        stream="events",
    ),
    "posthog.feature_flags": schema(
        {"id": "integer", "key": "string", "created_by": "object", "_loaded_at": DATES},
        stream="feature_flags",
    ),
    "posthog.experiments": schema(
        {"id": "integer", "name": "string", "feature_flag": "object", "decision": "integer"}
        | {"_extra": "object", "_loaded_at": DATES},
        stream="experiments",
    ),
    "mautic.contacts": schema(
        {"id": "integer", "email": "string", "city": "string", "lifetime_value": "number"}
        | {"orders": "integer"}
        | {"is_member": "boolean", "last_order": DATES, "owner": "object", "_loaded_at": DATES}
        | {"ip_addresses": "object", "points": "integer"},
        stream="contacts",
    ),
    "mautic.emails": schema(
        {"id": "integer", "name": "string", "lists": "object", "_loaded_at": DATES},
        stream="emails",
    ),
    "mautic.campaigns": schema(
        {"id": "integer", "events": "object", "_loaded_at": DATES}, stream="campaigns"
    ),
}
OLD, OTHER, NEW = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 9))


@pytest.fixture(scope="module")
def database(server):
    """A database of these tests, as schemas have the names that dlt gave them."""
    name = f"dlt_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.libpq_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield [
            url.replace(f"/{connection.info.dbname}", f"/{name}", 1)
            for url in (server.libpq_url, server.sqlalchemy_url)
        ]
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def legacy(request, database):
    """The database as dlt left it."""
    made = Legacy(*database)
    made.sql(f"DROP SCHEMA IF EXISTS {', '.join(SCHEMAS)} CASCADE")
    made.sql(request.param.read_text())
    return made


class Legacy:
    def __init__(self, libpq_url, sqlalchemy_url):
        self.urls = libpq_url, sqlalchemy_url

    def sql(self, query):
        with psycopg.connect(self.urls[0], autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def take_over(self, table, *key, **options):
        with psycopg.connect(self.urls[0], autocommit=True) as connection:
            return take_over(connection, *table.split("."), key, **options)

    def load(self, table, *records, **settings):
        name, _, stream = table.partition(".")
        Warehouse(*self.urls, name).load(
            STREAMS[table],
            *(record(stream, **LOADED | values) for values in records),
            **settings,
        )

    def view(self, table, **options):
        with psycopg.connect(self.urls[0], autocommit=True) as connection:
            return make_view(connection, *table.split("."), **options)


@pytest.fixture
def command(database, monkeypatch, tmp_path):
    """The command line, in this process."""
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("TARGET_POSTGRES_SQLALCHEMY_URL", database[1])

    def run(*arguments, code=0):
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert done.exit_code == code, done.output
        return done.output

    return run


def refused(call, *arguments, **options):
    with pytest.raises(TargetPostgresError) as error:
        call(*arguments, **options)
    assert "\n" not in error.value.message
    return error.value.message


def test_a_table_that_has_a_client_is_not_taken_over_without_it(legacy, command):
    message = refused(legacy.take_over, *DAILY)
    assert "everflow.daily_stats has its rows by client, '713' in 3 rows in `_client_id`" in message
    assert "Nothing was changed." in message
    given = message.partition("and run: uv run signalroom-postgres ")[2].partition(". ")[0]
    output = command(*given.split())
    assert "clients       713 (3 rows); the tap's `client_id` must be the same" in output

    day = {"_client_id": "713", "affiliate_id": 7, "advertiser_id": 1, "payout": 1}
    legacy.load("everflow.daily_stats", day | {"date": "2025-12-03"}, day | {"date": "2025-12-04"})
    assert legacy.sql(
        "SELECT date, payout FROM everflow.daily_stats WHERE _client_id = '713' ORDER BY 1"
    ) == [("2025-12-01", 40.25), ("2025-12-02", 40.25), ("2025-12-03", 1), ("2025-12-04", 1)]


def test_several_clients_are_named_and_one_of_them_will_do(legacy):
    legacy.sql("UPDATE everflow.daily_stats SET _client_id = 'acme' WHERE date = '2025-12-03'")
    legacy.sql("UPDATE everflow.daily_stats SET _client_id = NULL WHERE date = '2025-12-02'")
    message = refused(legacy.take_over, *DAILY, dry_run=True)
    assert "'713' in 1 row, 'acme' in 1 row" in message
    assert "each client's tap its own" in message
    assert "Rows without a client (1) get the one that you give" in message
    assert "--client-id 713 --dry-run." in message
    result = legacy.take_over(*DAILY, client_id="acme")
    assert result.clients == {"acme": 2, "713": 1}


def test_a_client_that_no_row_has_is_refused(legacy):
    message = refused(legacy.take_over, *DAILY, client_id="acme")
    assert "no row of the client 'acme', but '713' in 3 rows" in message
    assert "would be in the table twice" in message
    legacy.sql(message.partition("run first: ")[2].partition(". Nothing")[0])
    assert legacy.take_over(*DAILY, client_id="acme").clients == {"acme": 3}


def test_the_client_can_be_a_key_column_or_be_done_without(legacy):
    assert legacy.take_over(DAILY[0], "_client_id", *DAILY[1:], dry_run=True).key_added
    assert legacy.take_over(*DAILY, without_client=True).clients == {"713": 3}


def test_a_table_taken_over_without_its_client_is_put_right(legacy):
    """As the guide had it once: new days have no client."""
    legacy.take_over(*DAILY, without_client=True)
    legacy.sql(
        "INSERT INTO everflow.daily_stats (date, affiliate_id, advertiser_id)"
        " VALUES ('2025-12-04', 7, 1)"
    )
    message = refused(legacy.take_over, *DAILY)
    assert "Rows without a client (1) get the one that you give" in message
    message = refused(legacy.take_over, *DAILY, client_id="713")
    legacy.sql(message.partition("remove it first: ")[2])
    assert legacy.take_over(*DAILY, client_id="713").clients == {"713": 4}


def test_what_is_not_filled_any_more_is_named(legacy):
    result = legacy.take_over("posthog.events", "uuid")
    assert {"id", "properties___browser", "properties__order_id__v_text"} <= {*result.nested}
    assert result.children == ("events__properties__items",)
    result = legacy.take_over("mautic.emails", "id")
    assert result.optional == {"custom_html": "include_html"}
    assert result.empty == ()
    legacy.load("mautic.emails", {"id": 1, "name": "Hello"}, {"id": 2, "name": None})
    assert {"name", "custom_html"} <= {*legacy.take_over("mautic.emails", "id").empty}


@pytest.fixture
def catalog(tmp_path):
    """A tap's catalog, with these columns of a stream."""

    def written(stream, *columns, key, client=None, deselected=()):
        properties = {name: {"type": ["string", "null"]} for name in columns}
        if client:
            properties["_client_id"] = {"const": client, "type": "string"}
            key = ("_client_id", *key)
        metadata = [
            {"breadcrumb": ["properties", name], "metadata": {"selected": name not in deselected}}
            for name in columns
        ]
        entry = {"stream": stream, "key_properties": key, "metadata": metadata}
        entry["schema"] = {"properties": properties}
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps({"streams": [entry]}))
        return path

    return written


def test_a_catalog_names_what_the_stream_does_not_have(legacy, command, catalog):
    columns = ("date", "affiliate_id", "advertiser_id", "payout", "revenue", "profit", "clicks")
    path = catalog("daily_stats", *columns, key=columns[:3], client="713", deselected=["profit"])
    output = command("take-over", "everflow.daily_stats", "--catalog", path)
    assert "key           _client_id, date, affiliate_id, advertiser_id (new primary key)" in output
    assert (
        "not filled    affiliate_label, advertiser_label, conversions, profit, _loaded_at: the "
        "stream has no such column; dlt's values stay, and new rows have NULL there"
    ) in output


@pytest.mark.parametrize(
    ("client", "options", "sentence"),
    (
        (None, (), "and no --client-id was given"),
        (None, ("--client-id", "713"), "set the tap's `client_id` to '713'"),
        ("acme", ("--client-id", "713"), "is not the tap's, which has 'acme' in the catalog"),
        ("acme", (), "has no row of the client 'acme', but '713' in 3 rows"),
        ("713", ("--key", "date"), "The key (date) is not the stream's"),
    ),
)
def test_a_catalog_must_agree(legacy, command, catalog, client, options, sentence):
    key = ("date", "affiliate_id", "advertiser_id")
    path = catalog("daily_stats", *key, key=key, client=client)
    output = command("take-over", "everflow.daily_stats", "--catalog", path, *options, code=1)
    assert sentence in output


@pytest.mark.parametrize(
    ("text", "sentence"),
    (
        ("{", "is not a catalog: write one with"),
        ('{"streams": [{"stream": "orders"}]}', "has no stream 'daily_stats'"),
    ),
)
def test_another_file_than_the_taps_catalog(command, tmp_path, text, sentence):
    (tmp_path / "catalog.json").write_text(text)
    path = tmp_path / "catalog.json"
    output = command("take-over", "everflow.daily_stats", "--catalog", path, code=1)
    assert sentence in output


def test_properties_are_in_the_view_by_dlts_names_and_types(legacy):
    legacy.take_over("posthog.events", "uuid")
    before = legacy.sql(f"SELECT * FROM posthog.events WHERE uuid = '{OTHER}'")
    legacy.load(
        "posthog.events",
        {
            "uuid": OLD,
            "properties": {"$browser": "Chrome", "planName": "free", "order_id": 18, "price": 10},
        },
        {
            "uuid": NEW,
            "properties": {
                "$browser": {"nested": 1},
                "order_id": "B-2",
                "paid": True,
                "price": 1.25,
                "ordered_at": "2025-12-24T10:00:00",
                "$set": {"email": "new@example.com"},
            },
        },
        {
            "uuid": NEW.replace("9", "8"),
            "properties": {
                "ordered_at": "2025-02-29T10:00:00",
                "order_id": 10**30,
                "price": "1e999",
            },
        },
    )
    result = legacy.view("posthog.events")
    assert result.served["properties__plan_name"] == "properties.planName"
    # No new row has it, as with personal data that nobody asked for.
    assert result.waiting == ("properties___ip",)
    assert "until then dlt's values stay there" in describe_view(result)
    shown = legacy.sql("SELECT properties___ip FROM posthog.events_dlt ORDER BY uuid")
    assert shown == [("192.0.2.1",), (None,), (None,), (None,)]
    query = (
        "SELECT id, properties___browser, properties__plan_name, properties__order_id,"
        " properties__order_id__v_text, properties__paid, properties__price,"
        " properties__ordered_at AT TIME ZONE 'UTC' = '2025-12-24 10:00', properties___set__email"
        " FROM posthog.events_dlt WHERE uuid = '%s'"
    )
    assert legacy.sql(query % OLD) == [(OLD, "Chrome", "free", 18, None, None, 10.0, None, None)]
    assert legacy.sql(query % NEW) == [
        (NEW, None, None, None, "B-2", True, 1.25, True, "new@example.com")
    ]
    (odd,) = legacy.sql(query % NEW.replace("9", "8"))
    assert odd[3:8] == (None, str(10**30), None, None, None)
    # What was not loaded again is as it was.
    columns = ", ".join(
        f'"{name}"'
        for (name,) in legacy.sql(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'posthog'"
            " AND table_name = 'events' ORDER BY ordinal_position"
        )
    )
    shown = legacy.sql(f"SELECT {columns} FROM posthog.events_dlt WHERE uuid = '{OTHER}'")
    assert shown[0][: len(before[0])] == before[0]


def test_fields_of_contacts_are_in_the_view_by_dlts_names_and_types(legacy):
    legacy.take_over("mautic.contacts", "id")
    legacy.load(
        "mautic.contacts",
        {"id": 1, "email": "new@example.com", "city": None, "lifetime_value": 20.5, "points": 9},
        {"id": 3, "is_member": True, "last_order": "2026-01-01T10:00:00Z", "owner": {"id": 4}},
    )
    legacy.view("mautic.contacts")
    query = (
        "SELECT id, fields__all__email, fields__core__email__value, fields__all__city,"
        " fields__all__lifetime_value, fields__core__lifetime_value__value, fields__all__is_member,"
        " fields__core__email__label, owner__id,"
        " fields__all__last_order AT TIME ZONE 'UTC' FROM mautic.contacts_dlt ORDER BY id"
    )
    one, two, three = legacy.sql(query)
    # What the contact does not have any more is NULL, not what it was for dlt.
    assert one[:9] == (
        1,
        "new@example.com",
        "new@example.com",
        None,
        20.5,
        "20.5",
        None,
        "Email",
        None,
    )
    assert two[:4] == (2, "two@example.com", "two@example.com", None)
    assert three[:9] == (3, None, None, None, None, None, "1", None, 4)
    assert str(three[9]) == "2026-01-01 10:00:00"


def test_normalized_values_are_as_mautic_sends_them(legacy):
    """An empty text in place of null; among numbers dlt puts it into a column of its own."""
    legacy.take_over("mautic.contacts", "id")
    query = (
        "SELECT fields__core__city__value, fields__core__city__normalized_value,"
        " fields__core__orders__value, fields__core__orders__normalized_value,"
        " fields__core__orders__normalized_value__v_text FROM mautic.{} WHERE id = {}"
    )
    assert legacy.sql(query.format("contacts", 2)) == [(None, "", None, None, "")]
    legacy.load("mautic.contacts", {"id": 2}, {"id": 3, "city": "Sample City", "orders": 5})
    legacy.view("mautic.contacts")
    assert legacy.sql(query.format("contacts_dlt", 2)) == [(None, "", None, None, "")]
    assert legacy.sql(query.format("contacts_dlt", 3)) == [
        ("Sample City", "Sample City", 5, 5, None)
    ]


EXPERIMENT = (
    "SELECT id, reach, reviewed_at AT TIME ZONE 'UTC' = '2025-12-24 10:00', decision,"
    " exposure_criteria__filter_test_accounts FROM posthog.experiments{} ORDER BY id"
)


@pytest.fixture
def experiments(legacy):
    """The table of experiments, with rows of dlt and newer ones that have fields in `_extra`."""
    legacy.sql(
        "INSERT INTO posthog.experiments (id, reach, decision, _dlt_load_id, _dlt_id)"
        " VALUES (1, 30, 'none', '1', 'first')"
    )
    legacy.take_over("posthog.experiments", "id")
    fields = {"reach": 41, "reviewedAt": "2025-12-24T10:00:00", "decision": "won"}
    odd = {"reach": "many", "reviewedAt": "2025-02-30", "exposure_criteria": "all"}
    legacy.load(
        "posthog.experiments",
        {
            "id": 2,
            "feature_flag": {"id": 6},
            "_extra": fields | {"exposure_criteria": {"filterTestAccounts": False}},
        },
        {"id": 3, "decision": 4, "_extra": odd},
        {"id": 4, "decision": 5, "_extra": {"reach": 10**30, "reviewedAt": None}},
        {"id": 5, "decision": 6},
    )
    return legacy


def test_fields_that_the_stream_does_not_declare_are_in_the_view(experiments):
    result = experiments.view("posthog.experiments")
    assert result.served == {
        "feature_flag__id": "feature_flag.id",
        "feature_flag__key": "feature_flag.key",
        "reach": "_extra.reach",
        "reviewed_at": "_extra.reviewedAt",
        "decision": "_extra.decision",
        "exposure_criteria__filter_test_accounts": "_extra.exposure_criteria.filterTestAccounts",
    }
    # What cannot be converted is NULL; what fits the stream's own column is there.
    assert experiments.sql(EXPERIMENT.format("_dlt")) == [
        (1, 30, None, "none", None),
        (2, 41, True, "won", False),
        (3, None, None, "4", None),
        (4, None, None, "5", None),
        (5, None, None, "6", None),
    ]


def test_fields_that_the_stream_does_not_declare_are_named(experiments, command, catalog):
    declared = ("id", "name", "feature_flag", "decision", "_extra", "_loaded_at")
    path = catalog("experiments", *declared, key=("id",))
    output = command("take-over", "posthog.experiments", "--catalog", path)
    assert (
        "not filled    reach, reviewed_at, decision: new rows with NULL there have the value in "
        "`_extra`; `signalroom-postgres dlt-view posthog.experiments` makes a view with it"
    ) in output
    # Before the first load the catalog alone says so.
    experiments.sql("ALTER TABLE posthog.experiments DROP COLUMN _extra")
    output = command("take-over", "posthog.experiments", "--catalog", path)
    assert "not filled    reach, reviewed_at: the stream has no such column" in output
    message = describe_view(experiments.view("posthog.experiments"))
    assert "NULL in all rows that came since dlt's last load: reach, reviewed_at." in message


def test_a_table_without_nested_data_has_a_view_of_fields_that_no_column_has(legacy):
    legacy.sql("ALTER TABLE everflow.daily_stats ADD COLUMN _extra jsonb")
    assert "needs no view" in refused(legacy.view, "everflow.daily_stats")
    legacy.sql(
        'UPDATE everflow.daily_stats SET clicks = NULL, _extra = \'{"clicks": "91"}\''
        " WHERE date = '2025-12-03'"
    )
    assert legacy.view("everflow.daily_stats").served == {"clicks": "_extra.clicks"}
    shown = legacy.sql("SELECT clicks FROM everflow.daily_stats_dlt ORDER BY date")
    assert shown == [(90,), (90,), (91,)]


@pytest.mark.parametrize(
    ("table", "record_", "column", "expected"),
    (
        ("mautic.emails", {"lists": {"1": {"id": 7}}}, "lists___1__id", 7),
        ("mautic.campaigns", {"events": {"100": {"id": 8}}}, "events___100__id", 8),
        ("posthog.feature_flags", {"created_by": {"id": 9}}, "created_by__id", 9),
    ),
)
def test_nested_objects_are_in_the_view(legacy, table, record_, column, expected):
    legacy.take_over(table, "id")
    legacy.load(table, {"id": 99, **record_})
    result = legacy.view(table)
    assert column in result.served
    assert legacy.sql(f"SELECT {column} FROM {table}_dlt WHERE id = 99") == [(expected,)]


def test_the_view_is_made_again_when_columns_came(legacy):
    legacy.take_over("posthog.events", "uuid")
    message = refused(legacy.view, "posthog.events")
    assert "has no row of the new pipeline yet: take it over, load the stream once" in message
    legacy.load("posthog.events", {"uuid": NEW, "properties": {"a": 1}})
    legacy.sql("CREATE ROLE reader_of_dlt")
    legacy.sql("GRANT SELECT ON posthog.events TO reader_of_dlt")
    assert "CREATE OR REPLACE VIEW" in legacy.view("posthog.events", dry_run=True).statement
    assert legacy.sql("SELECT to_regclass('posthog.events_dlt')") == [(None,)]
    legacy.view("posthog.events")
    assert legacy.sql(
        "SELECT has_table_privilege('reader_of_dlt', 'posthog.events_dlt', 'SELECT')"
    ) == [(True,)]
    legacy.sql("ALTER TABLE posthog.events ADD COLUMN later text")
    legacy.view("posthog.events")
    assert legacy.sql(f"SELECT later FROM posthog.events_dlt WHERE uuid = '{NEW}'") == [(None,)]
    legacy.sql("DROP OWNED BY reader_of_dlt; DROP ROLE reader_of_dlt")


def test_a_column_that_cannot_widen_for_the_view_is_named(legacy):
    legacy.take_over("mautic.contacts", "id")
    legacy.load("mautic.contacts", {"id": 1})
    legacy.view("mautic.contacts")
    stream = STREAMS["mautic.contacts"]
    fractions = stream | {
        "schema": stream["schema"]
        | {"properties": stream["schema"]["properties"] | {"points": {"type": ["number", "null"]}}}
    }
    load = Warehouse(*legacy.urls, "mautic").load
    with pytest.raises(Exception, match="contacts_dlt"):
        load(fractions, record("contacts", id=1, points=1.5))
    legacy.sql("DROP VIEW mautic.contacts_dlt")
    load(fractions, record("contacts", id=1, points=1.5))
    legacy.view("mautic.contacts")


def test_a_view_is_not_made_where_it_is_not_needed_or_something_else_is(legacy):
    assert "needs no view" in refused(legacy.view, "everflow.daily_stats")
    assert "The table posthog.nothing does not exist" in refused(legacy.view, "posthog.nothing")
    legacy.take_over("posthog.events", "uuid")
    legacy.load("posthog.events", {"uuid": NEW, "properties": {"a": 1}})
    legacy.sql("CREATE VIEW posthog.events_dlt AS SELECT 1 AS one")
    message = refused(legacy.view, "posthog.events")
    assert "events_dlt exists, and was not created by this command" in message


@pytest.mark.parametrize(
    ("key", "name"),
    (
        ("$browser", "_browser"),
        ("planName", "plan_name"),
        ("100", "_100"),
        ("Click ID", "click_id"),
        ("HTTPServer", "http_server"),
        ("$feature/new-page", "_feature_new_page"),
        ("x_", "xx"),
        ("a__b", "a_b"),
        ("+1 @home", "x1_ahome"),
        ("192.0.2.7", "_192_0_2_7"),
    ),
)
def test_names_are_dlts(key, name):
    """As dlt 1.4 and 1.31 write them."""
    assert dlt_name(key) == name


def test_keys_are_guessed_where_no_row_has_one():
    assert likely_keys("plan_name") == ["plan_name", "planName"]
    assert "$browser" in likely_keys("_browser")
    assert "100" in likely_keys("_100")
