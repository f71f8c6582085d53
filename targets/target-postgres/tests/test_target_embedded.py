from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from signalroom_target_postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from signalroom_target_postgres.embedded.account import Account, account_for
from signalroom_target_postgres.embedded.cluster import Cluster, _make_private

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="switches users")
needs_open_venv = pytest.mark.skipif(
    any(not folder.stat().st_mode & stat.S_IXOTH for folder in Cluster.program("psql").parents),
    reason="the environment is in a folder closed to other users",
)

# Uses the server until its standard input ends, as another user if one is given.
USER = """
import os, sys
from pathlib import Path
import psycopg
from signalroom_target_postgres.embedded import EmbeddedPostgres
for uid in map(int, sys.argv[2:]):
    # Once all is imported: the interpreter may be in root's home.
    os.setgroups([]), os.setgid(uid), os.setuid(uid)
embedded = EmbeddedPostgres(Path(sys.argv[1])).acquire()
with psycopg.connect(embedded.libpq_url) as connection:
    connection.execute("SELECT 1")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home():
    # Not tmp_path: pytest closes its parent to other accounts whenever a session starts.
    with tempfile.TemporaryDirectory(prefix="sr-", ignore_cleanup_errors=True) as folder:
        yield (home := Path(folder) / "pg")
        if home.exists():
            EmbeddedPostgres(home).stop(force=True)


def query(embedded, sql):
    with psycopg.connect(embedded.libpq_url) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


def user_process(home, *uid):
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(home), *map(str, uid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_ready(process):
    assert process.stdout.readline() == "ready\n"


def leave(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def postmaster(embedded):
    return int((embedded.cluster.data / "postmaster.pid").read_text().split("\n", 1)[0])


def test_it_runs_while_used_and_keeps_the_data(home):
    with EmbeddedPostgres(home) as embedded:
        query(embedded, "CREATE TABLE kept AS SELECT 42 AS n")
        assert query(embedded, "SHOW timezone") == [("UTC",)]
        assert query(embedded, "SHOW server_encoding") == [("UTF8",)]
        assert query(embedded, "SHOW fsync") == [("on",)]
    assert not embedded.cluster.is_running
    with EmbeddedPostgres(home) as embedded:
        assert query(embedded, "SELECT n FROM kept") == [(42,)]


def test_the_last_of_several_uses_stops_it(home):
    with EmbeddedPostgres(home) as outer:
        with EmbeddedPostgres(home) as inner:
            assert inner.libpq_url == outer.libpq_url
        assert query(outer, "SELECT 1") == [(1,)]
    assert not outer.cluster.is_running


def test_processes_that_start_at_once_share_one_server(home):
    processes = [user_process(home) for _ in range(4)]
    for process in processes:
        wait_ready(process)
    cluster = EmbeddedPostgres(home).cluster
    for process in processes:
        assert cluster.is_running
        leave(process)
    assert not cluster.is_running


def test_a_killed_user_does_not_keep_it_running_for_ever(home):
    process = user_process(home)
    wait_ready(process)
    process.kill()
    process.communicate()
    embedded = EmbeddedPostgres(home)
    assert embedded.cluster.is_running
    with embedded:
        pass
    assert not embedded.cluster.is_running


def test_what_a_killed_user_left_can_be_stopped(home):
    process = user_process(home)
    wait_ready(process)
    process.kill()
    process.communicate()
    embedded = EmbeddedPostgres(home)
    assert embedded.stop()
    assert not embedded.cluster.is_running


def test_a_killed_server_recovers_what_was_committed(home):
    with EmbeddedPostgres(home) as embedded:
        query(embedded, "CREATE TABLE kept AS SELECT 42 AS n")
        os.kill(postmaster(embedded), signal.SIGKILL)
        with EmbeddedPostgres(home) as again:
            assert query(again, "SELECT n FROM kept") == [(42,)]


def test_a_stale_process_id_that_lives_again_is_not_mistaken_for_the_server(home):
    with EmbeddedPostgres(home) as embedded:
        pass
    lines = [str(os.getpid()), str(embedded.cluster.data), "1700000000", "5432", "/nowhere", ""]
    (embedded.cluster.data / "postmaster.pid").write_text("\n".join([*lines, "", "ready   "]))
    with embedded:
        assert query(embedded, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", ("x" * 120, "a b,c:d'e\"f", "größe"))
def test_any_path_will_do(home, name):
    with EmbeddedPostgres(home / name) as embedded:
        assert query(embedded, "SELECT 1") == [(1,)]
        socket_folder = Path(embedded.cluster.conninfo()["host"])
        assert socket_folder != embedded.cluster.data
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
    assert not socket_folder.exists()


def test_only_the_account_itself_reaches_the_socket(home):
    with EmbeddedPostgres(home) as embedded:
        socket_folder = Path(embedded.cluster.conninfo()["host"])
        assert socket_folder == embedded.cluster.data
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
        assert query(embedded, "SHOW listen_addresses") == [("",)]


@needs_root
def test_another_user_reaches_neither_socket_nor_files(home):
    with EmbeddedPostgres(home) as embedded:
        socket_folder = Path(embedded.cluster.conninfo()["host"])
        address = str(socket_folder / f".s.PGSQL.{embedded.cluster.conninfo()['port']}")

        def connect():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(address)

        def read():
            (embedded.cluster.data / "pg_hba.conf").read_text()

        assert errno_as(0, connect) == 0
        assert errno_as(NOBODY, connect) == errno.EACCES
        assert errno_as(NOBODY, read) == errno.EACCES


def errno_as(uid, action):
    """What an action ends with in a process of another user; 0 if it is done."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            action()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_interrupted_making_is_begun_anew(home):
    (home / "data.unfinished").mkdir(parents=True)
    (home / "data.unfinished" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(home) as embedded:
        assert query(embedded, "SELECT 1") == [(1,)]


def test_a_kept_server_stays_until_it_is_stopped(home):
    with EmbeddedPostgres(home) as embedded:
        embedded.keep_running()
    assert embedded.cluster.is_running
    with EmbeddedPostgres(home):
        pass
    assert embedded.cluster.is_running
    assert embedded.stop()
    assert not embedded.cluster.is_running


def test_stopping_waits_for_those_who_use_it(home):
    with EmbeddedPostgres(home) as embedded:
        embedded.keep_running()
        assert not EmbeddedPostgres(home).stop()
        assert query(embedded, "SELECT 1") == [(1,)]
    assert not embedded.cluster.is_running


def test_stopping_by_force_does_not(home):
    with EmbeddedPostgres(home) as embedded:
        assert EmbeddedPostgres(home).stop(force=True)
        assert not embedded.cluster.is_running


def test_the_server_does_not_inherit_the_secrets_of_who_started_it(home, monkeypatch):
    monkeypatch.setenv("EVERFLOW_API_KEY", "topsecret")
    with EmbeddedPostgres(home) as embedded:
        environment = Path(f"/proc/{postmaster(embedded)}/environ")
        if not environment.exists():
            pytest.skip("needs /proc")
        assert b"topsecret" not in environment.read_bytes()


def test_a_folder_of_something_else_is_left_alone(home):
    (home / "data").mkdir(parents=True)
    (home / "data" / "precious.txt").write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="it is not a PostgreSQL database"):
        EmbeddedPostgres(home).acquire()
    assert (home / "data" / "precious.txt").read_text() == "mine"


