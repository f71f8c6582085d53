"""The command of a tap or target: its options, and its messages if it fails."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import PluginBase, SingerCommand
from singer_sdk.singerlib import Catalog
from typing_extensions import override

from signalroom_singer.cli.loader_failure import LOG_CONFIG
from signalroom_singer.cli.log_filter import hide_developer_messages
from signalroom_singer.errors import exit_code, hide_traceback
from signalroom_singer.exit_codes import ExitCode
from signalroom_singer.progress import REPORTER
from signalroom_singer.settings.problems import (
    describe_invalid,
    describe_unknown,
    empty_variables,
    from_environment,
)
from signalroom_singer.settings.quick_check import is_plainly_valid
from signalroom_singer.settings.text_values import read_texts, with_plain_secrets
from signalroom_singer.settings.unknown_variables import unknown_variables
from signalroom_singer.settings.variables import (
    Naming,
    Origin,
    current_naming,
    find_conflicts,
    instance_of,
    read_aliases,
    use_naming,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LOG_CONFIG_SECONDS = 2.0
_POLL_SECONDS = 0.02


class SettingsError(click.ClickException):
    """Settings are invalid.

    Args:
        problems: A sentence for each problem.
    """

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = [*dict.fromkeys(problems)]
        super().__init__("\n".join(self.problems))


class StoppedError(SystemExit):
    """A signal asked the process to end before all was done.

    Args:
        number: The number of the signal.
    """

    def __init__(self, number: int) -> None:
        # As in a shell. With 0, as in the SDK, an incomplete run would count as complete.
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name


class LoaderFailedError(SystemExit):
    """The loader of the run has failed, so that reading on is of no use."""

    def __init__(self) -> None:
        # Only the loader has failed, and Meltano says so.
        super().__init__(0)


class _Command(SingerCommand):
    """Logs every error: Meltano takes the level of a line from structured logs only."""

    #: Called before the error is logged.
    before_failing: Callable[[], None] = staticmethod(lambda: None)

    @override
    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        def run() -> Any:
            return super(_Command, self).main(
                args,
                prog_name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )

        if not standalone_mode:
            return run()
        if hide_traceback not in self.logger.filters:
            self.logger.addFilter(hide_traceback)
        hide_developer_messages()
        try:
            code = self._run_with_hook(run)
        except LoaderFailedError as error:
            self.logger.info("Stopped before everything was read, as the loader has failed")
            code = error.code
        except StoppedError as error:
            self.logger.error(
                "Stopped by %s before everything was read. Records already sent are valid: the "
                "next run continues from the state.",
                error.signal,
            )
            code = error.code
        except click.Abort:
            self.logger.error("Interrupted before it began. Run it again.")
            code = 1
        except click.ClickException as error:
            self._report(error)
            code = error.exit_code
        except ConfigValidationError as error:
            self._report(SettingsError(error.errors or [str(error)]))
            code = exit_code(error)
        except Exception as error:
            self.logger.error("%s", str(error) or type(error).__name__, exc_info=error)
            code = exit_code(error)
        sys.exit(code if isinstance(code, int) else 0)

    def _run_with_hook(self, run: Callable[[], Any]) -> Any:
        try:
            return run()
        except Exception as error:
            if not isinstance(error, (click.exceptions.Exit, click.Abort)):
                self.before_failing()
            raise
        finally:
            _ignore_signals()

    def _report(self, error: click.ClickException) -> None:
        if isinstance(error, SettingsError):
            for problem in error.problems:
                self.logger.error("%s", problem)
        elif LOG_CONFIG in os.environ:
            self.logger.error("%s", error.format_message())
        else:
            error.show()


def _ignore_signals() -> None:
    """Ignore signals from the end of a run until the process has exited.

    How the run ended does not change any more. While exiting, Python would print a traceback of
    what a handler raises, and go on with what it has to release.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not SIG_IGN, which programs that are started meanwhile would inherit.
            signal.signal(number, lambda *_: None)


