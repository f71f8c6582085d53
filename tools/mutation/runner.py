"""Runs tests against mutants, within one process of pytest: each mutant in a fork of it.

This process runs no test itself, so that forks start without servers, threads and caches. First a
fork runs all tests under coverage; then a mutant's fork runs those that execute its statement. The
first are those that noticed other mutants of the function or of the module, in this run or the one
before. Then come the tests of the file that is named like the module, then the others: the quickest
of each file before the second of any, and more of files whose tests noticed more.

A test that takes ten times as long as it did counts as a timeout: the mutant is noticed.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from coverage import Coverage

from tools import ROOT
from tools.mutation import fixtures
from tools.mutation.mutants import compile_mutant, mutants_of
from tools.mutation.report import find_pattern, read_reasons
from tools.mutation.results import Result, module_name, read, read_results, sample, write_results
from tools.mutation.scope import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tools.mutation.mutants import Mutant
    from tools.mutation.scope import Group

#: What coverage found out about each file with tests, by a hash of all that it depends on.
CACHE = ROOT / ".mutation" / "coverage"
#: Seconds that a test may take, beyond ten times as many as it took.
PATIENCE = 10.0
_ADDRESS_SPACE = 8 << 30
_LARGEST_FILE = 1 << 30
_NOTICED, _SURVIVED = b"N", b"S"
#: How many tests a message names.
_FEW = 3


@dataclass(frozen=True)
class Options:
    """What a run does.

    Attributes:
        jobs: The number of mutants that are tested at a time.
        sample: The most mutants of a module; 0 for all.
        seed: Chooses the sample.
        again: Only mutants that are in the results as survived or without a test, and whose
            reason is not known.
        seconds: The most seconds of tests a mutant, as they took without it.
        modules: Only modules whose path has one of these texts, separated by commas.
        functions: Only mutants of functions whose name has this text.
        tests: Only tests whose id has this text.
    """

    jobs: int = 2
    sample: int = 0
    seed: int = 1
    again: bool = False
    seconds: float = 12.0
    modules: str = ""
    functions: str = ""
    tests: str = ""


@dataclass
class Baseline:
    """What the tests did without a mutant.

    Attributes:
        seconds: How long each test took, by its id; without those that failed.
        tests: By module and line, the ids of the tests that execute it.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def tests_of(self, module: Path, mutant: Mutant) -> set[str]:
        """The tests that execute a mutant's statement.

        Args:
            module: The file of the module.
            mutant: A mutant of it.
        """
        lines = self.tests.get(str(module), {})
        first, last = mutant.lines
        tests = [lines.get(line, set()) for line in range(first, last + 1)]
        return {test for test in set().union(*tests) if test in self.seconds}


@dataclass
class _Fork:
    """A process that tests a mutant."""

    pid: int
    pipe: int
    mutant: Mutant
    tests: list[str]
    folder: Path
    began: float
    deadline: float = 0.0
    test: int = -1


class Kills:
    """Which tests noticed mutants of a module, in this run or in the one before.

    Args:
        path: The file of the module.
    """

    def __init__(self, path: Path) -> None:
        self._module = path.stem.strip("_")
        self._by_function: dict[str, Counter[str]] = defaultdict(Counter)
        self._total: Counter[str] = Counter()
        self._by_file: Counter[str] = Counter()
        for item in read(path)["mutants"]:
            if item["test"]:
                self.add(item["name"].partition(":")[0], item["test"])

    def add(self, function: str, test: str) -> None:
        """Note that a test noticed a mutant of a function."""
        self._by_function[function][test] += 1
        self._total[test] += 1
        self._by_file[_file_of(test)] += 1

    def order(self, function: str, tests: Iterable[str], seconds: Mapping[str, float]) -> list[str]:
        """Put first the tests that are likely to notice a mutant of a function.

        Args:
            function: The qualified name of the function.
            tests: The ids of the tests.
            seconds: How long each takes.
        """
        kills = self._by_function[function]
        tests_of_files: Counter[str] = Counter()

        def rank(test: str) -> tuple[int, int, bool, float]:
            file = _file_of(test)
            tests_of_files[file] += 1
            is_named_alike = Path(file).stem.endswith(f"_{self._module}")
            # The more mutants the tests of a file noticed, the more of them are run.
            place = tests_of_files[file] / (1 + self._by_file[file])
            return -kills[test], -self._total[test], not is_named_alike, place

        return sorted(sorted(tests, key=lambda test: (seconds[test], test)), key=rank)


