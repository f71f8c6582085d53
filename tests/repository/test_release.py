"""A release is a dated section, a commit and a tag; whatever is in the way is said before."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime

import pytest
import yaml
from harness.pipelines import ROOT, clean_env, run

FOLDERS = [path.parent.relative_to(ROOT) for path in sorted(ROOT.glob("*/*/CHANGELOG.md"))]
FOLDERS += [path.parent.relative_to(ROOT) for path in ROOT.glob("sandbox/CHANGELOG.md")]
KIT = "signalroom-singer"
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text())
CHANGELOG = """# Changelog

## Unreleased

- Something new, and
  something mended.

## 0.0.1 - 2026-01-31

- First version.
"""
PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "A Maintainer", "EMAIL": "maintainer@example.com"}.items()
}

GENERATORS = ("__init__", "files", "install_notes")


class Repository:
    """This repository's packages, without their code, in a repository of the test's own."""

    def __init__(self, folder):
        self.folder = folder
        for part in FOLDERS:
            manifest = (ROOT / part / "pyproject.toml").read_text()
            self.write(part / "pyproject.toml", re.sub(rf'"{KIT}>=.*"', f'"{KIT}>=0.1"', manifest))
            self.write(part / "CHANGELOG.md", CHANGELOG)
        self.write("libs/signalroom-singer/signalroom_singer/stream.py", "pass\n")
        # What the publishing workflow runs without anything installed.
        for module in ("__init__", "release", *(f"generate/{name}" for name in GENERATORS)):
            path = f"tools/{module}.py"
            self.write(path, (ROOT / path).read_text())
        self.write(".gitignore", "__pycache__/\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("As it is")

    def write(self, path, text):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def read(self, path):
        return (self.folder / path).read_text()

    def git(self, *arguments):
        return run("git", *arguments, cwd=self.folder, env=clean_env() | PERSON).strip()

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def release(self, *arguments, code=0, env=PERSON):
        """What the script says; what it prints is on one of the two streams, by its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "tools.release", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=clean_env() | env,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert (done.stdout if code else done.stderr) == ""
        return done.stderr if code else done.stdout

    def state(self):
        """What a release that failed must leave as it was."""
        return self.git("rev-parse", "HEAD"), self.git("tag"), self.git("status", "--porcelain")


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


@pytest.fixture
def with_kit(repository):
    repository.release(KIT, "0.4.0")
    return repository


def test_a_release_is_a_dated_section_a_commit_and_a_tag(repository):
    changelog = "libs/signalroom-singer/CHANGELOG.md"
    said = repository.release(KIT, "1.2.3")

    title = f"## 1.2.3 - {datetime.now(UTC).date()}"
    assert repository.read(changelog) == CHANGELOG.replace(
        "## Unreleased\n", f"## Unreleased\n\n{title}\n"
    )
    assert repository.git("log", "-1", "--format=%s", f"{KIT}-v1.2.3") == f"Release {KIT} 1.2.3"
    assert repository.git("show", "--name-only", "--format=", "HEAD") == changelog
    # The tag carries the notes, and nothing is left lying about.
    notes = repository.git("tag", "--list", "--format=%(contents:body)", f"{KIT}-v1.2.3")
    assert notes == "- Something new, and\n  something mended."
    assert repository.git("status", "--porcelain") == ""
    # What it says to do next can be done as it stands.
    remote = repository.folder.parent / "remote.git"
    run("git", "init", "--quiet", "--bare", remote)
    repository.git("remote", "add", "origin", remote)
    assert repository.git("ls-remote", "origin") == ""
    push = next(line.strip() for line in said.splitlines() if "git push" in line)
    repository.git(*push.split()[1:])
    assert f"refs/tags/{KIT}-v1.2.3" in repository.git("ls-remote", "origin")


