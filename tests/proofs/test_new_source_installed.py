"""`make new-source` as a user has it, in a clone that installs itself; some minutes.

Then everything that knows every tap is tried: lint, packages, clients, the sandbox, Meltano.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from harness.pipelines import clean_env, clone_of_the_tree, run

pytestmark = pytest.mark.proof

NAME, TAP, MODULE = "acme-crm", "tap-acme-crm", "acme_crm"
TESTS = (
    f"taps/{TAP}",
    f"tests/pipelines/test_{MODULE}_to_postgres.py",
    "sandbox/tests",
    "tests/repository/test_packages.py",
    "tests/commands/test_clients.py",
    "tests/docs/test_docs.py",
    "tests/docs/test_docs_vendors.py",
    "tests/docs/test_tables.py",
    "tests/repository/test_installing.py",
    "tests/repository/test_hub.py",
    "tests/repository/test_release.py",
    "tests/commands/test_status.py",
    "tests/repository/test_repository.py",
    # It makes a clone itself, in which nothing new is.
    "--deselect=tests/repository/test_repository.py::test_make_in_a_fresh_clone",
)


@pytest.mark.timeout(1800)
def test_every_command_works_with_a_new_source():
    # Not below pytest's own folders: they are closed to the account a root's server runs under.
    with tempfile.TemporaryDirectory() as folder:
        clone = clone_of_the_tree(Path(folder) / "clone")
        env = clean_env() | {"PATH": "/usr/local/bin:/usr/bin:/bin"}

        def make(*arguments):
            return run("make", f"PYTHON={sys._base_executable}", *arguments, cwd=clone, env=env)

        assert f"Created {TAP}" in make("new-source", f"NAME={NAME}", "LABEL=Acme & Co.")
        make("lint")
        shown = make("test", f"ARGS={' '.join(TESTS)}")
        assert " passed" in shown
        shown = make("demo")
        assert f"{MODULE}.orders" in (clone / ".meltano" / "demo.txt").read_text()
        assert " totals agree with the vendors' " in shown.splitlines()[-1]

        # Once more, and with what cannot be read.
        broken = clone / "tools" / "generate" / "__main__.py"
        broken.write_text('import sys\n\nsys.exit("cannot be read")\n')
        status = run("git", "status", "--porcelain", cwd=clone)
        with pytest.raises(AssertionError, match="tap-other was not created"):
            make("new-source", "NAME=other")
        assert run("git", "status", "--porcelain", cwd=clone) == status
        listed = run(clone / ".venv/bin/uv", "pip", "list", cwd=clone, env=env)
        assert TAP in listed
        assert "tap-other" not in listed
        with pytest.raises(AssertionError, match="already exists"):
            make("new-source", f"NAME={NAME}")
        assert str(clone) not in run("ps", "axww")