def run_group(group: Group, options: Options) -> int:
    """Test the mutants of a group's modules, and write the results.

    Args:
        group: The modules and tests.
        options: What to run.

    Returns:
        The exit code of pytest.
    """
    # Of what addopts has neither workers nor the slowest tests. Results of coverage are kept by the
    # order of the tests, which has to stay.
    arguments = ["-q", "-o", "addopts=", "--import-mode=importlib", "-p", "no:xdist"]
    arguments += ["-p", "no:randomly"]
    arguments += ["-p", "no:cacheprovider", "-m", "not (browser or clickhouse or proof or timing)"]
    paths = [str(path) for path in group.test_paths()]
    return int(pytest.main([*arguments, *paths], plugins=[_Plugin(group, options), fixtures]))


class _Plugin:
    """Replaces pytest's loop over the tests."""

    def __init__(self, group: Group, options: Options) -> None:
        self.group = group
        self.options = options
        self.failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Let Hypothesis try the same values for each mutant, and stop at the first that fails."""
        import hypothesis  # noqa: PLC0415 - pytest rewrites the assertions of its plugin first

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        profile = hypothesis.settings.get_profile("signalroom")
        hypothesis.settings.register_profile(
            "mutation", profile, phases=phases, derandomize=True, database=None
        )
        hypothesis.settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice that a test failed."""
        self.failed = self.failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Test all mutants.

        Args:
            session: The session with the tests that were collected.
        """
        gc.freeze()
        items = {item.nodeid: item for item in session.items}
        with ExitStack() as stack:
            if self.group.needs_postgres:
                stack.enter_context(self._postgres())
            baseline = self._baseline(items)
            for module in self.group.module_paths():
                if any(text in module_name(module) for text in self.options.modules.split(",")):
                    self._test_module(module, items, baseline)
        return True

    @contextmanager
    def _postgres(self) -> Iterator[None]:
        # The loader's tests find it by the same folder; it is on the path since their conftest ran.
        from testserver import server_for_tests  # noqa: PLC0415

        folder = Path(tempfile.gettempdir()) / f"signalroom-target-{fixtures.RUN_ID}"
        with server_for_tests(folder):
            yield
        shutil.rmtree(folder, ignore_errors=True)

    # Coverage

    def _baseline(self, items: Mapping[str, pytest.Item]) -> Baseline:
        """Run the tests under coverage, file by file; those of unchanged files were run before."""
        files = defaultdict(list)
        for item in items.values():
            files[item.path].append(item)
        keys = {path: self._cache_key(path, tests) for path, tests in files.items()}
        missing = [path for path, key in keys.items() if not _is_usable(CACHE / key)]
        CACHE.mkdir(parents=True, exist_ok=True)
        _print(f"Tests: {len(items)} in {len(files)} files, of which {len(missing)} run first")
        chunks = [missing[start :: self.options.jobs] for start in range(self.options.jobs)]
        pids = [self._fork_coverage(chunk, files, keys) for chunk in chunks if chunk]
        codes = [os.waitpid(pid, 0)[1] for pid in pids]
        if any(codes):
            msg = "The tests ended early without a mutant; run them with pytest"
            raise pytest.UsageError(msg)
        return self._merge([json.loads((CACHE / key).read_text()) for key in keys.values()])

    def _merge(self, parts: Iterable[Mapping[str, Any]]) -> Baseline:
        baseline = Baseline()
        failed: list[str] = []
        for part in parts:
            baseline.seconds |= part["seconds"]
            failed += part["failed"]
            for module, tests_of_lines in part["tests"].items():
                lines = baseline.tests.setdefault(str(ROOT / module), {})
                for line, tests in tests_of_lines.items():
                    lines.setdefault(int(line), set()).update(tests)
        if failed:
            names = ", ".join(failed[:_FEW])
            _print(f"{len(failed)} tests fail without a mutant, and are not used: {names}")
        if len(failed) > len(baseline.seconds):
            msg = "Most tests fail without a mutant"
            raise pytest.UsageError(msg)
        return baseline

    def _cache_key(self, path: Path, items: Sequence[pytest.Item]) -> str:
        digest = hashlib.sha256()
        shared = [ROOT / "conftest.py", *sorted(path.parent.glob("*.py"))]
        for file in [path, *(file for file in shared if not file.name.startswith("test_"))]:
            digest.update(file.read_bytes())
        for file in self._covered_modules():
            digest.update(str(file).encode() + file.read_bytes())
        digest.update("\n".join(item.nodeid for item in items).encode())
        return f"{path.stem}-{digest.hexdigest()[:20]}.json"

    def _covered_modules(self) -> list[Path]:
        """The modules of all groups of the package, so that each test is run once for all."""
        groups = [group for group in GROUPS.values() if group.folder == self.group.folder]
        return sorted({path for group in groups for path in group.module_paths()})

    def _fork_coverage(
        self,
        paths: Sequence[Path],
        files: Mapping[Path, Sequence[pytest.Item]],
        keys: Mapping[Path, str],
    ) -> int:
        pid = os.fork()
        if pid:
            return pid
        code, folder = 1, Path(tempfile.mkdtemp(prefix="mutation-"))
        try:
            self._prepare_fork(files[paths[0]][0].config, folder)
            for path in paths:
                (CACHE / keys[path]).write_text(json.dumps(self._cover(files[path])))
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the fork ends here
            _print(traceback.format_exc())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(code)

    def _cover(self, items: Sequence[pytest.Item]) -> dict[str, Any]:
        modules = [str(path) for path in self._covered_modules()]
        measure = Coverage(data_file=None, include=modules, config_file=False)
        measure.start()
        seconds, failed = {}, []
        for item in items:
            self.failed, began = False, time.monotonic()
            measure.switch_context(item.nodeid)
            _run_test(item)
            if self.failed:
                failed.append(item.nodeid)
            else:
                seconds[item.nodeid] = round(time.monotonic() - began, 4)
        measure.stop()
        with warnings.catch_warnings(action="ignore"):  # a file may not use the modules at all
            data = measure.get_data()
        tests = {
            str(Path(module).relative_to(ROOT)): {
                line: [context for context in contexts if context]
                for line, contexts in data.contexts_by_lineno(module).items()
            }
            for module in modules
        }
        return {"seconds": seconds, "failed": failed, "tests": tests}

    # Mutants

    def _test_module(
        self, path: Path, items: Mapping[str, pytest.Item], baseline: Baseline
    ) -> None:
        module = sys.modules[_import_name(path)]
        functions = functions_of(module, path)
        mutants, names = self._choose(path)
        results: list[Result] = []
        kills = Kills(path)
        forks: dict[int, _Fork] = {}
        queue = iter(mutants)
        began = time.monotonic()
        while True:
            for mutant in queue:
                tests = self._choose_tests(baseline, path, mutant, kills)
                if not tests:
                    results.append(Result(mutant.name, mutant.lines[0], "no test"))
                    continue
                fork = self._fork(mutant, functions[mutant.function], tests, items)
                forks[fork.pipe] = fork
                if len(forks) >= self.options.jobs:
                    break
            if not forks:
                break
            for fork, status in self._wait(forks, baseline):
                test = fork.tests[fork.test] if status != "survived" else ""
                if test:
                    kills.add(fork.mutant.function, test)
                results.append(Result(fork.mutant.name, fork.mutant.lines[0], status, test))
        counts = Counter(result.status for result in results)
        _print(
            f"{module_name(path)}: {len(mutants)} of {len(names)} mutants, "
            f"{', '.join(f'{count} {status}' for status, count in sorted(counts.items()))}, "
            f"{time.monotonic() - began:.0f} s"
        )
        write_results(path, results, names, self.options.seed, is_partial=self._is_partial)

    @property
    def _is_partial(self) -> bool:
        return self.options.again or bool(self.options.functions)

    def _choose(self, path: Path) -> tuple[list[Mutant], set[str]]:
        """The mutants to test, and the names of all that the module has."""
        every = mutants_of(path.read_text(encoding="utf-8"), self.group.always_none)
        if self.options.again:
            before = read_results(path)
            reasons = read_reasons().get(module_name(path), {})
            mutants = [
                mutant
                for mutant in every
                if before.get(mutant.name) in {"survived", "no test"}
                and not find_pattern(mutant.name, reasons)
            ]
        else:
            mutants = sample(every, self.options.sample, self.options.seed, module_name(path))
        chosen = [mutant for mutant in mutants if self.options.functions in mutant.function]
        return chosen, {mutant.name for mutant in every}

    def _choose_tests(
        self, baseline: Baseline, path: Path, mutant: Mutant, kills: Kills
    ) -> list[str]:
        """The tests to run against a mutant, in their order, as far as there is time for them."""
        seconds = baseline.seconds
        tests = {test for test in baseline.tests_of(path, mutant) if self.options.tests in test}
        spent = 0.0
        chosen: list[str] = []
        for test in kills.order(mutant.function, tests, seconds):
            spent += seconds[test]
            if chosen and spent > self.options.seconds:
                break
            chosen.append(test)
        return chosen

    def _fork(
        self,
        mutant: Mutant,
        function: FunctionType,
        tests: list[str],
        items: Mapping[str, pytest.Item],
    ) -> _Fork:
        flags = function.__code__.co_flags & _FUTURE_ANNOTATIONS
        code = compile_mutant(mutant, function.__code__, flags)
        folder = Path(tempfile.mkdtemp(prefix="mutation-"))
        reading, writing = os.pipe()
        now = time.monotonic()
        pid = os.fork()
        if pid:
            os.close(writing)
            return _Fork(pid, reading, mutant, tests, folder, now, now + PATIENCE)
        try:
            os.setpgid(0, 0)
            self._prepare_fork(items[tests[0]].config, folder)
            function.__code__ = code
            os.write(writing, self._run(items, tests, writing))
        finally:
            os._exit(0)

    def _prepare_fork(self, config: pytest.Config, folder: Path) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        config.pluginmanager.unregister(name="terminalreporter")
        # The files that output is captured in are this process's own.
        capture: Any = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()

    def _run(self, items: Mapping[str, pytest.Item], tests: Sequence[str], progress: int) -> bytes:
        self.failed = False
        for test in tests:
            os.write(progress, b".")
            item = items[test]
            # A mutant may break what pytest or a fixture does itself.
            with suppress(Exception):
                _run_test(item)
                if not self.failed:
                    continue
            return _NOTICED
        return _SURVIVED

    def _wait(self, forks: dict[int, _Fork], baseline: Baseline) -> Iterator[tuple[_Fork, str]]:
        """Wait until at least one fork has ended; yields each that has, with its status."""
        ended = False
        while not ended:
            ready, _, _ = select.select(list(forks), [], [], 0.2)
            for pipe in ready:
                fork = forks[pipe]
                news = os.read(pipe, 4096)
                for byte in (bytes([number]) for number in news):
                    if byte == b".":
                        fork.test += 1
                        usual = baseline.seconds[fork.tests[fork.test]]
                        fork.deadline = time.monotonic() + PATIENCE + 10 * usual
                if not news or news[-1:] in {_NOTICED, _SURVIVED}:
                    # A fork that says nothing at its end was ended by the mutant.
                    status = "survived" if news[-1:] == _SURVIVED else "killed"
                    ended = True
                    yield self._end(forks.pop(pipe)), status
            for fork in [fork for fork in forks.values() if time.monotonic() > fork.deadline]:
                ended = True
                yield self._end(forks.pop(fork.pipe)), "timeout"

    def _end(self, fork: _Fork) -> _Fork:
        with suppress(ProcessLookupError):
            os.killpg(fork.pid, signal.SIGKILL)
        os.waitpid(fork.pid, 0)
        os.close(fork.pipe)
        shutil.rmtree(fork.folder, ignore_errors=True)
        return fork


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def _is_usable(path: Path) -> bool:
    return path.exists() and not json.loads(path.read_text())["failed"]


def _run_test(item: pytest.Item) -> None:
    # With the session as what comes next: its fixtures stay, all others end.
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=item.session)


_terminal = os.dup(1)
_FUTURE_ANNOTATIONS = 0x1000000  # __future__.annotations.compiler_flag


def functions_of(module: Any, path: Path) -> dict[str, FunctionType]:
    """The functions and methods of a module, by qualified name, without their decorators.

    Args:
        module: The module, or a class of it.
        path: The file of the module: what other modules define is left out.
    """
    functions: dict[str, FunctionType] = {}
    for value in list(vars(module).values()):
        if isinstance(value, type):
            if value.__module__ == getattr(module, "__module__", module.__name__):
                functions |= functions_of(value, path)
            continue
        for function in _without_decorators(value):
            if function.__code__.co_filename == str(path):
                functions[function.__code__.co_qualname] = function
    return functions


def _without_decorators(value: Any) -> Iterator[FunctionType]:
    if isinstance(value, FunctionType):
        yield value
        inner = [value.__wrapped__] if hasattr(value, "__wrapped__") else []
    elif isinstance(value, property):
        inner = [value.fget, value.fset]
    elif isinstance(value, classmethod | staticmethod):
        inner = [value.__func__]
    else:
        inner = [getattr(value, "func", None), getattr(value, "__wrapped__", None)]
    for function in inner:
        if callable(function):
            yield from _without_decorators(function)


def _import_name(path: Path) -> str:
    package = path.parent
    while (package / "__init__.py").exists():
        package = package.parent
    name = ".".join(path.relative_to(package).with_suffix("").parts)
    if name not in sys.modules:
        importlib.import_module(name)
    return name


def _print(text: str) -> None:
    # Past what pytest captures.
    os.write(_terminal, f"{text}\n".encode())
