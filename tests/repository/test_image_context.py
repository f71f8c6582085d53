"""What the image is made of: the project, and none of the secrets that lie in its folder."""

from __future__ import annotations

import re

import pytest
from docker.utils.build import exclude_paths
from harness.doc_pages import DOCS, fences
from harness.pipelines import clone_of_the_tree, run

#: Where people keep secrets, as the documentation and other projects name such files.
SECRETS = (
    ".env",
    ".env.prod",
    ".env.local",
    "clients/.env",
    "secret.yaml",
    "secret.prod.yaml",
    "orchestrate/kubernetes/secret.yaml",
    "orchestrate/kubernetes/secrets/pipelines.env",
    "google-key.json",
    "taps/tap-gsheets/service-account-key.json",
    "clients/credentials.json",
    ".secrets/google.json",
    "plugins/client.key",
    "libs/client.pem",
    ".meltano/run/tap-everflow/tap.config.json",
)
#: Without which the image cannot be built or does nothing.
NEEDED = (
    "clients/acme.yml",
    "libs/signalroom-singer/signalroom_singer/tap.py",
    "meltano.yml",
    "orchestrate/dags/signalroom_schedules.py",
    "orchestrate/pools.json",
    "orchestrate/uv.lock",
    "plugins/loaders/target-postgres--signalroom.lock",
    "pyproject.toml",
    "sandbox/pyproject.toml",
    "taps/tap-mautic/tap_mautic/tap.py",
    "targets/target-postgres/signalroom_target_postgres/target.py",
    "uv.lock",
)
#: At the head of the tree: what the image has.
LISTED = {"clients", "libs", "orchestrate", "plugins", "sandbox", "taps", "targets"}
_SECRET_FILE = re.compile(r"(?<![\w/.])(?:\.env[.\w-]*|secret[.\w-]*\.yaml|[\w-]+-key\.json)(?!\w)")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A clone in which somebody works: with secrets, and a client."""
    folder = clone_of_the_tree(tmp_path_factory.mktemp("image") / "project")
    for name in (*SECRETS, "clients/acme.yml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture(scope="module")
def context(tree):
    """The files that Docker is sent."""
    patterns = (tree / ".dockerignore").read_text().splitlines()
    patterns = [line for line in patterns if line and not line.startswith("#")]
    paths = exclude_paths(str(tree), patterns, "orchestrate/Dockerfile")
    return {path for path in paths if (tree / path).is_file()}


def test_git_ignores_secrets(tree):
    new = run("git", "status", "--porcelain", "--untracked-files=all", cwd=tree).splitlines()
    assert new == ["?? clients/acme.yml"]
    assert run("git", "ls-files", "--cached", "--ignored", "--exclude-standard", cwd=tree) == ""


def test_no_secret_gets_into_the_image(context):
    assert {*SECRETS} & context == set()


def test_the_image_has_the_project_and_nothing_else(context):
    assert {*NEEDED} - context == set()
    at_the_head = {path.partition("/")[0] for path in context}
    files = {"meltano.yml", "pyproject.toml", "uv.lock"}
    # Docker needs these two to build; they are not copied into anything that is shipped.
    assert at_the_head - {".dockerignore"} == LISTED | files
    assert not [path for path in context if "/tests/" in path]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_files_for_secrets_that_the_documentation_names(path, tree):
    """Each is ignored wherever people put it."""
    named = {name for _, text in fences(path) for name in _SECRET_FILE.findall(text)}
    for name in named - {".env.example"}:
        assert run("git", "check-ignore", name, cwd=tree).strip() == name
