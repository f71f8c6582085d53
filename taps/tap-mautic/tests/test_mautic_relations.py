"""Entities inside of others: one form each, whatever Mautic sends, and small."""

from __future__ import annotations

import json

import pytest

#: Columns that are objects by id, and where each of them has something.
BY_ID = {
    ("emails", "lists"): (3, {"1", "2", "3"}),
    ("emails", "variant_children"): (1, {"4", "9"}),
    ("emails", "translation_children"): (2, {"6"}),
    ("campaigns", "events"): (2, {"200", "201"}),
    ("campaigns", "forms"): (1, {"1"}),
    ("campaigns", "lists"): (1, {"1", "2"}),
    ("forms", "fields"): (1, {"1"}),
    ("forms", "actions"): (1, {"1"}),
    ("pages", "variant_children"): (1, {"4", "9"}),
    ("pages", "translation_children"): (2, {"6"}),
    ("contacts", "frequency_rules"): (8, {"email"}),
    ("contacts", "ip_addresses"): (1, {"192.0.2.7"}),
}
STREAMS = ("campaign_events", "campaigns", "contacts", "emails", "forms", "pages", "segments")
HTML = "<html>" + "x" * 300_000


def rows_of(output, stream):
    """Rows by id, without what each run has its own of."""
    return {
        row["id"]: {name: value for name, value in row.items() if name != "_loaded_at"}
        for row in output.records[stream]
    }


@pytest.fixture
def both(make_tap, mautic, sync):
    """What two instances give, one with lists and one with objects by id."""

    def run(*streams, **config):
        outputs = []
        for by_id in (False, True):
            mautic.switches(relations_by_id=by_id, tags_by_name=by_id)
            outputs.append(sync(make_tap(**config), *streams))
        return outputs

    return run


@pytest.mark.parametrize(("stream", "column"), BY_ID)
def test_associations_to_many_are_objects(both, caplog, stream, column):
    number, keys = BY_ID[stream, column]
    for output in both(stream, include_ip_addresses=True):
        rows = rows_of(output, stream)
        assert rows[number][column].keys() == keys
        assert all(isinstance(row[column], dict) for row in rows.values())
        assert {} in [row[column] for row in rows.values()] or column == "fields"
        assert all("_extra" not in row for row in rows.values())
    assert "could not be read" not in caplog.text
    assert "kept in _extra" not in caplog.text


@pytest.mark.parametrize("stream", STREAMS)
def test_rows_are_the_same_whichever_way_mautic_writes_them(both, stream):
    lists, objects = both(stream, include_ip_addresses=True, include_html=True)
    assert rows_of(lists, stream) == rows_of(objects, stream)


@pytest.mark.parametrize("empty", ([], {}, None))
def test_nothing_is_nothing_in_each_form(make_tap, mautic, sync, caplog, empty):
    mautic.change(resource="emails", identifier=3, lists=empty, category=empty, utmTags=empty)
    row = rows_of(sync(make_tap(), "emails"), "emails")[3]
    assert not row["lists"]
    assert not row["category"]
    assert "_extra" not in row
    assert "could not be read" not in caplog.text


def test_entities_that_are_numbers_or_have_no_id(make_tap):
    stream = make_tap().streams["emails"]
    row = stream.post_process({"id": 1, "lists": [4, {"name": "No id"}, "text"], "category": 3})
    assert row["lists"] == {"4": {"id": 4}, "1": {"name": "No id"}, "2": "text"}
    assert row["category"] == {"id": 3}
    assert "_extra" not in row


def test_what_is_no_entity_is_kept_elsewhere(make_tap, caplog):
    row = make_tap().streams["emails"].post_process({"id": 1, "lists": "text"})
    assert row["lists"] is None
    assert row["_extra"] == {"lists": "text"}
    assert "column lists" in caplog.text


