"""``signalroom-postgres``: manages the embedded server, and queries the database."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from signalroom_target_postgres.cli import database
from signalroom_target_postgres.cli.formatting import as_csv, as_table
from signalroom_target_postgres.connection.connect_errors import render_url
from signalroom_target_postgres.dlt_adoption.catalog import read_stream
from signalroom_target_postgres.dlt_adoption.report import describe
from signalroom_target_postgres.dlt_adoption.take_over import take_over
from signalroom_target_postgres.dlt_adoption.view import describe_view, make_view
from signalroom_target_postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
from signalroom_target_postgres.embedded.paths import (
    ENVIRONMENT_VARIABLE,
    only_sandbox_has_data,
    unread_dotenv,
)

_NOT_RUNNING = 3  # as pg_ctl's
_VERSION = "SELECT 'PostgreSQL ' || current_setting('server_version')"
# Returns the query that counts the rows of all tables.
_TABLES = """
SELECT string_agg(format('SELECT %L AS "table", count(*) AS "rows" FROM %I.%I',
           schemaname || '.' || tablename, schemaname, tablename), ' UNION ALL ') || ' ORDER BY 1'
FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The PostgreSQL that target-postgres loads into when no other is configured.

    Its data is in $SIGNALROOM_PGDATA, or in .meltano/postgres of the project; for another
    Meltano environment than dev ($MELTANO_ENVIRONMENT), beside it.
    """
    if only_sandbox_has_data():
        os.environ[ENVIRONMENT_VARIABLE] = "sandbox"
        click.echo("Nothing but the sandbox was loaded yet: this is its database.", err=True)
    if (unread := unread_dotenv()) is not None:
        click.echo(
            f"Not read: {unread}. Only .env of the working folder is: run it there.", err=True
        )
    logging.basicConfig(format="%(message)s")
    logging.getLogger("signalroom_target_postgres").setLevel(logging.INFO)


@main.command()
def start() -> None:
    """Start the server, and keep it running until `stop`."""
    with EmbeddedPostgres() as embedded:
        embedded.keep_running()
        click.echo(f"PostgreSQL runs until `signalroom-postgres stop`: {embedded.libpq_url}")


@main.command()
@click.option("--force", is_flag=True, help="Stop it even while others use it.")
def stop(*, force: bool) -> None:
    """Stop the server, or let it stop when nobody uses it any more."""
    if EmbeddedPostgres().stop(force=force):
        click.echo("PostgreSQL is stopped.")
    else:
        click.echo("PostgreSQL is in use; it stops when that ends (--force: now).")


@main.command()
@click.option("--tables", is_flag=True, help="List the tables with their row counts.")
def status(*, tables: bool) -> None:
    """Show whether the server runs (exit code 3: it does not), and where."""
    embedded = EmbeddedPostgres()
    running = embedded.cluster.is_running
    state = "stopped" if embedded.cluster.exists else "stopped (no database yet)"
    if running:
        state = "running, until `signalroom-postgres stop`" if embedded.is_kept else "running"
    click.echo(f"server          {state}")
    click.echo(f"data directory  {embedded.home}")
    other = database.configured_url()
    if other is not None:
        click.echo(f"not in use      TARGET_POSTGRES_* is set: {render_url(other)}")
    if not running:
        sys.exit(_NOT_RUNNING)
    with embedded:
        parameters = embedded.cluster.conninfo()
        (version,) = database.run_on(parameters, _VERSION)
        click.echo(f"version         {version.rows[0][0]}")
        click.echo(f"url             {embedded.libpq_url}")
        if tables:
            ((count,),) = next(database.run_on(parameters, _TABLES)).rows
            for result in database.run_on(parameters, count) if count else ():
                click.echo(f"\n{as_table(result)}")


@main.command()
@click.option("--sqlalchemy", is_flag=True, help="In SQLAlchemy's form.")
def url(*, sqlalchemy: bool) -> None:
    """Print the embedded server's address; it answers while the server runs."""
    embedded = EmbeddedPostgres()
    if not embedded.cluster.exists:
        msg = (
            f"There is no database in {embedded.home} yet: `signalroom-postgres start` creates one."
        )
        raise EmbeddedPostgresError(msg)
    click.echo(embedded.sqlalchemy_url if sqlalchemy else embedded.libpq_url)
    if not embedded.cluster.is_running:
        click.echo("The server does not run now: `signalroom-postgres start`.", err=True)


