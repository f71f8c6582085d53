"""What is mutated, and which tests decide: those of the package alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_KIT = "libs/signalroom-singer"
_LOADER = "targets/target-postgres"
#: Of these streams none has partitions.
_NO_PARTITIONS = frozenset({"context"})


@dataclass(frozen=True)
class Group:
    """Modules that the same tests decide about.

    Attributes:
        folder: The folder of their package.
        modules: The modules, as patterns of paths within that folder.
        tests: The tests, as patterns of paths within that folder.
        needs_postgres: Whether the tests share the embedded PostgreSQL of the loader's tests.
        always_none: Names that are always None there: None in their place is no change.
    """

    folder: str
    modules: tuple[str, ...]
    tests: tuple[str, ...] = ("tests/test_*.py",)
    needs_postgres: bool = False
    always_none: frozenset[str] = frozenset()

    def module_paths(self) -> list[Path]:
        """The modules that there are, in the order of the patterns.

        Raises:
            FileNotFoundError: If there is no module for a pattern.
        """
        return self._paths(self.modules)

    def test_paths(self) -> list[Path]:
        """The files with the tests.

        Raises:
            FileNotFoundError: If there is no file for a pattern.
        """
        return self._paths(self.tests)

    def _paths(self, patterns: tuple[str, ...]) -> list[Path]:
        paths: list[Path] = []
        for pattern in patterns:
            matches = sorted(path.resolve() for path in (ROOT / self.folder).glob(pattern))
            if not matches:
                msg = f"{self.folder} has no {pattern}: correct tools/mutation/scope.py"
                raise FileNotFoundError(msg)
            paths += (path for path in matches if path.name != "__init__.py")
        return paths


def _tests(prefix: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/test_{prefix}_{name}.py" for name in names)


#: What decides about rows, and about their tables.
_LOADING = _tests(
    "target",
    *("arrays", "bad_records", "boolean_schemas", "comments", "counts", "files", "keys"),
    *("limits", "load", "load_log", "map_failures", "maps", "names", "refused_rows", "replace"),
    *("rights", "rounding", "schema_decides", "scopes", "staging", "states", "table_changes"),
    *("types", "unions", "unknown_fields", "values"),
)

#: tap-everflow has no bookmark of its own: the kit's windows move it.
GROUPS = {
    "kit-state": Group(
        _KIT,
        tuple(
            f"signalroom_singer/{name}.py" for name in ("windows", "state", "state_merge", "scopes")
        ),
        _tests(
            "kit",
            *("windows", "state", "state_merge", "scopes", "read_ahead", "progress"),
            "full_refresh",
        ),
    ),
    "kit-retries": Group(
        _KIT,
        (
            *(f"signalroom_singer/http/{name}.py" for name in ("retry", "rate_limit", "adaptive")),
            *(f"signalroom_singer/limits/{name}.py" for name in ("account", "store")),
        ),
        _tests("kit", "retry", "account_limits", "retry_and_rate_limit", "http", "http_client"),
    ),
    # Only with their servers: the tests of pipelines have these.
    "kit-limits": Group(
        _KIT,
        tuple(f"signalroom_singer/limits/{name}.py" for name in ("postgres", "redis")),
        ("../../tests/pipelines/test_account_limits.py",),
    ),
    "gsheets": Group(
        "taps/tap-gsheets",
        tuple(f"tap_gsheets/{name}.py" for name in ("fingerprint", "shrink_guard", "streams")),
        _tests("gsheets", "shrink_guard", "core", "faults", "cards", "spreadsheet_reader"),
    ),
    "mautic": Group(
        "taps/tap-mautic",
        (
            *("tap_mautic/streams/_keyset_scan.py", "tap_mautic/merges.py"),
            *("tap_mautic/streams/_stats_base.py", "tap_mautic/streams/gone_contacts.py"),
            "tap_mautic/undated_changes.py",
        ),
        _tests("mautic", "scans", "merges", "stats", "scopes"),
        always_none=_NO_PARTITIONS,
    ),
    "posthog": Group(
        "taps/tap-posthog",
        (
            *("tap_posthog/keyset.py", "tap_posthog/query_size.py", "tap_posthog/shared_ids.py"),
            *("tap_posthog/time_windows.py", "tap_posthog/streams/_time_window_base.py"),
            "tap_posthog/streams/_older_endpoint.py",
        ),
        _tests("posthog", "query_size", "windows", "identity", "events"),
    ),
    "redtrack": Group(
        "taps/tap-redtrack",
        ("tap_redtrack/streams/_adaptive_windows.py", "tap_redtrack/paging.py"),
        always_none=_NO_PARTITIONS,
    ),
    "sticky-s3": Group(
        "taps/tap-sticky-s3",
        tuple(f"tap_sticky_s3/{name}.py" for name in ("file_history", "day_files", "run_plan")),
        _tests("sticky", "day_files", "file_history", "run_plan"),
        always_none=_NO_PARTITIONS,
    ),
    "loader-state": Group(
        _LOADER,
        tuple(f"signalroom_target_postgres/{name}.py" for name in ("state", "start_state")),
        _tests("target", "state_tracker", "states", "summaries", "run_tap"),
        needs_postgres=True,
    ),
    "loader-rows": Group(
        _LOADER,
        ("signalroom_target_postgres/rows/*.py",),
        _LOADING,
        needs_postgres=True,
    ),
    "loader-warehouse": Group(
        _LOADER,
        ("signalroom_target_postgres/warehouse/*.py", "signalroom_target_postgres/scoped_rows.py"),
        _LOADING,
        needs_postgres=True,
    ),
}
