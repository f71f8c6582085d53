"""``bench/flames.py REV``: flame graphs of what users wait for, now and at an earlier commit.

    .venv/bin/python bench/flames.py main
    .venv/bin/python bench/flames.py main --jobs start records

py-spy (``pip install py-spy``) samples all processes of a job. ``.flames`` gets an SVG file of each
job and checkout: a tower for each process, as wide as its share of the samples in which a thread
was not idle. The files ``.folded`` have the same as text, for speedscope. Printed are the seconds,
and the modules in which most of them pass, with what they call.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import files
import loader
from before import Earlier, checkout, compile_modules
from measure import HERE, SURROUNDINGS, Job
from vendors import catalog, sandbox

FOLDER = HERE.parent / ".flames"
RATE = 200  # samples a second
#: py-spy writes to its standard output, which it shares with the program: the program's is another.
REDIRECTED = ("sh", "-c", 'exec 3>&1 1>&2; exec "$@"', "sh")
ON_THE_OTHER = """
import os, runpy, sys
os.dup2(3, 1)
os.close(3)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
CONTACTS, WIDE = 40_000, 102_000
WIDTH, HEIGHT, LEAST, LETTER = 1400, 17, 0.4, 6.7  # pixels: graph, frame, narrowest frame, letter


@dataclass(frozen=True)
class Version:
    """A checkout.

    Attributes:
        name: What its graphs are named after.
        root: Its folder.
    """

    name: str
    root: Path

    def program(self, name: str) -> Path:
        """One of its executables."""
        return self.root / ".venv" / "bin" / name

    @property
    def target(self) -> Earlier:
        """Its loader."""
        return Earlier(loader.OURS.program, folder=self.root)


@dataclass
class Frame:
    """A function, as it was called by others.

    Attributes:
        count: The samples in it and in what it calls.
        calls: What it calls, by name.
    """

    count: int = 0
    calls: dict[str, Frame] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many functions are on top of each other."""
        return 1 + max((call.depth for call in self.calls.values()), default=0)


def sample(folder: Path, commands, env=None, stdin=None, cwd=None) -> Counter[str]:
    """Run commands in a pipe under py-spy, and return the samples by stack."""
    spy = shutil.which("py-spy") or sys.exit("py-spy is not on the PATH: pip install py-spy")
    source = Path(stdin or os.devnull).open("rb")  # noqa: SIM115 - closed once it is passed on
    running = []
    log = (folder / "log").open("ab")
    for number, command in enumerate(commands):
        is_last = number == len(commands) - 1
        options = ["record", "--subprocesses", "--rate", str(RATE), "--format", "raw"]
        options += ["--output", str(folder / f"{number}.raw"), "--"]
        python = Path(command[0]).with_name("python")
        (folder / "program.py").write_text(ON_THE_OTHER)
        program = [python, folder / "program.py", *command]
        process = subprocess.Popen(
            [*REDIRECTED, spy, *options, *map(str, program)],
            env=SURROUNDINGS | (env or {}),
            cwd=cwd,
            stdin=source,
            stdout=subprocess.DEVNULL if is_last else subprocess.PIPE,
            stderr=log,
        )
        source.close()
        source = process.stdout
        running.append(process)
    codes = [process.wait() for process in running]
    log.close()
    if any(codes):
        sys.exit((folder / "log").read_text())
    stacks: Counter[str] = Counter()
    for number in range(len(commands)):
        for line in (folder / f"{number}.raw").read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            stacks[stack] += int(count)
    return stacks


def tree_of(stacks: Counter[str]) -> Frame:
    """The frames of all stacks, from the outermost on."""
    root = Frame()
    for stack, count in stacks.items():
        frame = root
        frame.count += count
        for name in stack.split(";"):
            if "<frozen importlib" in name:
                continue  # five frames for each import
            frame = frame.calls.setdefault(name, Frame())
            frame.count += count
    return root


def draw(root: Frame, title: str) -> str:
    """Draw a flame graph as SVG; a frame's tooltip has its name and its share."""
    height = (root.depth + 1) * HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
    font = 'font-family="monospace" font-size="11"'
    parts = [f'{head} {font}><text x="4" y="12">{escape(title)}</text>']

    def add(name: str, frame: Frame, left: float, level: int) -> None:
        width = WIDTH * frame.count / root.count
        if width < LEAST:
            return
        bottom = height - (level + 1) * HEIGHT
        share = f"{escape(name)}: {frame.count / root.count:.1%}"
        colour = f"rgb(240,{sum(name.encode()) % 100 + 110},80)"
        shown = escape(name[: int(width / LETTER)])
        parts.append(
            f'<g><title>{share}</title><rect x="{left:.1f}" y="{bottom}" width="{width:.1f}"'
            f' height="{HEIGHT - 1}" fill="{colour}"/><text x="{left + 2:.1f}"'
            f' y="{bottom + 12}">{shown}</text></g>'
        )
        for inner, call in frame.calls.items():
            add(inner, call, left, level + 1)
            left += WIDTH * call.count / root.count

    left = 0.0
    for name, frame in root.calls.items():
        add(name, frame, left, 0)
        left += WIDTH * frame.count / root.count
    return "".join([*parts, "</svg>\n"])


