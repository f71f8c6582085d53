"""What GitHub reads: forms of issues, Dependabot, and the README's badges."""

from __future__ import annotations

import re

import pytest
import yaml
from harness.doc_pages import ROOT

from tools import docs_site
from tools.generate import install_notes

GITHUB = ROOT / ".github"
FORMS = sorted(set(GITHUB.glob("ISSUE_TEMPLATE/*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"})


def read(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_as_github_wants_it(path):
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert fields, "GitHub refuses a form without a field"
    ids = [field["id"] for field in fields]
    assert len(ids) == len({*ids})
    for field in fields:
        assert field["type"] in {"checkboxes", "dropdown", "input", "textarea"}
        assert field["attributes"]["label"]
        if field["type"] == "dropdown":
            options = field["attributes"]["options"]
            assert len(options) == len({*options})


def test_the_form_for_bugs_names_packages_that_are_there():
    (package,) = [part for part in read(GITHUB / "ISSUE_TEMPLATE/bug.yml")["body"] if "id" in part][
        :1
    ]
    *options, project = package["attributes"]["options"]
    assert project.startswith("The project")
    assert {*options} <= {*install_notes.folders()} | {"target-postgres"}


def test_dependabot_looks_at_each_lock_file_and_at_the_images():
    updates = {one["package-ecosystem"]: one for one in read(GITHUB / "dependabot.yml")["updates"]}
    assert updates.keys() == {"docker", "github-actions", "uv"}
    for folder in updates["uv"]["directories"]:
        assert (ROOT / folder.strip("/") / "uv.lock").is_file()
    image, cluster = (ROOT / folder.strip("/") for folder in updates["docker"]["directories"])
    assert (image / "Dockerfile").is_file()
    assert "image: redis:" in (cluster / "broker.yaml").read_text()
    for one in updates.values():
        assert one["schedule"]["interval"] == "weekly"
    # What the taps are built on comes by itself, all else together.
    singer, python = (updates["uv"]["groups"][name] for name in ("singer", "python"))
    assert singer["patterns"] == python["exclude-patterns"]


def test_badges_say_what_ci_tries_and_stay_off_the_site():
    text = (ROOT / "README.md").read_text()
    pythons = read(GITHUB / "workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert f"[![Python {', '.join(pythons)}]" in text
    assert "%20%7C%20".join(pythons) in text
    site = docs_site
    assert re.search(r"!\[[^\]]*\]\(https?://", text)
    assert not re.search(r"!\[[^\]]*\]\(https?://", site._BADGES.sub("", text))
