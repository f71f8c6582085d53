"""The tests' server is the one that was asked for (`make compat-postgres`)."""

from __future__ import annotations

import os
import re
import subprocess

import psycopg
from testserver import PROGRAMS

from signalroom_target_postgres.embedded.cluster import VERSION


def test_the_server_is_the_one_that_was_asked_for(server):
    expected = VERSION
    if programs := os.environ.get(PROGRAMS):
        said = subprocess.check_output([f"{programs}/postgres", "--version"], text=True)
        expected = re.search(r"(\d+)\.", said)[1]
    with psycopg.connect(server.libpq_url) as connection:
        assert connection.info.server_version // 10_000 == int(expected)
