"""Reads the first lines of an object on S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_sticky_s3.client import ObjectChangedError, ObjectGoneError
from tap_sticky_s3.csv.errors import BadFileError, NeedMoreError
from tap_sticky_s3.csv.head import read_head
from tap_sticky_s3.header_check import FilePreview, preview_file
from tap_sticky_s3.s3_errors import ForbiddenObjectError

if TYPE_CHECKING:
    from tap_sticky_s3.client import Bucket, S3Object
    from tap_sticky_s3.csv.dialect import Dialect

_PREVIEW_BYTES = 64 << 10


def preview_object(
    bucket: Bucket, obj: S3Object, dialect: Dialect, known: frozenset[str]
) -> FilePreview | None:
    """Read the first lines of an object.

    Args:
        bucket: The bucket that the object is in.
        obj: The version to read.
        dialect: The file's delimiter, quotes and encoding.
        known: Plain names of the table's columns.

    Returns:
        The preview; None if the object is empty, deleted or cannot be read.
    """
    size = _PREVIEW_BYTES
    while True:
        try:
            head = read_head(
                bucket.read(obj, size),
                dialect,
                name=f"{bucket.name}/{obj.key}",
                complete=size >= obj.size,
            )
            return preview_file(*head, known, dialect) if head else None
        except NeedMoreError:
            size *= 8
        except (BadFileError, ForbiddenObjectError, ObjectChangedError, ObjectGoneError):
            # It is reported when the object is read.
            return None
