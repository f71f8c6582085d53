"""What the documentation says is there: pages, links and names."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml
from harness.doc_pages import (
    ALL,
    DOCS,
    INCLUDED,
    ROOT,
    SITE,
    anchors,
    code,
    fences,
    links,
    named,
    words_of,
)

import signalroom_singer.testing
from tools import docs_site
from tools.generate.settings import schema_of, taps

# Pages and links


@pytest.mark.parametrize("path", ALL, ids=named)
def test_links_lead_somewhere(path):
    for link in links(path):
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert found.exists(), f"{link} leads nowhere"
        if anchor:
            page = found / "README.md" if found.is_dir() else found
            assert anchor in anchors(page), f"{link}: {named(page)} has no such heading"


def pages_of(navigation):
    for entry in navigation:
        for value in [entry] if isinstance(entry, str) else entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from pages_of(value)


def test_every_page_is_in_the_navigation():
    listed = list(pages_of(SITE["nav"]))
    assert len(listed) == len({*listed}), "a page is twice in nav of mkdocs.yml"
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    for page in sorted((there | INCLUDED.keys()) - {*listed}):
        source = ROOT / INCLUDED.get(page, f"docs/{page}")
        title = re.search(r"^# (.+)$", source.read_text(), re.MULTILINE)[1]
        pytest.fail(f"add this line to nav in mkdocs.yml: `  - {title}: {page}`")
    for page in listed:
        assert page in there | INCLUDED.keys(), f"nav in mkdocs.yml names {page}, which is no page"
    for page, source in INCLUDED.items():
        assert (ROOT / source).is_file(), f"{page}: there is no {source}"


def test_the_api_page_has_every_public_name():
    page = (ROOT / "docs/sdk-extensions-api.md").read_text()
    names = re.findall(r"^::: ([\w.]+)\.(\w+)$", page, re.MULTILINE)
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
    public = {*signalroom_singer.__all__, *signalroom_singer.testing.__all__}
    assert {name for _, name in names} == public | {"LeakDetector"}


@pytest.mark.parametrize("folder", ("taps", "targets", "libs"))
def test_every_package_has_its_page(folder):
    for readme in (ROOT / folder).glob("*/README.md"):
        assert named(readme) in INCLUDED.values(), f"add {named(readme)} to `included`, mkdocs.yml"


def test_links_of_the_repository_lead_to_pages_of_the_site():
    links_on = docs_site.rewrite_links
    extra = SITE["extra"]
    readme = "[a](../../taps/tap-gsheets/README.md#what-to-read) [b](../clients.md) [c](#here)"
    assert links_on(readme, "vendors/gsheets.md", extra) == (
        "[a](../reference/tap-gsheets.md#what-to-read) [b](../clients.md) [c](#here)"
    )
    guide = "[g](../../docs/migrating-from-dlt.md) [f](pyproject.toml) [w](https://example.com)\n"
    block = "```markdown\n[g](../../docs/clients.md)\n```\n"
    assert links_on(guide + block, "reference/target-postgres.md", extra) == (
        "[g](../migrating-from-dlt.md) "
        f"[f]({extra['repository']}/blob/main/targets/target-postgres/pyproject.toml) "
        f"[w](https://example.com)\n{block}"
    )


def test_a_page_that_loads_from_elsewhere_is_noticed():
    external = docs_site._EXTERNAL_RESOURCE
    for bad in (
        '<script src="https://cdn.example.com/a.js"></script>',
        "<img alt=x src=//example.com/a.png>",
        '<link href="https://fonts.example.com/css" rel="stylesheet">',
    ):
        assert external.search(bad)
    for good in (
        '<script src="assets/a.js"></script>',
        '<a href="https://example.com">x</a>',
        '<link rel="stylesheet" href="assets/a.css">',
    ):
        assert not external.search(good)


# Blocks


@pytest.mark.parametrize("path", ALL, ids=named)
def test_blocks_of_json_and_yaml_parse(path):
    for language, text in fences(path):
        if language in {"json", "jsonc"}:
            json.loads(text)
        elif language in {"yaml", "yml"}:
            assert yaml.safe_load(text) is not None


# Names


@pytest.fixture(scope="module")
def settings():
    return {name: schema_of(tap)["properties"] for name, tap in taps().items()}


@pytest.fixture(scope="module")
def streams():
    """The streams of each tap that are there without an account."""
    from tap_everflow import streams as everflow  # noqa: PLC0415
    from tap_gsheets.streams import SheetListStream  # noqa: PLC0415
    from tap_mautic import streams as mautic  # noqa: PLC0415
    from tap_posthog import streams as posthog  # noqa: PLC0415
    from tap_redtrack import streams as redtrack  # noqa: PLC0415

    return {
        "everflow": {stream.name for stream in everflow.STREAM_TYPES},
        "google_sheets": {SheetListStream.name},
        "mautic": {stream.name for stream in mautic.STREAM_TYPES},
        "posthog": {stream.name for stream in posthog.STREAM_TYPES},
        "redtrack": {stream.name for stream in redtrack.STREAM_TYPES},
        "s3_exports": {"orders_create", "orders_update", "prospects_create", "files"},
    }


PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text())
EXAMPLES = {("everflow", "by_country"), ("google_sheets", "affiliates"), ("redtrack", "by_ad")}
VARIABLE = re.compile(
    r"\b(?:TAP|TARGET|EVERFLOW|GOOGLE|MAUTIC|POSTHOG|REDTRACK|AWS|S3|MELTANO|SIGNALROOM|SANDBOX"
    r"|ACME)_[A-Z0-9_]+\b"
)


@pytest.fixture(scope="module")
def variables(settings):
    names = {*re.findall(r"^#? ?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)}
    for tap, declared in settings.items():
        prefix = tap.upper().replace("-", "_")
        names |= {f"{prefix}_{setting.upper()}" for setting in declared}
        # The latter is the SDK's.
        names |= {f"{prefix}__SELECT", f"{prefix}_LOGLEVEL"}
    loader = json.loads((ROOT / "plugins/loaders/target-postgres--signalroom.lock").read_text())
    names |= {
        f"TARGET_POSTGRES_{setting['name'].upper().replace('.', '_')}"
        for setting in loader["settings"]
    }
    # Of the pipeline before, and named as gone.
    names.add("REDTRACK_REPORT_PATH")
    # A client of that name, as `make new-client NAME=acme` makes it.
    names |= {f"ACME_{name}" for name in names}
    names |= {"AWS_DEFAULT_REGION"}
    core = Path(importlib.util.find_spec("meltano.core").origin).parent
    meltanos = yaml.safe_load((core / "bundle/settings.yml").read_text())["settings"]
    names |= {f"MELTANO_{entry['name'].upper().replace('.', '_')}" for entry in meltanos}
    # State backends tell their settings in code.
    for source in (core / "state_store").rglob("*.py"):
        found = re.findall(r"\"(state_backend\.[\w.]+)\"", source.read_text())
        names |= {f"MELTANO_{name.upper().replace('.', '_')}" for name in found}
    own = words_of(
        "meltano.yml", "tools/**/*.py", "*/signalroom_*/**/*.py", "*/*/signalroom_*/**/*.py"
    )
    return names | {name for name in own if VARIABLE.fullmatch(name)}


@pytest.mark.parametrize("path", DOCS, ids=named)
def test_variables_exist(path, variables):
    for text in code(path):
        for name in VARIABLE.findall(text):
            # Acme is made up, as a client (whose variables are known) and as a source.
            is_made_up = name.startswith("TAP_ACME")
            assert is_made_up or name in variables, f"no setting has the variable {name}"


@pytest.mark.parametrize("path", ALL, ids=named)
def test_make_targets_exist(path):
    targets = {*re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)}
    for text in code(path):
        for target in re.findall(r"(?:^|\s)make\s+([a-z][a-z-]*)", text):
            assert target in targets, f"the Makefile has no {target}"


@pytest.mark.parametrize("path", DOCS, ids=named)
def test_streams_and_tables_exist(path, streams):
    known = set().union(*streams.values())
    for text in code(path):
        for schema, table in re.findall(rf"(?<![\w./-])({'|'.join(streams)})\.(\w+)", text):
            # dlt's own tables, and child tables that it made.
            is_migration = table.startswith("_dlt") or table.endswith("_dlt") or "__" in table
            domain = table in {"com", "io"}
            # Of what is there as often as the settings say, docs/tables has an example of each.
            is_example = (schema, table) in EXAMPLES
            is_known = is_example or domain or is_migration or table in streams[schema]
            assert is_known, f"no table {schema}.{table}"
        for stream in re.findall(r"[\"!](\w+)\.[\w*]+\"", text):
            assert stream in known, f"{text}: no stream {stream}"


@pytest.mark.parametrize("path", DOCS, ids=named)
def test_plugins_and_schedules_exist(path):
    plugins = {plugin["name"] for kind in PROJECT["plugins"].values() for plugin in kind}
    schedules = {schedule["name"] for schedule in PROJECT["schedules"]}
    for text in code(path):
        for command in re.findall(r"meltano (?:run|invoke) ([^\n]*)", text):
            for name in re.findall(r"\b((?:tap|target)-[a-z0-9-]+)", command):
                plugin = name.partition("--")[0]
                assert plugin in plugins or "acme" in plugin, f"meltano.yml has no {name}"
        for name in re.findall(r"schedule run (\S+)", text):
            assert name.partition("--")[0] in schedules, f"meltano.yml has no schedule {name}"
