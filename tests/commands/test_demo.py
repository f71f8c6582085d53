"""``make demo`` where it cannot go on; `test_repository.py` runs it whole."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest

from signalroom_cli.demo import command, runs
from signalroom_cli.demo.totals import Total, verdict


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("meltano.yml", "README.md"):
        (tmp_path / name).touch()


def test_a_second_one_beside_the_first_is_refused(monkeypatch):
    monkeypatch.setattr(command, "_run_demo", lambda **_: command.main([]))
    with pytest.raises(SystemExit) as caught:
        command.main([])
    assert "A demo is already running in this folder" in str(caught.value.code)


def test_an_interrupted_one_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_run_demo", interrupted)
    assert command.main([]) == 130
    assert "To start over: make demo" in capsys.readouterr().out
    monkeypatch.setattr(command, "_run_demo", lambda **_: 0)
    assert command.main([]) == 0


def test_an_interrupted_one_leaves_no_run_behind(tmp_path, monkeypatch):
    """Also where the interrupt came to it alone, and not to all that runs in a terminal."""
    meltano = tmp_path / "meltano"
    meltano.write_text(
        "#!/bin/sh\necho $$ > pid\n"
        "echo '2026-01-31T12:00:00Z [info     ] meltano      Block run completed'\nexec sleep 60\n"
    )
    meltano.chmod(0o755)
    monkeypatch.setattr(runs, "MELTANO", meltano)

    def interrupted(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "print_lines", interrupted)
    runs.LOG.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        runs.run_meltano("run", "everflow")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_it_ends_with_a_sentence_that_says_whether_all_totals_agree():
    same = Total("orders", Decimal(1292), Decimal("1292.0"))
    assert verdict([same] * 14, 62.6) == ("All 14 totals agree with the vendors' (63 s).", 0)
    other = Total("events", Decimal(6004), Decimal(6005))
    assert verdict([same, other], 9) == (
        "1 of 2 totals differ from the vendors' (9 s): events: 6004 loaded, 6005 at the vendor.",
        1,
    )


def test_a_run_that_fails_shows_its_errors_and_no_more(tmp_path, monkeypatch, capsys):
    meltano = tmp_path / "meltano"
    meltano.write_text(
        "#!/bin/sh\n"
        "echo '2026-01-31T12:00:00Z [info     ] meltano      Running catalog discovery'\n"
        "echo '2026-01-31T12:00:00Z [error    ] tap-everflow Check the key.'\n"
        "echo '2026-01-31T12:00:00Z [error    ] meltano      Block run completed'\nexit 1\n"
    )
    meltano.chmod(0o755)
    monkeypatch.setattr(runs, "MELTANO", meltano)
    runs.LOG.parent.mkdir()
    assert not runs.run_meltano("run", "everflow")
    shown = capsys.readouterr()
    assert shown.err == "2026-01-31T12:00:00Z [error    ] tap-everflow Check the key.\n"
    assert shown.out.endswith(f"meltano run everflow failed. Full log: {runs.LOG}\n")


#: What a user may have set, each of which leads somewhere else than to the demo's own.
_OWN = {
    "TARGET_POSTGRES_HOST": "db.example.com",
    "TAP_EVERFLOW_LOOKBACK_DAYS": "1",
    "EVERFLOW_API_KEY": "of-the-user",
    "GOOGLE_SHEETS_CREDENTIALS_PATH": "/nowhere.json",
    "AWS_PROFILE": "of-the-user",
    "MELTANO_DATABASE_URI": "postgresql://db.example.com/meltano",
    "SIGNALROOM_PGDATA": "/nowhere",
    "PGHOST": "db.example.com",
}


def test_nothing_of_the_users_own_settings_reaches_it(tmp_path, monkeypatch):
    meltano = tmp_path / "meltano"
    meltano.write_text('#!/bin/sh\necho "$@" > arguments\nenv > environment\n')
    meltano.chmod(0o755)
    monkeypatch.setattr(runs, "MELTANO", meltano)
    for name, value in _OWN.items():
        monkeypatch.setenv(name, value)

    def demonstrate(**_):
        assert runs.run_meltano("run", "everflow", TAP_EVERFLOW_API_KEY="of-the-sandbox")
        assert not _OWN.keys() & os.environ.keys()
        return 0

    monkeypatch.setattr(command, "_run_demo", demonstrate)
    assert command.main([]) == 0
    assert (tmp_path / "arguments").read_text() == f"--env-file {os.devnull} run everflow\n"
    lines = (tmp_path / "environment").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert not _OWN.keys() & found.keys()
    assert found["MELTANO_ENVIRONMENT"] == "sandbox"
    assert found["TAP_EVERFLOW_API_KEY"] == "of-the-sandbox"
    assert _OWN.items() <= os.environ.items()