@main.command()
@click.argument("query", required=False)
@click.option("--csv", "csv", is_flag=True, help="Print CSV, not a table.")
def sql(*, query: str | None, csv: bool) -> None:
    """Run QUERY where target-postgres loads to; without one, open psql.

    That is the server of the TARGET_POSTGRES_ variables in the environment, or in .env of the
    working folder, else the embedded one, which then runs while this command does.
    """
    if query is None:
        sys.exit(database.open_psql())
    for result in database.run(query):
        if text := as_csv(result) if csv else as_table(result):
            click.echo(text)


@main.command("take-over")
@click.argument("table", metavar="SCHEMA.TABLE")
@click.option("--key", multiple=True, help="A key column of the stream; repeat it.")
@click.option("--client-id", help="The client of the rows: the tap's setting client_id.")
@click.option(
    "--no-client-id", is_flag=True, help="New rows have no client, although rows in there have one."
)
@click.option(
    "--catalog",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The tap's catalog: gives key and client, and names columns the stream lacks.",
)
@click.option("--dry-run", is_flag=True, help="Try it, say what it does, and undo it.")
def take_over_command(
    *,
    table: str,
    key: tuple[str, ...],
    client_id: str | None,
    no_client_id: bool,
    catalog: Path | None,
    dry_run: bool,
) -> None:
    """Prepare a table that dlt created for target-postgres.

    It gets the primary key that the target merges rows by; columns besides the key may be NULL;
    of several rows with one key the newest stays, and the others are moved to TABLE__duplicates.
    It is where target-postgres loads to (see `sql`). A table that is ready stays as it is.
    """
    schema, name = _parts(table)
    if client_id is not None and no_client_id:
        msg = "--client-id and --no-client-id exclude each other: give one of them."
        raise click.UsageError(msg)
    stream = None
    if catalog is not None:
        stream = read_stream(catalog, name)
        key, client_id = stream.reconcile(key, client_id)
    elif not key:
        msg = "Give the stream's key columns with --key, or the tap's catalog with --catalog."
        raise click.UsageError(msg)
    with database.open_connection() as connection:
        result = take_over(
            connection,
            schema,
            name,
            key,
            client_id=client_id,
            without_client=no_client_id,
            stream_columns=stream.columns if stream else None,
            dry_run=dry_run,
        )
    click.echo(describe(result, dry_run=dry_run))


@main.command("dlt-view")
@click.argument("table", metavar="SCHEMA.TABLE")
@click.option("--dry-run", is_flag=True, help="Print the statement, and change nothing.")
def dlt_view_command(*, table: str, dry_run: bool) -> None:
    """Create a view of a table with values in dlt's columns that no new row fills.

    The new pipeline has such data as JSON, or under another name: TABLE_dlt has it in the columns
    that queries for dlt's table use. Run this after the first load of a table that was taken over,
    and again when columns or keys were added.
    """
    schema, name = _parts(table)
    with database.open_connection() as connection:
        result = make_view(connection, schema, name, dry_run=dry_run)
    click.echo(result.statement + ";" if dry_run else describe_view(result))


def _parts(table: str) -> tuple[str, str]:
    """Split a table's qualified name into schema and table.

    Raises:
        click.BadParameter: If it has no schema.
    """
    schema, _, name = table.partition(".")
    if not schema or not name:
        msg = f"{table!r} has no schema: give both, as in everflow.daily_stats."
        raise click.BadParameter(msg, param_hint="SCHEMA.TABLE")
    return schema, name