class TestRelatives:
    def test_they_are_id_and_name(self, make_tap, sync):
        output = sync(make_tap(include_html=True), "emails", "pages", "campaigns")
        emails, pages = rows_of(output, "emails"), rows_of(output, "pages")
        assert emails[4]["variant_parent"] == {"id": 1, "name": "Letter 1"}
        assert emails[1]["variant_children"]["9"] == {"id": 9, "name": "Letter 9"}
        assert emails[3]["lists"]["2"] == {"id": 2, "name": "Segment 2"}
        assert pages[6]["translation_parent"] == {"id": 2, "title": "Page 2", "alias": "sample-2"}
        campaign = rows_of(output, "campaigns")[1]
        assert campaign["forms"] == {"1": {"id": 1, "name": "Form 1"}}

    def test_those_of_contacts_and_of_everything(self, make_tap, sync):
        output = sync(make_tap(), "contacts", "segments", "users")
        contact = rows_of(output, "contacts")[30]
        assert contact["owner"] == {
            "id": 1,
            "username": "admin",
            "firstName": "Admin",
            "lastName": "Sample",
        }
        assert (contact["owner_id"], contact["stage_id"]) == (1, 3)
        assert contact["stage"] == {"id": 3, "name": "Stage 3", "weight": 30}
        assert rows_of(output, "segments")[2]["category"] == {
            "id": 1,
            "title": "Category 1",
            "alias": "category-1",
            "color": "ff0000",
            "bundle": "email",
        }
        role = rows_of(output, "users")[1]["role"]
        assert role == {"id": 1, "name": "Administrator", "isAdmin": True}

    @pytest.mark.parametrize("stream", ("emails", "pages"))
    def test_a_row_does_not_grow_with_their_html(self, make_tap, mautic, sync, stream):
        for number in (1, 2, 4, 6, 9):
            mautic.change(resource=stream, identifier=number, customHtml=HTML)
        for row in rows_of(sync(make_tap(), stream), stream).values():
            assert len(json.dumps(row, default=str)) < 3_000
        own = rows_of(sync(make_tap(include_html=True), stream), stream)[4]
        assert own["custom_html"] == HTML
        assert len(json.dumps(own | {"custom_html": ""}, default=str)) < 3_000


class TestHtml:
    @pytest.mark.parametrize("stream", ("campaigns", "emails", "forms", "pages", "users"))
    def test_it_is_left_out_at_any_depth(self, make_tap, mautic, sync, stream):
        deep = {
            "id": 7,
            "name": "A",
            "inner": [{"customHtml": HTML, "deeper": {"plainText": HTML}}],
        }
        mautic.change(
            resource=stream,
            identifier=1,
            signature=HTML,
            properties=deep,
            brandNew=[deep],
            category=deep,
            events=[deep],
            actions=[{"id": 1, "properties": {"message": HTML, "subject": "A"}}],
        )
        row = rows_of(sync(make_tap(), stream), stream)[1]
        assert "<html>" not in json.dumps(row, default=str)
        assert row["_extra"]["brand_new"] == [{"id": 7, "name": "A", "inner": [{"deeper": {}}]}]

    def test_contents_that_depend_on_contacts(self, make_tap, sync):
        row = rows_of(sync(make_tap(), "emails"), "emails")[1]
        assert row["dynamic_content"][0]["tokenName"] == "Dynamic Content 1"
        assert "content" not in row["dynamic_content"][0]
        row = rows_of(sync(make_tap(include_html=True), "emails"), "emails")[1]
        assert row["dynamic_content"][0]["content"].startswith("<html>")

    def test_a_field_of_contacts_keeps_its_html(self, make_tap, mautic, sync):
        mautic.add_field(alias="custom_html", kind="html")
        row = rows_of(sync(make_tap(), "contacts"), "contacts")[5]
        assert row["custom_html"] == "custom_html 5"


def test_every_property_of_5_1_1_has_a_column(make_tap, sync):
    streams = [name for name in make_tap().streams if name != "form_results"]
    output = sync(make_tap(include_ip_addresses=True, include_html=True), *streams)
    extra = {
        (stream, column)
        for stream, rows in output.records.items()
        for row in rows
        for column in row.get("_extra") or {}
    }
    assert extra == set()
