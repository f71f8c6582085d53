"""Write all generated files, or with ``--check`` name those that are stale.

``make settings`` runs it, ``make lint`` checks.
"""

from __future__ import annotations

import argparse
import sys

from tools.generate import (
    control_endpoints,
    hub,
    install_notes,
    loader_lock,
    other_projects,
    settings,
    tables,
    workspace,
)
from tools.generate.files import GeneratorError, report

#: In this order: later generators read files that earlier ones write.
GENERATORS = (
    workspace.GENERATOR,
    settings.GENERATOR,
    loader_lock.GENERATOR,
    control_endpoints.GENERATOR,
    hub.GENERATOR,
    other_projects.GENERATOR,
    tables.GENERATOR,
    install_notes.GENERATOR,
)


def main() -> int:
    """Run the command.

    Returns:
        The exit code: 1 if a check finds stale files, or a file cannot be generated.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if stale")
    check = parser.parse_args().check
    try:
        return _check() if check else _write()
    except GeneratorError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _write() -> int:
    for generator in GENERATORS:
        report(generator.write(), verb="written")
    return 0


def _check() -> int:
    stale = dict.fromkeys(path for generator in GENERATORS for path in generator.check())
    report(stale, verb="stale")
    if stale:
        sys.stdout.write("Run `make settings`.\n")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
