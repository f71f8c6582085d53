"""``make demo`` where it cannot go on; `test_repository.py` runs it whole."""

from __future__ import annotations

import os

import pytest

from signalroom_cli import demo


@pytest.fixture(autouse=True)
def _of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "LOG", tmp_path / ".meltano" / "demo.log")
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "")
    monkeypatch.chdir(tmp_path)
    for name in ("meltano.yml", "README.md"):
        (tmp_path / name).touch()


def test_a_second_one_beside_the_first_is_refused(monkeypatch):
    monkeypatch.setattr(demo, "_demonstrate", lambda: demo.main([]))
    with pytest.raises(SystemExit) as caught:
        demo.main([])
    assert "A demo of this folder runs already" in str(caught.value.code)


def test_an_interrupted_one_says_how_to_go_on(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_demonstrate", interrupted)
    assert demo.main([]) == 130
    assert "`make demo` begins anew" in capsys.readouterr().out
    monkeypatch.setattr(demo, "_demonstrate", lambda: 0)
    assert demo.main([]) == 0


def test_an_interrupted_one_leaves_no_run_behind(tmp_path, monkeypatch):
    """Also where the interrupt came to it alone, and not to all that runs in a terminal."""
    meltano = tmp_path / "meltano"
    meltano.write_text(
        "#!/bin/sh\necho $$ > pid\n"
        "echo '2026-01-31T12:00:00Z [info     ] meltano      Block run completed'\nexec sleep 60\n"
    )
    meltano.chmod(0o755)
    monkeypatch.setattr(demo, "MELTANO", meltano)

    def interrupted(text):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_say", interrupted)
    demo.LOG.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        demo._meltano("run", "everflow")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
