"""The pages of tables: what they say is true of the taps' streams, and of the site."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
import yaml
from harness.doc_pages import ROOT

from tools import docs_site
from tools.generate.settings import own_settings, taps
from tools.generate.table_docs.diagram import diagram
from tools.generate.table_docs.joins import ACROSS, JOINS, Join
from tools.generate.table_docs.sources import sources

#: How descriptions refer to a column of another table.
_REFERENCE = re.compile(r"`([a-z_]+)\.([a-z_0-9]+)`")


@pytest.fixture(scope="module")
def found():
    return sources()


@pytest.fixture(scope="module")
def columns(found):
    """Each table's columns with their types, by ``schema.table``."""
    return {
        f"{source.schema}.{table.name}": {one.name: one.type for one in table.columns}
        for source in found
        for table in source.tables
    }


def tables_of(found):
    return [(source, table) for source in found for table in source.tables]


# Descriptions


def test_every_table_and_most_columns_are_described(found):
    for source, table in tables_of(found):
        assert table.about, f"{source.tap}: say in descriptions.py what {table.name} has"
        for column in table.columns:
            # A sheet's columns, and an export's, are their owners'.
            if column.is_key and source.tap != "tap-gsheets":
                assert column.description, f"{table.name}.{column.name} is a key: say of what"
    every = [column for _, table in tables_of(found) for column in table.columns]
    assert sum(bool(column.description) for column in every) / len(every) > 0.85


def test_what_is_described_is_there(found):
    for source in found:
        there = {(table.name, one.name) for table in source.tables for one in table.columns}
        names = {name for _, name in there} | {"hour"}  # of custom reports by the hour
        streams = {table.name for table in source.tables}
        said = source.tables[0].stream.descriptions
        assert said.tables.keys() <= streams
        for key in said.columns:
            stream, dot, name = key.rpartition(".")
            # Of a custom report any dimension may be one.
            assert not dot or (stream, name) in there, f"{source.tap} describes {key}: what is it?"
            is_dimension = re.fullmatch(r"\w+_(id|label|name)", key)
            assert dot or name in names or is_dimension, f"{source.tap} describes {key}"


def test_columns_that_descriptions_refer_to_exist(found, columns):
    for source, table in tables_of(found):
        for column in table.columns:
            for other, name in _REFERENCE.findall(column.description):
                key = f"{source.schema}.{other}"
                assert name in columns.get(key, {}), f"{table.name}.{column.name}: {other}.{name}"


def test_descriptions_are_sentences_of_one_form(found):
    for _, table in tables_of(found):
        for column in table.columns:
            text = column.description
            assert text == text.strip()
            assert "\n" not in text
            assert len(text) <= 100, f"{table.name}.{column.name}: in one short sentence"


# How they are loaded


def test_what_is_said_of_loading_is_so(found):
    settings = {name: own_settings(tap) for name, tap in taps().items()}
    for source, table in tables_of(found):
        stream, said = table.stream, table.stream.loading
        removed = "removed" in said.deleted
        assert stream.is_full_refresh == (
            removed and stream.replication_method == "FULL_TABLE"
        ) or ("gone_contacts" in said.deleted), f"{table.name}: are rows removed?"
        if stream.replication_method == "INCREMENTAL":
            assert table.method.startswith("Incremental"), table.name
        else:
            assert table.method.startswith(("Full table", "The last 30 days")), table.name
        named = re.findall(r"`([a-z_]+)(?:: \w+)?`", f"{table.method} {said.deleted}")
        known = settings[source.tap].keys() | {one.name for one in table.columns}
        known |= {one.name for one in source.tables}
        assert {*named} <= known, f"{table.name} names {named}"
        if days := re.search(r"last (\d+) days are read again \(`(\w+)`\)", table.method):
            assert int(days[1]) == settings[source.tap][days[2]]["default"]


def test_what_is_off_by_default_is_not_selected_by_meltano_either(found):
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["extractors"]
    for source in found:
        (plugin,) = [one for one in plugins if one["name"] == source.tap]
        off = {one.removeprefix("!").removesuffix(".*") for one in plugin.get("select", ())} - {"*"}
        assert off == {
            table.name for table in source.tables if not table.stream.selected_by_default
        }


# Joins


@pytest.mark.parametrize("join", JOINS, ids=lambda join: f"{join.many_end[0]}-{join.one_end[0]}")
def test_joined_columns_exist_and_have_one_type(join, columns):
    types = []
    for table, names in join.ends:
        assert table in columns, f"there is no {table}"
        assert {*names} <= columns[table].keys(), f"{table} has no {names}"
        types.append([join.cast or columns[table][name] for name in names])
    assert types[0] == types[1], "give the join a cast"
    assert (
        not join.cast
        or columns[join.many_end[0]][join.many_end[1][0]] != types[0][0]
        or (columns[join.one_end[0]][join.one_end[1][0]] != types[0][0])
    )


