"""The packages as wheels, and environments that have nothing else of this repository."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tomllib
from contextlib import contextmanager

from harness.pipelines import BIN, ROOT, clean_env, clone_of_the_tree, run
from tools.release import packages

KIT, LOADER = "signalroom-singer", "signalroom-target-postgres"
FOLDERS = {name: package.folder for name, package in packages().items()}
TAPS = [name for name, folder in FOLDERS.items() if folder.parent.name == "taps"]
#: Other than any that is released, and other than each other.
VERSIONS = {name: f"1000.2.{number}" for number, name in enumerate(FOLDERS)}


def sources(folder):
    """This repository as it is here, committed or not, with a tag for each package's version."""
    clone_of_the_tree(folder, "--no-tags")
    for name, version in VERSIONS.items():
        run("git", "tag", f"{name}-v{version}", cwd=folder)
    return folder


@contextmanager
def alone(path):
    """Whatever worker comes first; the others wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def files_of(package, dist):
    return sorted(dist.glob(f"{package.replace('-', '_')}-*"))


def built_once(folder):
    """The wheels and sources of all packages, in a folder that several workers share.

    Args:
        folder: Where they are built, by whichever worker comes first.
    """
    built = folder / "dist"
    with alone(folder / "dist.lock"):
        if not built.exists():
            clone = sources(folder / "sources")
            made = folder / "made"
            run(BIN / "uv", "build", "--all-packages", "--out-dir", made, cwd=clone)
            made.rename(built)
    return built


class Environment:
    """A package's wheel and the kit's, and what they ask for; nothing of this repository."""

    def __init__(self, package, dist, folder):
        self.folder = folder
        run(BIN / "uv", "venv", "--quiet", f"--python={sys.executable}", folder)
        pins = folder / "pins.txt"
        run(
            *(BIN / "uv", "export", "--quiet", "--frozen", "--package", package, "--no-dev"),
            *("--no-emit-workspace", "--no-hashes", "--output-file", pins),
            cwd=ROOT,
        )
        wheels = files_of(package, dist)[:1]
        asks = tomllib.loads((FOLDERS[package] / "pyproject.toml").read_text())["project"]
        for needed in (KIT, LOADER):
            if any(one.startswith(needed) for one in asks["dependencies"]):
                wheels += files_of(needed, dist)[:1]
        self._install("--no-deps", "--requirement", pins, *wheels)
        # Without dependencies nothing came that was not listed; now whether all that the wheels
        # themselves ask for is among it, in versions they allow.
        run(BIN / "uv", "pip", "check", "--quiet", "--python", folder)

    def _install(self, *arguments):
        command = [BIN / "uv", "pip", "install", "--quiet", "--python", self.folder, *arguments]
        kept = subprocess.run([*command, "--offline"], capture_output=True, check=False)
        if kept.returncode:
            # uv's cache, which setting up this project filled, was emptied since.
            run(*command)

    def run(self, program, *arguments, **env):
        """Run one of its programs; gives its standard output."""
        return run(
            self.folder / "bin" / program, *arguments, cwd=self.folder, env=clean_env() | env
        )

    def modules(self):
        """What is installed from here."""
        code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
        return set(self.run("python", "-c", code).split()) & set(FOLDERS)
