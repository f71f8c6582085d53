"""The results of mutation tests: a JSON file for each module, in ``.mutation``."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

FOLDER = ROOT / ".mutation" / "results"
_Mutant = TypeVar("_Mutant")


@dataclass(frozen=True)
class Result:
    """The outcome for one mutant.

    Attributes:
        name: The mutant's function and change.
        line: The first line of its statement.
        status: ``killed``, ``timeout``, ``survived`` or ``no test``.
        test: The test that noticed it.
    """

    name: str
    line: int
    status: str
    test: str = ""


def module_name(path: Path) -> str:
    """The name of a module, as tables show it: its path within the package's folder.

    Args:
        path: The file of the module.
    """
    return "/".join(path.relative_to(ROOT).parts[2:])


def sample(mutants: Sequence[_Mutant], size: int, seed: int, module: str) -> list[_Mutant]:
    """Choose mutants at random, the same ones each time; in the order that they have.

    Args:
        mutants: All mutants of a module.
        size: How many to choose; 0 for all of them.
        seed: Chooses them, together with the module.
        module: The name of the module.
    """
    if not size or size >= len(mutants):
        return list(mutants)
    generator = random.Random(f"{module} {seed}")  # nosec B311 # noqa: S311 - chooses a sample
    numbers = generator.sample(range(len(mutants)), size)
    return [mutants[number] for number in sorted(numbers)]


def write_results(
    path: Path, results: Iterable[Result], names: Collection[str], seed: int, *, is_partial: bool
) -> None:
    """Write the results of a module.

    Args:
        path: The file of the module.
        results: The outcomes of the mutants that were tested.
        names: The names of all mutants that the module has.
        seed: The seed of the sample.
        is_partial: Whether other outcomes, those of an earlier run, stay.
    """
    outcomes = {result.name: asdict(result) for result in results}
    if is_partial:
        outcomes = {item["name"]: item for item in read(path)["mutants"]} | outcomes
    FOLDER.mkdir(parents=True, exist_ok=True)
    mutants = sorted(
        (item for item in outcomes.values() if item["name"] in names),
        key=lambda item: (item["line"], item["name"]),
    )
    content = {"total": len(names), "seed": seed, "mutants": mutants}
    _file(path).write_text(json.dumps(content, indent=1))


def read(path: Path) -> dict[str, Any]:
    """Read the results of a module, as `write_results` wrote them; without any, they are empty.

    Args:
        path: The file of the module.
    """
    if not _file(path).exists():
        return {"total": 0, "seed": 0, "mutants": []}
    content: dict[str, Any] = json.loads(_file(path).read_text())
    return content


def read_results(path: Path) -> dict[str, str]:
    """The status of each mutant of a module by its name.

    Args:
        path: The file of the module.
    """
    return {item["name"]: item["status"] for item in read(path)["mutants"]}


def _file(path: Path) -> Path:
    return FOLDER / f"{module_name(path).replace('/', '.')}.json"
