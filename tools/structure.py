"""Measure the structure of the code: lines, import cycles, and the functions that a run calls.

``python -m tools.structure`` prints a table of packages with their lines and the modules in import
cycles, including type-only imports; then, for Everflow's ``daily_stats`` and one file from S3, the
number of functions and modules of this repository that a run calls. To measure another checkout,
set ``PYTHONPATH`` so that its packages are imported instead.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
import tempfile
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.server import SandboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Self

PACKAGES = (
    *("signalroom_singer", "signalroom_target_postgres", "signalroom_cli", "signalroom_sandbox"),
    *("tap_everflow", "tap_gsheets", "tap_mautic", "tap_posthog", "tap_redtrack", "tap_sticky_s3"),
)


def folder_of(package: str) -> Path:
    """The folder that a package is imported from.

    Args:
        package: The import name.

    Raises:
        ModuleNotFoundError: If the package is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        msg = f"{package} is not installed"
        raise ModuleNotFoundError(msg)
    return Path(spec.origin).parent


def lines_of(folder: Path) -> tuple[int, int]:
    """Count the lines of a package's modules, without empty ones.

    Args:
        folder: The package's folder.

    Returns:
        Lines of code, and lines of docstrings and comments.
    """
    code = words = 0
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        lines = {number for number, line in enumerate(text.splitlines(), 1) if line.strip()}
        comments = {number for number in lines if text.splitlines()[number - 1].strip()[0] == "#"}
        comments |= _docstring_lines(ast.parse(text)) & lines
        code += len(lines - comments)
        words += len(comments)
    return code, words


def _docstring_lines(tree: ast.Module) -> set[int]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {
        number
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }


def modules_in_cycles(package: str) -> set[str]:
    """Find the modules of a package that are in import cycles.

    Args:
        package: The import name.

    Returns:
        Names of modules; imports below ``if TYPE_CHECKING`` and within functions count.
    """
    folder = folder_of(package)
    files = {_module_name(package, folder, path): path for path in folder.rglob("*.py")}
    graph = {name: {*_imports(path, files)} - {name} for name, path in files.items()}
    return {name for name in graph if name in _reachable(graph, name)}


def _module_name(package: str, folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join([package, *(parts[:-1] if parts[-1] == "__init__" else parts)])


def _imports(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [name for name in names if name in modules]
            yield from submodules
            # A name of the package itself is an import of its `__init__`.
            if len(submodules) < len(names) and node.module in modules:
                yield node.module


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += graph[module]
    return reached


class Trace:
    """Collects the functions of this repository's packages that run within a block."""

    def __init__(self) -> None:
        self._roots = tuple(str(folder_of(name)) for name in PACKAGES if "sandbox" not in name)
        self._calls: set[CodeType] = set()

    def __enter__(self) -> Self:
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self._calls.add(frame.f_code)

    def by_module(self) -> dict[str, set[str]]:
        """The named functions that ran, by their file."""
        functions: defaultdict[str, set[str]] = defaultdict(set)
        for code in self._calls:
            if code.co_filename.startswith(self._roots) and not code.co_name.startswith("<"):
                functions[code.co_filename].add(code.co_qualname)
        return dict(functions)


def trace_run(make_tap: Callable[[], Any]) -> Trace:
    """Run a tap in this process.

    Args:
        make_tap: Creates the tap; this call is not traced.

    Returns:
        The functions that the run called.
    """
    tap = make_tap()
    _ = tap.catalog
    trace = Trace()
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())), trace:
        tap.sync_all()
    tap.close()
    return trace


def _select(tap: Any, name: str) -> Any:
    for stream in tap.streams.values():
        stream.selected = stream.name == name
        for metadata in stream.metadata.values():
            metadata.selected = stream.selected
    return tap


def traces(sandbox: SandboxServer) -> dict[str, Trace]:
    """Trace runs of a report of Everflow and of a file from S3.

    Args:
        sandbox: The running mock vendors.
    """
    from tap_everflow.tap import TapEverflow  # noqa: PLC0415 - it may be another checkout's
    from tap_sticky_s3.tap import TapStickyS3  # noqa: PLC0415

    day = (datetime.now(UTC).date() - timedelta(days=3)).isoformat()
    os.environ |= sandbox.dotenv
    os.environ |= {"TAP_EVERFLOW_START_DATE": day, "TAP_EVERFLOW_END_DATE": day}
    os.environ |= {"TAP_STICKY_S3_MAX_FILES": "1"}
    storage = {"root": Path(tempfile.mkdtemp()).as_uri()}
    batches = {"batch_config": {"encoding": {"format": "arrow"}, "storage": storage}}
    return {
        "everflow daily_stats": trace_run(
            lambda: _select(TapEverflow(parse_env_config=True), "daily_stats")
        ),
        "one file of S3": trace_run(lambda: TapStickyS3(config=batches, parse_env_config=True)),
    }


def main() -> int:
    """Print the table and the traces."""
    print(f"{'package':28}{'code':>8}{'words':>8}{'modules':>9}{'in cycles':>11}")  # noqa: T201
    totals = [0, 0]
    for package in PACKAGES:
        folder = folder_of(package)
        code, words = lines_of(folder)
        totals = [totals[0] + code, totals[1] + words]
        count, cycles = len([*folder.rglob("*.py")]), len(modules_in_cycles(package))
        print(f"{package:28}{code:>8}{words:>8}{count:>9}{cycles:>11}")  # noqa: T201
    print(f"{'together':28}{totals[0]:>8}{totals[1]:>8}\n")  # noqa: T201
    with SandboxServer() as sandbox:
        for label, trace in traces(sandbox).items():
            modules = trace.by_module()
            functions = sum(map(len, modules.values()))
            print(f"{label}: {functions} functions in {len(modules)} modules")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
