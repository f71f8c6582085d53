"""Forms, and the answers that they got."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import Loading, RequestRejectedError, spoiled_state
from tap_mautic.entities import (
    LIVE,
    OBJECT,
    PUBLISHED,
    EntityStream,
    counts,
    flags,
    schema_of,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record


class Forms(EntityStream):
    """Forms; what was sent in: `form_submissions` and `form_results`."""

    name = "forms"
    path = "/api/forms"
    key = "forms"
    named_in = (("form_submissions", "form_id"),)
    schema = schema_of(
        *texts("name", "alias", "description", "form_type", "post_action"),
        *texts("post_action_property", "language", "template"),
        *PUBLISHED,
        *LIVE,
        th.Property("category", OBJECT),
        th.Property("fields", OBJECT, description="By id"),
        th.Property("actions", OBJECT, description="What it does with what is sent in, by id"),
        *flags("in_kiosk_mode", "render_style", "no_index"),
        *texts("form_attributes"),
        *texts("cached_html"),
    )


class FormResults(EntityStream):
    """The answers that forms got: by id of each form, from the last one that was read."""

    name = "form_results"
    path = "/api/forms/{form_id}/submissions"
    key = "submissions"
    named_in = Forms.named_in
    rows_path = Forms.path
    # With the alias of Mautic's query: of a bare name Mautic makes one that its database does not
    # know, and answers 500 (https://github.com/mautic/mautic/issues/12982).
    id_column = "s.id"
    selected_by_default = False
    replication_key = "id"
    is_sorted = True
    loading = Loading("Incremental by `id`, form by form", "Nothing: answers do not change")
    schema = schema_of(
        *counts("form_id", "lead_id"),
        th.Property("date_submitted", th.DateTimeType),
        *texts("tracking_id", "referer"),
        th.Property("results", OBJECT, description="By the alias of each of the form's fields"),
        th.Property("form", OBJECT),
        th.Property("page", OBJECT),
    )

    @property
    @override
    def partitions(self) -> list[dict[str, int]] | None:
        return [{"form_id": number} for number in self._forms]

    @cached_property
    def _forms(self) -> list[int]:
        found: list[int] = []
        with self._tap.permission_errors.skip_forbidden(self, self.name):
            by_id = {"orderBy": "id", "orderByDir": "ASC"}
            for rows in self.by_id(Forms.path, Forms.key, params=by_id):
                found += [int(row["id"]) for row in rows]
            self.check_read(self.check_role(), found)
        return found

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        if context is None:
            return  # there are no forms
        form = context["form_id"]
        last = self.get_context_state(context).get("replication_key_value") or 0
        if not str(last).isdecimal():
            raise spoiled_state(last, stream=self.name, field=f"form {form}")
        for rows in self._pages(form, int(last)):
            # A page at a time: the rows are changed when they are handed on.
            last = int(rows[-1]["id"])
            yield from rows
            self.save_bookmark(str(last), context)

    def _pages(self, form: int, after: int) -> Iterator[list[Record]]:
        try:
            yield from self.by_id(self.path.format(form_id=form), self.key, after=after)
        except RequestRejectedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self.logger.info("Form %d was deleted meanwhile", form)

    @override
    def cleaned(self, row: Record) -> Record:
        if isinstance(lead := row.pop("lead", None), dict):
            row["lead_id"] = lead.get("id")
        if isinstance(form := row.get("form"), dict):
            row["form_id"] = form.get("id")
        return super().cleaned(row)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        row["form_id"] = (context or {})["form_id"]
        return super().post_process(row, context)

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        # Moved page by page.
        pass