def test_with_its_first_release_a_package_is_installed_from_pypi(repository):
    begin, end = "<!-- install tap-redtrack: generated -->\n", "<!-- end of install -->\n"
    for part in ("taps/tap-redtrack", "libs/signalroom-singer"):
        repository.write(f"{part}/CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n- New.\n")
    page = "taps/tap-redtrack/README.md"
    repository.write(page, f"# tap-redtrack\n\n{begin}{end}")
    repository.commit("Nothing is released yet")
    repository.release(KIT, "0.1.0")
    # The tap itself is not on PyPI yet, what it needs is.
    assert "It is not on PyPI yet" in repository.read(page)
    assert '"tap-redtrack @ git+https' in repository.read(page)
    assert KIT not in repository.read(page)
    repository.release("tap-redtrack", "0.1.0")
    assert repository.read(page).endswith(f"{begin}```bash\npip install tap-redtrack\n```\n{end}")
    assert page in repository.git("show", "--name-only", "--format=", "HEAD")
    assert repository.git("status", "--porcelain") == ""


def test_a_release_can_be_taken_back_as_it_says(repository):
    before = repository.state()
    said = repository.release(KIT, "1.2.3")
    undo = next(line.strip() for line in said.splitlines() if "git tag --delete" in line)
    for command in undo.split(" && "):
        repository.git(*command.split()[1:])
    assert repository.state() == before


def test_a_tap_asks_for_the_kit_that_it_was_tested_with(with_kit):
    before = with_kit.read("taps/tap-redtrack/pyproject.toml")
    with_kit.release("tap-redtrack", "1.0.0")
    manifest = with_kit.read("taps/tap-redtrack/pyproject.toml")
    assert manifest == before.replace(f'"{KIT}>=0.1"', f'"{KIT}>=0.4.0"') != before
    # And of no other tap.
    changed = with_kit.git("show", "--name-only", "--format=", "HEAD").splitlines()
    assert changed == ["taps/tap-redtrack/CHANGELOG.md", "taps/tap-redtrack/pyproject.toml"]


def test_the_guide_shows_what_is_said(repository):
    """What a maintainer reads there is what the command prints."""
    guide = (ROOT / "docs/publishing.md").read_text()
    repository.write("README.md", "Words.\n")
    assert f"```\n{repository.release('tap-redtrack', '0.1.0', code=1)}```" in guide
    (repository.folder / "README.md").unlink()
    repository.release(KIT, "0.1.0")
    assert f"```\n{repository.release('tap-redtrack', '0.1.0')}```" in guide


def test_the_sandbox_needs_no_kit(repository):
    repository.release("signalroom-sandbox", "1.0.0rc1")
    assert repository.git("tag").split() == ["signalroom-sandbox-v1.0.0rc1"]


@pytest.mark.parametrize("package", ("tap-redtrack", "signalroom-target-postgres"))
def test_none_that_needs_the_kit_before_it(repository, package):
    before = repository.state()
    said = repository.release(package, "1.0.0", code=1)
    assert f"make release PACKAGE={KIT} VERSION=" in said
    assert repository.state() == before


def test_no_tap_with_a_kit_that_nobody_can_install(with_kit):
    with_kit.write("libs/signalroom-singer/signalroom_singer/stream.py", "NEW = 1\n")
    with_kit.commit("Kit: something new")
    said = with_kit.release("tap-redtrack", "1.0.0", code=1)
    assert "Kit: something new" in said
    assert f"make release PACKAGE={KIT}" in said
    # What is no code of the kit's is no reason.
    with_kit.git("reset", "--quiet", "--hard", "HEAD~1")
    with_kit.write("libs/signalroom-singer/README.md", "Words.\n")
    with_kit.commit("Kit: words")
    with_kit.release("tap-redtrack", "1.0.0")


def test_a_final_tap_is_not_released_with_a_kit_to_try_out(repository):
    repository.release(KIT, "0.4.0rc1")
    assert "which has no final release yet" in repository.release("tap-redtrack", "1.0.0", code=1)
    repository.release("tap-redtrack", "1.0.0rc1")
    assert f'"{KIT}>=0.4.0rc1"' in repository.read("taps/tap-redtrack/pyproject.toml")


def test_no_tap_that_excludes_the_kit(with_kit):
    path = "taps/tap-redtrack/pyproject.toml"
    with_kit.write(path, with_kit.read(path).replace(">=0.1", ">=0.1,<0.4"))
    with_kit.commit("Less than 0.4")
    assert "which excludes 0.4.0" in with_kit.release("tap-redtrack", "1.0.0", code=1)
    with_kit.write(path, with_kit.read(path).replace(">=0.1,<0.4", ">=0.1,<1"))
    with_kit.commit("Less than 1")
    with_kit.release("tap-redtrack", "1.0.0")
    assert f'"{KIT}>=0.4.0,<1"' in with_kit.read(path)


