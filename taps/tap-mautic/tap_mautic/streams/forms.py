"""Forms, and what people answered in them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from signalroom_singer import (
    Loading,
    ManualBookmarkStream,
    RequestRejectedError,
    columns_of,
    invalid_state,
)
from tap_mautic.streams._entity_base import (
    LIVE,
    OBJECT,
    PUBLISHED,
    EntityStream,
    counts,
    entity_schema,
    flags,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context, Record


class Forms(EntityStream):
    """Forms; their submissions are in `form_submissions` and `form_results`."""

    name = "forms"
    path = "/api/forms"
    key = "forms"
    named_in = (("form_submissions", "form_id"),)
    schema = entity_schema(
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


class FormResults(ManualBookmarkStream, EntityStream):
    """What people answered in forms: form by form, by id, from the last one that was read."""

    name = "form_results"
    path = "/api/forms/{form_id}/submissions"
    key = "submissions"
    named_in = Forms.named_in
    rows_path = Forms.path
    # With the alias of Mautic's query: Mautic turns a bare name into one that its database does not
    # know, and answers 500 (https://github.com/mautic/mautic/issues/12982).
    id_column = "s.id"
    selected_by_default = False
    replication_key = "id"
    loading = Loading("Incremental by `id`, form by form", "Nothing: answers do not change")
    schema = entity_schema(
        *counts("form_id", "lead_id"),
        th.Property("date_submitted", th.DateTimeType),
        *texts("tracking_id", "referer"),
        th.Property("results", OBJECT, description="By the alias of each of the form's fields"),
        *columns_of(OBJECT, "form", "page"),
    )

    _form_ids: list[int] | None = None

    @property
    @override
    def partitions(self) -> list[dict[str, int]] | None:
        # The SDK reads them here, more than once.
        if self._form_ids is None:
            self._form_ids = self._read_form_ids()
        return [{"form_id": form_id} for form_id in self._form_ids]

    def _read_form_ids(self) -> list[int]:
        form_ids: list[int] = []
        with self.skip_forbidden():
            for rows in self.client.iter_by_id(Forms.path, Forms.key):
                form_ids += [int(row["id"]) for row in rows]
            self.check_rows_read(self.check_role(), form_ids)
        return form_ids

    @override
    def read(self, context: Context | None) -> Iterator[Record]:
        if context is None:
            return  # there are no forms
        form = context["form_id"]
        last = self.get_context_state(context).get("replication_key_value") or 0
        if not str(last).isdecimal():
            raise invalid_state(last, stream=self.name, field=f"form {form}")
        for rows in self._iter_pages(form, int(last)):
            # Read first: sending the rows changes them.
            last = int(rows[-1]["id"])
            yield from rows
            self.save_bookmark(str(last), context)

    def _iter_pages(self, form: int, after: int) -> Iterator[list[Record]]:
        try:
            path = self.path.format(form_id=form)
            yield from self.client.iter_by_id(path, self.key, after=after, id_column=self.id_column)
        except RequestRejectedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self.logger.info("Form %d was deleted meanwhile", form)

    @override
    def clean(self, row: Record) -> Record:
        if isinstance(lead := row.pop("lead", None), dict):
            row["lead_id"] = lead.get("id")
        if isinstance(form := row.get("form"), dict):
            row["form_id"] = form.get("id")
        return super().clean(row)

    @override
    def post_process(self, row: Record, context: Context | None = None) -> Record | None:
        row["form_id"] = (context or {})["form_id"]
        return super().post_process(row, context)