def test_another_major_version_is_named(home):
    (home / "data").mkdir(parents=True)
    (home / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="created by PostgreSQL 17; this is 18"):
        EmbeddedPostgres(home).acquire()


def test_a_server_that_cannot_start_shows_its_log(home):
    with EmbeddedPostgres(home) as embedded:
        pass
    with (embedded.cluster.data / "postgresql.conf").open("a") as settings:
        settings.write("work_mem = nonsense\n")
    with pytest.raises(EmbeddedPostgresError, match="invalid value for parameter"):
        embedded.acquire()
    assert not embedded.cluster.is_running


def test_a_path_that_cannot_be_made_is_a_clear_error(home):
    home.write_text("a file")
    with pytest.raises(EmbeddedPostgresError, match="SIGNALROOM_PGDATA"):
        EmbeddedPostgres(home).acquire()
    home.unlink()


@needs_root
def test_root_runs_it_as_the_owner_of_the_data(home):
    with EmbeddedPostgres(home) as embedded:
        owner = embedded.cluster.data.stat().st_uid
        assert owner != 0
        assert Path(f"/proc/{postmaster(embedded)}").stat().st_uid == owner
        assert account_for(embedded.cluster.data).uid == owner


@needs_root
def test_closed_folders_are_opened_to_the_account_only(home):
    closed = home / "closed"
    closed.mkdir(parents=True, mode=0o700)
    with EmbeddedPostgres(closed / "pg") as embedded:
        status = closed.stat()
        assert stat.S_IMODE(status.st_mode) == 0o710
        assert status.st_gid == embedded.cluster.data.stat().st_gid


