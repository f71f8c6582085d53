"""The loaded files of a day, as the state has them: each by itself, or all in one digest."""

from __future__ import annotations

import hashlib
import itertools
import math
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tap_sticky_s3.file_filter import date_in_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from tap_sticky_s3.client import S3Object

_KEY_BYTES, _VERSION_BYTES, _MODIFIED_BYTES, _ROWS_BYTES = 4, 5, 5, 4
_FILE_BYTES = _KEY_BYTES + _VERSION_BYTES + _MODIFIED_BYTES + _ROWS_BYTES
_HASH_BYTES = _KEY_BYTES + _VERSION_BYTES
_HASH_MODULUS = 1 << 8 * _HASH_BYTES
_MAX_MODIFIED = (1 << 8 * _MODIFIED_BYTES) - 1
#: Stands for a row count that is not known.
_UNKNOWN_ROWS = (1 << 8 * _ROWS_BYTES) - 1
#: How many combinations of files are tried to find those that a digest does not contain.
_MAX_COMBINATIONS = 10_000


class FileVersion(NamedTuple):
    """A version of a file, identified by hashes.

    Attributes:
        day: Name of the group that the file is in, whatever its version.
        key: 32 bits of a hash of the key.
        content: 40 bits of a hash of key, ETag and size.
        modified: LastModified in seconds since 1970, rounded up.
    """

    day: str
    key: int
    content: int
    modified: int

    @property
    def hash(self) -> int:
        """The number that a digest adds up."""
        return self.key << 8 * _VERSION_BYTES | self.content


class LoadedFile(NamedTuple):
    """A version that is loaded: fields of `FileVersion`, and its row count if it is known."""

    content: int
    modified: int
    row_count: int | None


@dataclass(frozen=True)
class Digest:
    """Several loaded files in one entry of the state.

    Attributes:
        count: How many files there are.
        total: Sum of their hashes, modulo 2**72.
        last_modified: The latest LastModified, as in `FileVersion`.
    """

    count: int
    total: int
    last_modified: int


def hash_version(key: str, etag: str, size: int | None, modified: float) -> FileVersion:
    """Identify a version of a file by hashes.

    Args:
        key: Key in the bucket.
        etag: ETag of the version.
        size: Size in bytes, if known.
        modified: LastModified in seconds since 1970.
    """
    key_hash = _hash(key, _KEY_BYTES)
    # Keys without a date are spread over 256 groups: a file's group may not depend on its version.
    day = date_in_key(key) or f"#{key_hash % 256:02x}"
    content = _hash(f"{key}\0{etag}\0{size}", _VERSION_BYTES)
    return FileVersion(day, key_hash, content, min(max(math.ceil(modified), 0), _MAX_MODIFIED))


def hash_object(obj: S3Object) -> FileVersion:
    """Identify a listed version of a file by hashes.

    Args:
        obj: The version, as the bucket lists it.
    """
    return hash_version(obj.key, obj.etag, obj.size, obj.modified.timestamp())


def _hash(text: str, size: int) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=size)
    return int.from_bytes(digest.digest(), "big")


@dataclass
class DayFiles:
    """The loaded files of a day.

    Attributes:
        files: The files that are known by themselves, by the hash of their key.
        digest: The files in one entry, until `resolve_digest` has replaced it by `files`.
        in_bucket: The day's files that are in the bucket, in the order of loading.
    """

    files: dict[int, LoadedFile] = field(default_factory=dict)
    digest: Digest | None = None
    in_bucket: Sequence[FileVersion] = ()
    _cached_digest: Digest | None = None

    def __len__(self) -> int:
        return self.digest.count if self.digest else len(self.files)

    @property
    def last_modified(self) -> int:
        """The latest LastModified of a file, in seconds since 1970."""
        if self.digest:
            return self.digest.last_modified
        return max((file.modified for file in self.files.values()), default=0)

    def has(self, version: FileVersion) -> bool:
        """Whether this version of a file is loaded.

        Args:
            version: A version of a file of the day.
        """
        file = self.files.get(version.key)
        return file is not None and file.content == version.content

    def add(self, version: FileVersion, row_count: int | None) -> None:
        """Add a version of a file that has been loaded.

        Args:
            version: A version of a file of the day.
            row_count: How many rows it has, if known.
        """
        self._cached_digest = None
        self.files[version.key] = LoadedFile(version.content, version.modified, row_count)

    def remove_until(self, timestamp: float) -> bool:
        """Remove the files that were last modified at or before a time.

        Args:
            timestamp: Time in seconds since 1970.

        Returns:
            Whether there were any.
        """
        if self.digest:
            return self.digest.last_modified <= timestamp
        old = [key for key, file in self.files.items() if file.modified <= timestamp]
        for key in old:
            del self.files[key]
        self._cached_digest = None if old else self._cached_digest
        return bool(old)

    def resolve_digest(self, floor: float | None) -> bool:
        """Find out which files of the bucket the digest contains.

        Args:
            floor: In seconds since 1970; files that were not modified later may have been removed
                from the state.

        Returns:
            Whether it succeeded; it cannot after a file was overwritten or deleted.
        """
        if self.digest is None or not self.in_bucket:
            return True
        candidates = [self.in_bucket]
        if floor is not None:
            candidates.append([version for version in self.in_bucket if version.modified > floor])
        for versions in candidates:
            hashes = [version.hash for version in versions]
            not_loaded = _find_hashes_not_in_digest(hashes, self.digest)
            if not_loaded is not None:
                # A later LastModified means that the same bytes were stored again.
                latest = self.digest.last_modified
                self.files = {
                    version.key: LoadedFile(version.content, min(version.modified, latest), None)
                    for version in versions
                    if version.hash not in not_loaded
                }
                self.digest = None
                return True
        return False

    def to_text(self, name: str, *, as_digest: bool) -> str:
        """Write the day for the state.

        Args:
            name: Name of the day.
            as_digest: Whether to write one digest. The files are written by themselves anyway if
                `resolve_digest` could not find them again, as where many of a day cannot be loaded.
        """
        digest = self.digest or (self._make_digest() if as_digest else None)
        if digest is None:
            packed = b"".join(_pack_file(*item) for item in self.files.items())
            return f"{name} {_to_base64(packed)}"
        total = _to_base64(digest.total.to_bytes(_HASH_BYTES, "big"))
        return f"{name} {digest.count} {total} {digest.last_modified}"

    def _make_digest(self) -> Digest | None:
        if self._cached_digest is None:
            versions = [version for version in self.in_bucket if self.has(version)]
            hashes = [version.hash for version in versions]
            if not self.in_bucket:
                hashes = [
                    key << 8 * _VERSION_BYTES | file.content for key, file in self.files.items()
                ]
            modified = [self.files[version.key].modified for version in versions]
            digest = Digest(
                len(hashes), sum(hashes) % _HASH_MODULUS, max(modified or [self.last_modified])
            )
            in_bucket = [version.hash for version in self.in_bucket]
            if hashes and (
                not in_bucket or _find_hashes_not_in_digest(in_bucket, digest) is not None
            ):
                self._cached_digest = digest
        return self._cached_digest


