"""Collecting tests has no side effects: a module that starts a server when it is imported fails."""

from __future__ import annotations

import socket
from unittest import mock

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Refuse to listen until all tests are collected."""
    with mock.patch.object(socket.socket, "listen", refuse_to_listen):
        return (yield)


def refuse_to_listen(*_):
    """Fail, in place of `socket.socket.listen`."""
    message = "A server was started while tests were collected: start it in a fixture"
    raise AssertionError(message)