class ReadableErrorsMixin(PluginBase):
    """A tap or target whose errors about files and variables are readable sentences.

    In the SDK they end in a traceback. As a base class it precedes the SDK's.
    """

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805
        """The command, which also runs if the file of log settings is invalid.

        Meltano writes one such file for each plugin, with every run. Pipelines that start in the
        same minute share the loader's: while one reads it, another may have truncated it to write
        the same content.
        """
        until = time.monotonic() + _LOG_CONFIG_SECONDS
        while LOG_CONFIG in os.environ:
            try:
                return super().cli
            except Exception as error:  # noqa: BLE001 - a file may hold anything
                # Each attempt adds one.
                logging.getLogger().handlers.clear()
                if time.monotonic() > until:
                    path = os.environ.pop(LOG_CONFIG)
                    problem = f"{type(error).__name__}: {error}"
                    cls.logger.warning("%s has no log settings (%s): not used.", path, problem)
                time.sleep(_POLL_SECONDS)
        return super().cli

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        for option in command.params:
            if option.name == "config":
                option.callback = cls._config_reader(
                    option.callback or (lambda *values: values[-1])
                )
            elif option.name in _CHECKS:
                option.type, option.callback = click.STRING, _document
        singer_command = _Command(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )
        singer_command.before_failing = cls.before_failing
        return singer_command

    @classmethod
    def before_failing(cls) -> None:
        """Hook that is called before the error that ends the command is logged."""

    @classmethod
    @override
    def invoke(cls, **options: Any) -> None:
        REPORTER.start()
        try:
            super().invoke(**options)
        except ConfigValidationError as error:
            # The SDK would add a line that does not say what is wrong.
            raise SettingsError(error.errors or [str(error)]) from None

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        return {**from_environment(cls.name_settings(Origin.ENVIRONMENT))}

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        naming = current_naming()
        if naming.plugin != self.name:
            naming = self.name_settings(Origin.FILE)
        raw_config = dict(self._config)
        if naming.origin is Origin.MELTANO:
            raw_config = with_plain_secrets(naming.properties, raw_config)
        # Invalid settings are left out, so that commands that only describe the plugin work.
        self._config, wrong = read_texts(naming.properties, raw_config)
        problems: list[str] = []
        schema = type(self).config_jsonschema
        self.append_builtin_config(schema)
        if not is_plainly_valid(schema, self._config):
            try:
                super()._validate_config(raise_errors=True)
            except ConfigValidationError as error:
                problems = error.errors
        if wrong or problems:
            problems = describe_invalid(naming, schema, self._config, wrong)
        problems += empty_variables(naming, self._config, problems)
        if not raise_errors:
            return problems
        misspelt = unknown_variables(naming, raw_config)
        for sentence in (*find_conflicts(naming), *describe_unknown(naming, raw_config), *misspelt):
            self.logger.warning("%s", sentence)
        if problems:
            raise ConfigValidationError(problems[0], errors=[*dict.fromkeys(problems)])
        return problems

    @classmethod
    def name_settings(cls, origin: Origin) -> Naming:
        """Name settings in messages by this plugin's variables.

        Args:
            origin: Where the settings come from.
        """
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        instance = instance_of(cls.name) if origin is Origin.MELTANO else ""
        naming = Naming(cls.name, schema.get("properties", {}), origin, instance)
        use_naming(naming)
        return naming

    @classmethod
    def _config_reader(cls, read: Callable[..., Any]) -> Callable[..., Any]:
        """Replace the SDK's callback of the option --config by one with readable errors."""

        def callback(ctx: click.Context, param: click.Parameter, paths: Iterable[str]) -> Any:
            parsed = read(ctx, param, [path for path in paths if path == "ENV"])
            # Each is read once: it may be a pipe.
            for path in paths:
                if path != "ENV":
                    _, settings = _object(path, ctx, param)
                    parsed.config |= settings
            if parsed.parse_env:
                cls.name_settings(Origin.ENVIRONMENT)
            elif paths and instance_of(cls.name):
                naming = cls.name_settings(Origin.MELTANO)
                parsed.config |= read_aliases(naming, parsed.config)
            else:
                cls.name_settings(Origin.FILE)
            return parsed

        return callback


def _document(ctx: click.Context, param: click.Parameter, path: str | None) -> io.StringIO | None:
    return None if path is None else io.StringIO(_object(path, ctx, param)[0])


def _object(path: str, ctx: click.Context, param: click.Parameter) -> tuple[str, dict[str, Any]]:
    """Read a file: its text, and the JSON object in it."""
    document: Any = None
    text = problem = ""
    try:
        with click.open_file(path, encoding="utf-8-sig") as file:
            text = file.read()
        document = json.loads(text)
    except OSError as error:
        problem = error.strerror or str(error)
    except ValueError as error:
        problem = f"is not JSON ({error})" if text.strip() else "is empty"
        if isinstance(error, UnicodeDecodeError):
            problem = f"is not text ({error})"
    else:
        check = _CHECKS.get(param.name or "")
        if not isinstance(document, dict):
            problem = "is not a JSON object"
        elif check:
            problem = check(document)
    if problem:
        msg = f"{path}: {problem}. {_REMEDIES[param.name or '']}"
        raise click.BadParameter(msg, ctx, param)
    return text, document


def _problem_of_catalog(catalog: dict[str, Any]) -> str:
    try:
        # Without streams, a run would read nothing and succeed.
        fits = isinstance(catalog["streams"], list) and Catalog.from_dict(catalog) is not None
    except (LookupError, TypeError, AttributeError, ValueError):
        fits = False
    return "" if fits else "has no list `streams` as --discover writes it"


def _problem_of_state(state: dict[str, Any]) -> str:
    bookmarks = state.get("bookmarks", {})
    fits = isinstance(bookmarks, dict) and all(
        isinstance(bookmark, dict) for bookmark in bookmarks.values()
    )
    return "" if fits else "has no `bookmarks` as a tap writes them, an object for each stream"


_CHECKS = {"catalog": _problem_of_catalog, "state": _problem_of_state}
_REMEDIES = {
    "config": "Name a file with the settings as a JSON object, or ENV for the environment.",
    "catalog": (
        "Write one with --discover, or leave --catalog out to read what is selected by default."
    ),
    "state": (
        "Name a file with the last STATE of a run, or leave --state out to read from the beginning."
    ),
}
