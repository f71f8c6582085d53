"""Starts the program of this file's name in a fork of the preloading server, and waits for it.

`programs` copies this file for each program, into the folder of the server's socket. Only the
standard library is available: Python is started without site-packages, which takes 10 ms.
If the server has ended, the program is started from its own executable, found later on the PATH.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

_FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def main() -> None:
    """Start the program, pass signals on to it, and end as it ends."""
    # Without pathlib, as importing it takes longer than all else here.
    folder, name = os.path.split(os.path.abspath(__file__))  # noqa: PTH100
    # A signal that arrives before the program has started is delivered after that.
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    try:
        connection = _request(folder, name)
        answers = connection.makefile()
        pid = int(answers.readline())
    except (OSError, ValueError):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        _replace_process(folder, name)
    # Whoever reads the program's output waits for the program to close it, not for this process.
    for descriptor in range(3):
        os.close(descriptor)

    def forward(number: int, _frame: object) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            os._exit(1)

    for number in _FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    line = answers.readline()
    # Without an answer the server has been killed, and with it whoever knows the exit code.
    code = int(line) if line else 1
    if code < 0:
        if -code in _FORWARDED:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _request(folder: str, name: str) -> socket.socket:
    import json  # noqa: PLC0415

    request = {
        "program": name,
        "arguments": sys.argv[1:],
        "folder": os.getcwd(),  # noqa: PTH109
        "env": dict(os.environ),
    }
    message = json.dumps(request).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{folder}/server")
    socket.send_fds(connection, [len(message).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(message)
    return connection


def _replace_process(folder: str, name: str) -> None:
    for path in os.environ.get("PATH", "").split(os.pathsep):
        executable = f"{path}/{name}"
        if path != folder and os.access(executable, os.X_OK):
            os.execv(executable, [executable, *sys.argv[1:]])  # nosec B606 # noqa: S606
    sys.exit(f"{name} is not on the PATH.")


if __name__ == "__main__":
    main()