def parse_day(text: str) -> tuple[str, DayFiles]:
    """Read a day from the state.

    Args:
        text: The entry that `DayFiles.to_text` wrote.

    Returns:
        The day's name, and its files.

    Raises:
        ValueError: If the text is not such an entry.
    """
    name, *parts = text.split(" ")
    if len(parts) == 1:
        return name, DayFiles(dict(_unpack_files(_from_base64(parts[0], _FILE_BYTES))))
    count, total, latest = parts
    digest = Digest(
        int(count), int.from_bytes(_from_base64(total, _HASH_BYTES), "big"), int(latest)
    )
    is_complete = len(total) == len(_to_base64(bytes(_HASH_BYTES)))
    if digest.count < 1 or not is_complete or not 0 <= digest.last_modified <= _MAX_MODIFIED:
        raise ValueError(text)
    return name, DayFiles(digest=digest)


def _pack_file(key: int, file: LoadedFile) -> bytes:
    rows = _UNKNOWN_ROWS if file.row_count is None else min(file.row_count, _UNKNOWN_ROWS)
    return b"".join(
        number.to_bytes(size, "big")
        for number, size in (
            (key, _KEY_BYTES),
            (file.content, _VERSION_BYTES),
            (file.modified, _MODIFIED_BYTES),
            (rows, _ROWS_BYTES),
        )
    )


def _unpack_files(packed: bytes) -> Iterable[tuple[int, LoadedFile]]:
    for start in range(0, len(packed), _FILE_BYTES):
        numbers = []
        for size in (_KEY_BYTES, _VERSION_BYTES, _MODIFIED_BYTES, _ROWS_BYTES):
            numbers.append(int.from_bytes(packed[start : start + size], "big"))
            start += size  # noqa: PLW2901 - through the parts of one file
        key, content, modified, rows = numbers
        yield key, LoadedFile(content, modified, None if rows == _UNKNOWN_ROWS else rows)


def _to_base64(packed: bytes) -> str:
    return urlsafe_b64encode(packed).decode()


def _from_base64(text: str, unit: int) -> bytes:
    packed = b64decode(text, altchars=b"-_", validate=True)
    if len(packed) % unit:
        raise ValueError(text)
    return packed


def _find_hashes_not_in_digest(hashes: Sequence[int], digest: Digest) -> Collection[int] | None:
    """Find the hashes that a digest does not contain, if it contains all others and no more.

    Args:
        hashes: Hashes of files, in the order of loading.
        digest: The digest to compare them with.

    Returns:
        The hashes; None if no such set was found.
    """
    count = len(hashes) - digest.count
    if count < 0:
        return None
    total = (sum(hashes) - digest.total) % _HASH_MODULUS
    # Files that were late, or that a run did not reach, are mostly the last ones, or the first.
    for subset in (hashes[digest.count :], hashes[:count]):
        if sum(subset) % _HASH_MODULUS == total:
            return {*subset}
    if count == 0 or math.comb(len(hashes), count - 1) > _MAX_COMBINATIONS:
        return None
    every = {*hashes}
    for combination in itertools.combinations(hashes, count - 1):
        last = (total - sum(combination)) % _HASH_MODULUS
        if last in every and last not in combination:
            return {*combination, last}
    return None
