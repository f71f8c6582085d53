"""Which cases there are: each source, each trouble, some seeds."""

from __future__ import annotations

import os

import pytest
from harness.chaos.disks import can_mount
from harness.chaos.sources import SOURCES
from harness.chaos.troubles import TROUBLES

#: How many seeds a trouble of weight 1 has; 0 is the fast choice of every test run.
SEEDS = int(os.environ.get("SIGNALROOM_CHAOS", "0"))
#: Seeds are counted from here on: another number is another thousand of cases.
FIRST = int(os.environ.get("SIGNALROOM_CHAOS_SEED", "0"))
#: In every test run these are tried with each source, and the others with one of them.
_ALWAYS = ("SIGKILL of both", "SIGKILL of both during a full refresh")
#: A third of these is: each tap's own tests try all that its vendor can answer.
_MANY = "network"
_NEEDS_ROOT = "disk full for PostgreSQL"
_SELDOM = ("SIGKILL of Meltano alone", _NEEDS_ROOT)


def possible():
    """What can be tried on this machine."""
    known = list(TROUBLES.values())
    return known if can_mount() else [item for item in known if item.name != _NEEDS_ROOT]


def cases():
    """The cases of this run: source, trouble, seed."""
    found = [
        pytest.param(source, item.name, FIRST + seed, id=f"{source}: {item.name} #{FIRST + seed}")
        for number, item in enumerate(possible())
        for source, seeds in chosen(number, item)
        for seed in range(seeds)
    ]
    assert len({case.id for case in found}) == len(found)
    return found


def chosen(number, item):
    """With which sources a trouble is tried, and how often with each."""
    sources = [name for name in SOURCES if name in item.sources]
    if SEEDS:
        return [(name, max(1, round(SEEDS * item.weight))) for name in sources]
    if item.name in _ALWAYS:
        return [(name, 1) for name in sources]
    if item.name in _SELDOM or (item.kind == _MANY and number % 3):
        return []
    return [(sources[number % len(sources)], 1)]
