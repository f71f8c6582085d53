"""Full refreshes: rows that are staged until they are complete, and what they then replace.

The rule, which the README has as a table: an ACTIVATE_VERSION that follows records says that the
version is complete, and rows of older ones are removed. One that comes before the records says
nothing. The end of the input says nothing either, since it is the same for a tap that died.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_target_postgres.errors import Unconfirmed
from signalroom_target_postgres.rows.staging_file import StagingFile

if TYPE_CHECKING:
    from signalroom_target_postgres.spec import StreamSpec
    from signalroom_target_postgres.warehouse.outdated_rows import Activation

#: In a stream's schema: its rows replace the table's when ACTIVATE_VERSION says that they are
#: complete, and not before.
REPLACE_ON_ACTIVATE = "x-replace-on-activate"
#: In an ACTIVATE_VERSION: the tap has finished successfully, and sent all rows of the stream in
#: this run. `signalroom-run-tap` sends it. Other targets ignore it.
COMPLETE = "x-complete"


class FullRefresh:
    """Whether a stream's rows are loaded or staged, and what a complete version replaces.

    Args:
        spec: The stream that is loaded.
    """

    def __init__(self, spec: StreamSpec) -> None:
        self._spec = spec
        self._overwrites = spec.load_method == "overwrite"
        #: Whether the tap activates only what it has sent in full, empty streams included.
        self.is_promised = bool(spec.schema.get(REPLACE_ON_ACTIVATE))
        may_replace = spec.obeys_activate_version and spec.hard_delete
        #: Whether the stream's rows replace the table's, and are not only added to them.
        self.replaces = self._overwrites or (self.is_promised and may_replace)
        self._has_replaced = False
        #: The version that came before its records, and was not activated since.
        self.announced: int | None = None
        #: Rows that are not loaded before they are complete.
        self.staging: StagingFile | None = StagingFile() if self.replaces else None

    def resume_from(self, previous: FullRefresh) -> None:
        """Go on from the stream before its schema changed."""
        self.announced = previous.announced
        self._has_replaced = previous._has_replaced
        self.replaces |= previous.replaces
        self.is_promised |= previous.is_promised
        if previous.staging is not None:
            self.staging, previous.staging = previous.staging, None

    @property
    def ignores_versions(self) -> bool:
        """Whether an ACTIVATE_VERSION means nothing for the stream."""
        return not (self._spec.obeys_activate_version or self._overwrites)

    def is_complete(self, *, follows_records: bool, complete: bool) -> bool:
        """Whether an ACTIVATE_VERSION says that its version is complete.

        Args:
            follows_records: Whether records of the stream came since its last SCHEMA message, or
                since its last activation.
            complete: Whether the tap has ended well, and all rows of the stream came in this run.
        """
        return complete or follows_records or self.is_promised

    def removes_outdated(self, activation: Activation) -> Activation | None:
        """Limit what a complete version removes by the settings.

        Args:
            activation: The version that is complete.

        Returns:
            The version; None if rows of older ones stay.
        """
        return activation if self._spec.obeys_activate_version else None

    @property
    def stages_announced(self) -> bool:
        """Whether the rows of an announced version are staged where there are older ones.

        Records with keys are merged as they come. Others would be added to the rows of earlier
        versions, and count twice.
        """
        is_append_only = self._spec.load_method == "append-only"
        return self.staging is None and not self._spec.key_properties and not is_append_only

    def stage(self) -> None:
        """Stage the rows of the stream from now on."""
        self.staging = StagingFile()

    @property
    def replaces_now(self) -> bool:
        """Whether the staged rows replace the table's.

        What an earlier activation of this run loaded stays: these are more of the same rows.
        """
        return self.replaces and not self._has_replaced

    @property
    def awaits_rows(self) -> bool:
        """Whether the table waits to be replaced, and nothing replaced it so far."""
        return self.staging is not None and not self._has_replaced

    def end_staging(self) -> None:
        """Discard the staged rows, as they are loaded; stage others only if they replace rows."""
        self.close()
        self._has_replaced |= self.replaces_now
        if not self.replaces:
            self.staging = None

    def unconfirmed_rows(self, table: str) -> Unconfirmed | None:
        """Return the rows that are staged, as they are not complete; None if there are none."""
        if self.staging is None or not self.staging.rows:
            return None
        return Unconfirmed(self._spec.name, table, self.staging.rows, self._remedy)

    @property
    def _remedy(self) -> str:
        if self._overwrites:
            return "set `load_method` to upsert"
        if self.is_promised:
            return ""
        return (
            "give the stream a key (`__key_properties__` in the setting stream_maps), or set "
            "`load_method` to append-only"
        )

    def close(self) -> None:
        """Discard the rows that are staged."""
        if self.staging is not None:
            self.staging.close()