def test_no_join_is_declared_twice():
    pairs = [frozenset(join.ends) for join in JOINS]
    assert len(pairs) == len({*pairs})


def texts(svg):
    root = ET.fromstring(svg)
    return root, ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_diagram_has_each_table_and_column_as_text_and_each_join_as_a_line():
    joins = [
        Join(("a.orders", ("customer_id",)), ("a.customers", ("id",))),
        Join(("a.refunds", ("order_id",)), ("a.orders", ("id",)), "if <refunds> say so"),
    ]
    keys = {"a.orders": ["id"], "a.customers": ["id"], "a.refunds": ["id"]}
    root, found = texts(diagram(joins, keys, title="Orders & more", schema="a"))
    assert sorted(found) == sorted(
        ["orders", "customer_id", "id", "customers", "id", "refunds", "order_id"]
    )
    lines = root.findall("{http://www.w3.org/2000/svg}path")
    said = [line.find("{http://www.w3.org/2000/svg}title").text for line in lines]
    assert said == [
        "a.orders.customer_id = a.customers.id",
        "a.refunds.order_id = a.orders.id: if <refunds> say so",
    ]
    assert [line.get("class") for line in lines] == ["join", "join maybe"]


def test_tables_that_join_alike_share_a_box():
    joins = [Join((f"a.log_{n}", ("lead_id",)), ("a.leads", ("id",))) for n in range(4)]
    keys = {join.many_end[0]: ["id"] for join in joins} | {"a.leads": ["id"]}
    root, found = texts(diagram(joins, keys, title="Logs", schema="a"))
    assert found.count("lead_id") == 1
    assert {f"log_{n}" for n in range(4)} <= {*found}
    assert len(root.findall("{http://www.w3.org/2000/svg}path")) == 1


def test_diagrams_fit_the_page_and_overlap_nowhere():
    for path in (ROOT / "docs/images/tables").glob("*.svg"):
        root = ET.fromstring(path.read_text())
        width, height = (float(root.get(name)) for name in ("width", "height"))
        # The column of text has 688 pixels at 1280: a tenth smaller is still read.
        assert width < 760, f"{path.name} is {width} wide"
        boxes = []
        for box in root.findall("{http://www.w3.org/2000/svg}rect[@class='box']"):
            x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
            assert min(x, y, width - x - w, height - y - h) >= 0
            for other_x, other_y, other_w, other_h in boxes:
                apart = x >= other_x + other_w or other_x >= x + w
                assert apart or y >= other_y + other_h or other_y >= y + h, path.name
            boxes.append((x, y, w, h))
        assert boxes


# The site


def test_the_site_has_diagrams_as_part_of_the_page_in_its_own_colors():
    page = "before\n\n![Joins](../images/tables/across.svg)\n\nafter ![x](images/run.svg)\n"
    made = docs_site.inline_diagrams(page)
    assert '<div class="diagram" style="--width: ' in made
    assert "<title>Joins between sources</title>" in made
    assert "prefers-color-scheme" not in made
    assert "--ink:" not in made
    assert "var(--ink)" in made
    assert made.endswith("\n\nafter ![x](images/run.svg)\n")
    # Markdown ends a block of HTML at the first empty line.
    drawing = made.partition('<div class="diagram"')[2].partition("</div>")[0]
    assert "\n\n" not in drawing


def test_every_color_of_a_diagram_is_one_of_the_site_too():
    drawing = (ROOT / "docs/images/tables/across.svg").read_text()
    css = (ROOT / "docs/site.css").read_text()
    for name in {*re.findall(r"var\((--\w+)\)", drawing)}:
        # Where it stands alone: light and dark. On the site: both palettes.
        assert drawing.count(f"{name}:") == 2
        assert len(re.findall(rf"^  {name}:", css, re.MULTILINE)) == 2


def test_long_names_break_after_underscores_only_in_tables():
    content = docs_site.on_page_content
    html = "<p><code>a_b</code></p><table><tr><td><code>a_b</code> <code>x y_z</code></td></tr>"
    assert content(html) == html.replace("<td><code>a_b", "<td><code>a_<wbr>b")


def test_the_overview_has_every_join_between_sources():
    text = (ROOT / "docs/tables/index.md").read_text()
    for join in ACROSS:
        assert join.condition in text
        assert f"{join.many_end[0]}.{join.many_end[1][0]}" in text