def start(job: Job, version: Version, folder: Path) -> Counter[str]:
    """The loader with a single record."""
    source = loader.written(job.folder, "narrow", 1, "records")
    with loader.new_database() as database:
        command = version.target.command(database, folder)
        return sample(folder, [command], stdin=source / loader.FILES["records"])


def tap(_: Job, version: Version, folder: Path) -> Counter[str]:
    """A tap that lists its streams."""
    with sandbox() as (env, _):
        return sample(
            folder, [[version.program("tap-everflow"), "--config=ENV", "--discover"]], env
        )


def run(_: Job, version: Version, folder: Path) -> Counter[str]:
    """The second `meltano run` of a day of Everflow, with nothing new."""
    project = folder / "project"
    project.mkdir()
    shutil.copytree(version.root / "plugins", project / "plugins")
    shutil.copy(version.root / "meltano.yml", project)
    with sandbox() as (env, _), loader.new_database() as database:
        day = "2026-01-05"
        env |= {
            "PATH": f"{version.program('')}{os.pathsep}{os.environ['PATH']}",
            "TARGET_POSTGRES_SQLALCHEMY_URL": database.sqlalchemy_url,
            "TAP_EVERFLOW_START_DATE": day,
            "TAP_EVERFLOW_END_DATE": day,
        }
        command = [version.program("meltano"), "run", "tap-everflow", "target-postgres"]
        subprocess.run(
            command, cwd=project, env=SURROUNDINGS | env, check=True, capture_output=True
        )
        return sample(folder, [command], env, cwd=project)


def records(job: Job, version: Version, folder: Path) -> Counter[str]:
    """The loader with 129 columns."""
    source = loader.written(job.folder, "wide", job.count(WIDE), "records")
    with loader.new_database() as database:
        command = version.target.command(database, folder)
        return sample(folder, [command], stdin=source / loader.FILES["records"])


def wide_files(job: Job, version: Version, folder: Path) -> Counter[str]:
    """Files of 129 columns from S3 to a table."""
    with files.store() as bucket, loader.new_database() as database:
        bucket.fill(files.FILES, job.count(files.ROWS))
        program, *options = bucket.tap(folder)
        command = [version.program(program.name), *options]
        return sample(folder, [command, version.target.command(database, folder)])


def contacts(job: Job, version: Version, folder: Path) -> Counter[str]:
    """Mautic's contacts of 60 fields to a table."""
    with sandbox(scale=0.1) as (env, control), loader.new_database() as database:
        control.mautic.make_contacts(count=job.count(CONTACTS), fields=36)
        env |= {"TAP_MAUTIC_PAGE_SIZE": "500"}
        chosen = catalog(version.program("tap-mautic"), "contacts", folder, env)
        command = [version.program("tap-mautic"), "--config=ENV", "--catalog", chosen]
        return sample(folder, [command, version.target.command(database, folder)], env)


JOBS = {
    "tap": tap,
    "start": start,
    "run": run,
    "records": records,
    "files": wide_files,
    "contacts": contacts,
}


def show(title: str, stacks: Counter[str]) -> None:
    """Write the graph, and print how long what took."""
    FOLDER.mkdir(exist_ok=True)
    lines = (f"{stack} {count}\n" for stack, count in stacks.items())
    (FOLDER / f"{title}.folded").write_text("".join(lines))
    total = sum(stacks.values())
    (FOLDER / f"{title}.svg").write_text(draw(tree_of(stacks), f"{title}: {total / RATE:.1f} s"))
    seconds: Counter[str] = Counter()
    for stack, count in stacks.items():
        files_ = (frame.rpartition("(")[2].partition(":")[0] for frame in stack.split(";"))
        for module in {name for name in files_ if ".py" in name}:
            seconds[module] += count
    print(f"{title:20} {total / RATE:6.2f} s", flush=True)
    for module, count in seconds.most_common(8):
        print(f"{'':20} {count / RATE:6.2f} s  {module}", flush=True)


def main() -> None:
    """Record the jobs of both checkouts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("revision")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=[*JOBS])
    parser.add_argument("--quick", action="store_true", help="few rows, to try it")
    asked = parser.parse_args()
    with (
        checkout(asked.revision) as place,
        tempfile.TemporaryDirectory(prefix="signalroom-bench-") as folder,
    ):
        job = Job(Path(folder), asked.quick)
        versions = Version("before", place), Version("now", HERE.parent)
        compile_modules(HERE.parent, place)
        for name in asked.jobs:
            for version in versions:
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    show(f"{name}-{version.name}", JOBS[name](job, version, Path(own)))


if __name__ == "__main__":
    main()