def test_everything_in_the_way_is_said_at_once(repository):
    repository.git("switch", "--quiet", "--create", "feature")
    changelog = "sandbox/CHANGELOG.md"
    repository.write(changelog, "# Changelog\n\n## Unreleased\n\n## 0.9 - 2026-01-01\n\n- Old.\n")
    repository.write("notes.txt", "")
    before = repository.state()
    said = repository.release("signalroom-sandbox", "1.0.0", code=1)
    assert "`git switch main`" in said
    assert "notes.txt" in said
    assert f"{changelog} has nothing under `## Unreleased`" in said
    assert repository.state() == before


def test_versions_go_up(with_kit):
    with_kit.write("libs/signalroom-singer/CHANGELOG.md", "## Unreleased\n\n- More.\n")
    with_kit.commit("More")
    for version in ("0.4.0", "0.3.9", "0.4.0rc1"):
        said = with_kit.release(KIT, version, code=1)
        assert f"0.4.0 was released already (tag {KIT}-v0.4.0)" in said
    with_kit.release(KIT, "0.10.0")


@pytest.mark.parametrize("version", ("1.2.x", "v1.2.3", "01.2.3", "1.0-1", "1.dev1", "1.0+a", ""))
def test_a_version_is_as_pypi_writes_it(repository, version):
    assert "Write it as 1.2.3" in repository.release(KIT, version, code=1)


def test_a_package_that_is_not_there(repository):
    said = repository.release("tap-nothing", "1.0.0", code=1)
    assert "'tap-nothing'" in said
    assert "tap-everflow" in said


def test_a_commit_that_git_refuses_changes_nothing(repository):
    before = repository.state()
    hook = repository.folder / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho 'no, says the hook' >&2\nexit 1\n")
    hook.chmod(0o755)
    assert "no, says the hook" in repository.release(KIT, "1.0.0", code=1)
    assert repository.state() == before


def test_a_tag_is_checked_before_it_is_published(with_kit):
    with_kit.release("tap-redtrack", "1.0.0")
    for tag in (f"{KIT}-v0.4.0", "tap-redtrack-v1.0.0"):
        assert with_kit.release("--check", tag) == ""
    # Tags that were made by hand.
    assert "has no section for 1.0.1" in with_kit.release("--check", "tap-redtrack-v1.0.1", code=1)
    assert "Unknown package" in with_kit.release("--check", "tap-x-v1.0.0", code=1)
    assert "is not a version" in with_kit.release("--check", "tap-redtrack-vone", code=1)
    path = "taps/tap-redtrack/pyproject.toml"
    with_kit.write(path, with_kit.read(path).replace(f"{KIT}>=0.4.0", f"{KIT}>=0.5.0"))
    said = with_kit.release("--check", "tap-redtrack-v1.0.0", code=1)
    assert f"{KIT}>=0.5.0, which was never released" in said


@pytest.mark.parametrize("part", FOLDERS, ids=str)
def test_what_is_not_released_has_its_place(part):
    titles = re.findall(r"^## (.*)$", (ROOT / part / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert all(re.fullmatch(r"\S+ - \d{4}-\d\d-\d\d", title) for title in titles[1:])


def test_each_packages_tag_publishes():
    patterns = WORKFLOW[True]["push"]["tags"]  # YAML 1.1 reads `on` as true
    names = [tomllib.loads((ROOT / part / "pyproject.toml").read_text()) for part in FOLDERS]
    assert len(names) >= 9
    for name in (manifest["project"]["name"] for manifest in names):
        tag = f"{name}-v1.2.3"
        assert any(fnmatch.fnmatchcase(tag, pattern) for pattern in patterns), tag


def test_only_publishing_may_ask_for_an_identity():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    jobs = WORKFLOW["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    # What has the identity runs nothing of the repository's.
    assert not any("run" in step for step in jobs["publish"]["steps"])
    assert "password" not in str(jobs)


def test_a_tag_that_cannot_be_published_is_not_built():
    steps = [step.get("run", "") for step in WORKFLOW["jobs"]["build"]["steps"]]
    checks, builds = (
        next(number for number, step in enumerate(steps) if word in step)
        for word in ("tools.release --check", "uv build")
    )
    assert checks < builds
