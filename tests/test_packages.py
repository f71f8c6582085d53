"""Each package builds, and a tap with its kit works in an environment of their own."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest
from e2e import BIN, ROOT, clean_env, clone_of_the_tree, run

PACKAGES = sorted(
    tomllib.loads(manifest.read_text())["project"]["name"]
    for folder in ("libs", "taps", "targets")
    for manifest in (ROOT / folder).glob("*/pyproject.toml")
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    for package in PACKAGES:
        run(BIN / "uv", "build", "--package", package, "--out-dir", folder, cwd=ROOT)
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_a_wheel_and_a_source_that_twine_accepts(wheels, package):
    files = list(wheels.glob(f"{package.replace('-', '_')}-*"))
    assert sorted(path.suffix for path in files) == [".gz", ".whl"]
    run(sys.executable, "-m", "twine", "check", "--strict", *files)


def installed(name, wheels, folder):
    """A tap with nothing but its wheel, its kit's, and what they ask for."""
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv/bin/python"
    files = [
        *wheels.glob(f"{name.replace('-', '_')}-*.whl"),
        *wheels.glob("signalroom_singer-*.whl"),
    ]
    run(BIN / "uv", "pip", "install", "--python", python, *files, env=clean_env())
    tap = folder / "venv/bin" / name
    about = json.loads(run(tap, "--about", "--format=json", env=clean_env()))
    assert about["name"] == name
    assert about["version"] != "[could not be detected]"
    return tap


def test_the_tap_works_from_its_wheel_alone(wheels, tmp_path, sandbox):
    env = clean_env()
    tap = installed("tap-everflow", wheels, tmp_path)
    catalog = json.loads(run(tap, "--discover", env=env))
    assert len(catalog["streams"]) == 15
    env |= sandbox.dotenv
    synced = run(tap, "--config=ENV", env=env, cwd=tmp_path)
    (tmp_path / "everflow.singer").write_text(synced)
    messages = [json.loads(line) for line in synced.splitlines()]
    streams = {message["stream"] for message in messages if message["type"] == "RECORD"}
    assert {"daily_stats", "conversions", "offers"} <= streams
    assert "STATE" in {message["type"] for message in messages}


def test_the_tap_of_files_works_from_its_wheel_alone(wheels, tmp_path, sandbox):
    tap = installed("tap-sticky-s3", wheels, tmp_path)
    synced = run(tap, "--config=ENV", env=clean_env() | sandbox.dotenv, cwd=tmp_path)
    messages = [json.loads(line) for line in synced.splitlines()]
    streams = [message["stream"] for message in messages if message["type"] == "RECORD"]
    assert streams.count("orders_create") == 14 * 120
    assert messages[-1]["type"] == "STATE"


def test_the_tap_of_events_works_from_its_wheel_alone(wheels, tmp_path, sandbox):
    tap = installed("tap-posthog", wheels, tmp_path)
    synced = run(tap, "--config=ENV", env=clean_env() | sandbox.dotenv, cwd=tmp_path)
    messages = [json.loads(line) for line in synced.splitlines()]
    streams = [message["stream"] for message in messages if message["type"] == "RECORD"]
    assert streams.count("events") > 5_000
    assert streams.count("feature_flags") == 230


def test_the_tap_of_sheets_works_from_its_wheel_alone(wheels, tmp_path, sandbox):
    tap = installed("tap-gsheets", wheels, tmp_path)
    synced = run(tap, "--config=ENV", env=clean_env() | sandbox.dotenv, cwd=tmp_path)
    messages = [json.loads(line) for line in synced.splitlines()]
    streams = [message["stream"] for message in messages if message["type"] == "RECORD"]
    assert streams.count("affiliates") == 40


@pytest.mark.parametrize("package", PACKAGES)
def test_a_tag_versions_its_package_alone(tmp_path, package):
    clone = clone_of_the_tree(tmp_path / "clone")
    for tag in (f"{package}-v1.2.3", "another-package-v9.9.9"):
        run("git", "-C", clone, "tag", tag)
    run(BIN / "uv", "build", "--wheel", "--package", package, "--out-dir", tmp_path, cwd=clone)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"{package.replace('-', '_')}-1.2.3-")
