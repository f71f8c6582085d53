"""A program by its name on the PATH, which the zygote starts: it is here for its process id.

Whoever started this meets the program as if it were this process: its pipes, signals, process
group and exit code. It ends with this one, also where that is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

# Without pathlib: importing it takes longer than all else here.
folder, name = os.path.split(os.path.abspath(__file__))  # noqa: PTH100
# Not before it is known whom to pass them on to.
signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
ours, theirs = socket.socketpair()
message = {
    "program": name,
    "arguments": sys.argv[1:],
    "folder": os.getcwd(),  # noqa: PTH109
    "env": dict(os.environ),
    "group": os.getpgrp(),
    "clock": None,
    "file_bytes": None,
}
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as zygote:
    zygote.connect(f"{folder}/zygote")
    socket.send_fds(zygote, [json.dumps(message).encode()], [theirs.fileno(), 0, 1, 2])
theirs.close()
# The program's alone from here on: who reads what it writes waits for its end, not for this one's.
for standard in range(3):
    os.close(standard)
told = ours.makefile()
program = int(told.readline())


def pass_on(number, _frame):
    try:
        os.kill(program, number)
    except ProcessLookupError:
        os._exit(1)


for number in PASSED_ON:
    signal.signal(number, pass_on)
signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
code = int(told.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
