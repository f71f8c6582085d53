"""What the repository promises about itself."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import yaml
from e2e import BIN, ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


def test_what_follows_from_the_settings_is_up_to_date():
    check = subprocess.run(
        [sys.executable, ROOT / "scripts/settings.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_meltano_deselects_what_the_tap_deselects():
    from tap_everflow.streams import fixed_streams  # noqa: PLC0415

    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (plugin,) = project["plugins"]["extractors"]
    off = {f"!{stream.name}.*" for stream in fixed_streams if not stream.selected_by_default}
    assert set(plugin["select"]) == {"*.*"} | off


def test_meltano_knows_the_capabilities_of_the_tap():
    from tap_everflow.tap import TapEverflow  # noqa: PLC0415

    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (plugin,) = project["plugins"]["extractors"]
    # Meltano's word for --test is none of the SDK's; ACTIVATE_VERSION is the loader's business.
    offered = {str(item) for item in TapEverflow.capabilities} - {"activate-version"}
    assert set(plugin["capabilities"]) == offered | {"test"}


def test_actions_are_pinned():
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        for used in re.findall(r"uses: (\S+)", workflow.read_text()):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used), f"{workflow.name}: {used}"


@pytest.mark.e2e
def test_every_command_of_the_readme_works(project, sandbox, database):
    """All but make, which has tests of its own, and those that need the user's account."""
    (project.folder / ".env.example").write_text((ROOT / ".env.example").read_text())
    tried = 0
    for line in COMMANDS:
        if line.startswith("make ") or line == "cp .env.example .env":
            continue
        assert line.startswith(("uv run ", "TAP_EVERFLOW__SELECT=")), line
        settings, _, command = line.rpartition("uv run ")
        env = dict(word.split("=", 1) for word in shlex.split(settings))
        program, *arguments = shlex.split(command)
        if program == "signalroom-postgres":
            env["SIGNALROOM_PGDATA"] = str(database.folder / "own")
            for name in ("TARGET_POSTGRES_SQLALCHEMY_URL",):
                env[name] = ""
        if "run" in arguments:
            arguments.insert(arguments.index("run") + 1, "--force")
        if arguments[:2] == ["schedule", "--force"]:
            arguments = ["schedule", "run", *arguments[3:]]
        project.run(program, *arguments, **env)
        tried += 1
    assert tried >= 10
    assert BIN.exists()
