"""A process that asks for turns of an account: what it did is printed, a line each."""

from __future__ import annotations

import argparse
import sys
import time

from signalroom_singer import RateLimiter
from signalroom_singer.limits.account import AccountLimits, account_digest, open_store


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("--key", default="key")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--per-second", type=float)
    parser.add_argument("--at-once", type=int)
    parser.add_argument("--seconds", type=float, default=0, help="that a request takes")
    parser.add_argument("--pause", type=float, help="all processes for these seconds, and end")
    options = parser.parse_args()
    digest = account_digest("tap-test", ("https://api.example.com", options.key))
    pacer = RateLimiter(
        per_second=options.per_second,
        account=AccountLimits(watch_counts(open_store(options.store)), digest),
        account_concurrency=options.at_once,
        longest_request=3,
    )
    say("ready")
    sys.stdin.readline()
    if options.pause:
        pacer.pause(options.pause)
        say("paused")
        return
    for _ in range(options.turns):
        with pacer.slot():
            begin = time.time()
            say(f"turn {begin}")
            time.sleep(options.seconds)
            end = time.time()
        say(f"done {begin} {end}")


def watch_counts(store):
    """Print the server's time, in milliseconds, as which the store counts each request."""
    make_bucket = store.bucket

    def bucket(name, rates):
        made = make_bucket(name, rates)
        put = made.put

        def put_and_say(item):
            if is_counted := put(item):
                say(f"counted {item.timestamp}")
            return is_counted

        made.put = put_and_say
        return made

    store.bucket = bucket
    return store


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