@needs_root
@needs_open_venv
def test_an_ordinary_user_needs_nothing_of_the_system(home):
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    home.parent.chmod(0o755)
    process = user_process(home, NOBODY)
    wait_ready(process)
    with EmbeddedPostgres(home) as embedded:  # root joins in
        leave(process)
        assert Path(f"/proc/{postmaster(embedded)}").stat().st_uid == NOBODY
    assert not embedded.cluster.is_running


@needs_root
@needs_open_venv
def test_another_users_database_is_refused_with_advice(home):
    with EmbeddedPostgres(home):
        pass
    home.parent.chmod(0o755)
    process = user_process(home, NOBODY)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "belongs to another user" in errors
    assert "SIGNALROOM_PGDATA" in errors


def _ended(said):
    return subprocess.CompletedProcess([], 1, stdout=said)


@pytest.mark.parametrize(
    ("said", "why"),
    (
        (
            (
                "initdb: error: could not write file: No space left on device\n"
                'initdb: removing contents of data directory "data.unfinished"\n'
            ),
            "the disk is full, free some",
        ),
        ("creating files\ninitdb: error: invalid locale\n", "initdb: error: invalid locale$"),
        ("", "exit code 1$"),
    ),
    ids=("full", "another reason", "silent"),
)
def test_why_a_database_cannot_be_made(tmp_path, monkeypatch, said, why):
    monkeypatch.setattr(Cluster, "_run", lambda *_, **__: _ended(said))
    with pytest.raises(EmbeddedPostgresError, match=rf"created in .*: {why}"):
        EmbeddedPostgres(tmp_path).cluster.ensure_running()


def test_a_program_that_cannot_be_run_is_named(home, monkeypatch):
    home.mkdir()
    (program := home / "of another processor").touch(mode=0o755)
    monkeypatch.setattr(Cluster, "program", lambda *_: program)
    with pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL's initdb cannot be run: .*format"):
        EmbeddedPostgres(home).acquire()


def test_without_the_extra_there_is_no_server(tmp_path, monkeypatch):
    monkeypatch.setattr("signalroom_target_postgres.embedded.cluster.find_spec", lambda _: None)
    assert not Cluster.is_installed()
    EmbeddedPostgres(tmp_path / "pg").release()
    assert not (tmp_path / "pg").exists()


def test_a_long_log_is_begun_anew(home):
    with EmbeddedPostgres(home) as embedded:
        pass
    with embedded.cluster.log.open("a") as log:
        log.write("x\n" * 600_000)
    with embedded:
        assert 0 < embedded.cluster.log.stat().st_size < 1_000_000


@pytest.mark.parametrize(("mode", "is_private"), ((0o700, True), (0o755, False)))
def test_only_a_private_folder_takes_the_socket(tmp_path, mode, is_private):
    (folder := tmp_path / "socket").mkdir()
    folder.chmod(mode)
    account = Account(os.geteuid(), os.getegid(), switch=False)
    if is_private:
        _make_private(folder, account)
    else:
        with pytest.raises(EmbeddedPostgresError, match="is in the way"):
            _make_private(folder, account)
    assert stat.S_IMODE(folder.stat().st_mode) == mode


@pytest.mark.parametrize("switch", (True, False))
def test_what_was_installed_for_root_alone_is_opened_to_the_account(tmp_path, switch):
    (package := tmp_path / "package").mkdir(mode=0o700)
    (package / "data").touch(mode=0o600)
    (package / "program").touch(mode=0o700)
    Account(os.geteuid(), os.getegid(), switch=switch).grant_read(package)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (package, *sorted(package.iterdir()))]
    assert modes == ([0o755, 0o644, 0o755] if switch else [0o700, 0o600, 0o700])


@needs_root
def test_an_account_that_cannot_be_made_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("signalroom_target_postgres.embedded.account.NAME", "nobody-is-called-so")
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(EmbeddedPostgresError, match=r"useradd is not installed\. Create one"):
        account_for(tmp_path / "none")
