"""The loaded files of a day, as the state has them: one by one, or as one digest."""

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
_HASHES = 1 << 8 * _HASH_BYTES
_LATEST = (1 << 8 * _MODIFIED_BYTES) - 1
#: In place of a number of rows that is not known.
_UNKNOWN = (1 << 8 * _ROWS_BYTES) - 1
#: How many sets of files that may be missing from a digest are tried.
_MOST_SETS = 10_000


class Version(NamedTuple):
    """A version of a file, by hashes.

    Attributes:
        day: The group that its file is in, whatever the version.
        key: 32 bits of the key's hash.
        content: 40 bits of the hash of key, ETag and size.
        modified: LastModified, in seconds since 1970, rounded up.
    """

    day: str
    key: int
    content: int
    modified: int

    @property
    def hash(self) -> int:
        """What a digest adds up."""
        return self.key << 8 * _VERSION_BYTES | self.content


class LoadedFile(NamedTuple):
    """A version that is loaded: as in `Version`, and how many rows it had, if that is known."""

    content: int
    modified: int
    rows: int | None


@dataclass(frozen=True)
class Digest:
    """Files that are known together.

    Attributes:
        count: How many.
        total: The sum of their hashes.
        latest: The last of their LastModified, as in `Version`.
    """

    count: int
    total: int
    latest: int


def version_of(key: str, etag: str, size: int | None, modified: float) -> Version:
    """Name a version of a file by hashes.

    Args:
        key: The file's.
        etag: The version's.
        size: Its bytes.
        modified: Its LastModified, in seconds since 1970.
    """
    key_hash = _hashed(key, _KEY_BYTES)
    # Of keys without a date, each day gets some: a file's day may not change with its version.
    day = date_in_key(key) or f"#{key_hash % 256:02x}"
    content = _hashed(f"{key}\0{etag}\0{size}", _VERSION_BYTES)
    return Version(day, key_hash, content, min(max(math.ceil(modified), 0), _LATEST))


def version_of_object(thing: S3Object) -> Version:
    """Name a listed version of a file by hashes.

    Args:
        thing: The version.
    """
    return version_of(thing.key, thing.etag, thing.size, thing.modified.timestamp())


def _hashed(text: str, size: int) -> int:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=size)
    return int.from_bytes(digest.digest(), "big")


@dataclass
class DayFiles:
    """The loaded files of a day.

    Attributes:
        files: Those that are known one by one, by the hash of their key.
        digest: What stands for them as long as they are not.
        listed: Its files that are in the bucket, in the order in which they are loaded.
    """

    files: dict[int, LoadedFile] = field(default_factory=dict)
    digest: Digest | None = None
    listed: Sequence[Version] = ()
    _closed: Digest | None = None

    def __len__(self) -> int:
        return self.digest.count if self.digest else len(self.files)

    @property
    def latest(self) -> int:
        """The last LastModified of a file, in seconds since 1970."""
        if self.digest:
            return self.digest.latest
        return max((one.modified for one in self.files.values()), default=0)

    def has(self, version: Version) -> bool:
        """Whether this version of a file is loaded.

        Args:
            version: The version.
        """
        file = self.files.get(version.key)
        return file is not None and file.content == version.content

    def add(self, version: Version, rows: int | None) -> None:
        """Note that a version of a file is loaded.

        Args:
            version: The version.
            rows: How many rows it has, if that is known.
        """
        self._closed = None
        self.files[version.key] = LoadedFile(version.content, version.modified, rows)

    def forget(self, moment: float) -> bool:
        """Forget files that were not modified since.

        Args:
            moment: In seconds since 1970.

        Returns:
            Whether there were any.
        """
        if self.digest:
            return self.digest.latest <= moment
        old = [key for key, file in self.files.items() if file.modified <= moment]
        for key in old:
            del self.files[key]
        self._closed = None if old else self._closed
        return bool(old)

    def open(self, floor: float | None) -> bool:
        """Find out which of the listed files the digest stands for.

        Args:
            floor: Files that were not modified since, in seconds since 1970, may have been
                forgotten.

        Returns:
            Whether there is an answer. There is none if one of them was overwritten or deleted.
        """
        if self.digest is None or not self.listed:
            return True
        candidates = [self.listed]
        if floor is not None:
            candidates.append([one for one in self.listed if one.modified > floor])
        for versions in candidates:
            others = _left_out([one.hash for one in versions], self.digest)
            if others is not None:
                # A later LastModified is that of the same bytes, stored again.
                latest = self.digest.latest
                self.files = {
                    one.key: LoadedFile(one.content, min(one.modified, latest), None)
                    for one in versions
                    if one.hash not in others
                }
                self.digest = None
                return True
        return False

    def text(self, name: str, *, closed: bool) -> str:
        """Write it for the state.

        Args:
            name: The day's.
            closed: Whether as a digest. It is not where `open` could not tell afterwards which
                files are meant, as where many files of a day cannot be loaded.
        """
        digest = self.digest or (self._close() if closed else None)
        if digest is None:
            return f"{name} {_encoded(b''.join(_packed(*item) for item in self.files.items()))}"
        total = _encoded(digest.total.to_bytes(_HASH_BYTES, "big"))
        return f"{name} {digest.count} {total} {digest.latest}"

    def _close(self) -> Digest | None:
        if self._closed is None:
            versions = [one for one in self.listed if self.has(one)]
            hashes = [one.hash for one in versions]
            if not self.listed:
                hashes = [
                    key << 8 * _VERSION_BYTES | file.content for key, file in self.files.items()
                ]
            modified = [self.files[one.key].modified for one in versions] or [self.latest]
            digest = Digest(len(hashes), sum(hashes) % _HASHES, max(modified))
            listed = [one.hash for one in self.listed]
            if hashes and (not listed or _left_out(listed, digest) is not None):
                self._closed = digest
        return self._closed


def parse(text: str) -> tuple[str, DayFiles]:
    """Read a day from the state.

    Args:
        text: As `Day.text` wrote it.

    Returns:
        The day's name, and its files.

    Raises:
        ValueError: If nothing of the sort is written there.
    """
    name, *parts = text.split(" ")
    if len(parts) == 1:
        return name, DayFiles(dict(_unpacked(_decoded(parts[0], _FILE_BYTES))))
    count, total, latest = parts
    digest = Digest(int(count), int.from_bytes(_decoded(total, _HASH_BYTES), "big"), int(latest))
    is_whole = len(total) == len(_encoded(bytes(_HASH_BYTES)))
    if digest.count < 1 or not is_whole or not 0 <= digest.latest <= _LATEST:
        raise ValueError(text)
    return name, DayFiles(digest=digest)


def _packed(key: int, file: LoadedFile) -> bytes:
    rows = _UNKNOWN if file.rows is None else min(file.rows, _UNKNOWN)
    return b"".join(
        number.to_bytes(size, "big")
        for number, size in (
            (key, _KEY_BYTES),
            (file.content, _VERSION_BYTES),
            (file.modified, _MODIFIED_BYTES),
            (rows, _ROWS_BYTES),
        )
    )


def _unpacked(packed: bytes) -> Iterable[tuple[int, LoadedFile]]:
    for start in range(0, len(packed), _FILE_BYTES):
        numbers = []
        for size in (_KEY_BYTES, _VERSION_BYTES, _MODIFIED_BYTES, _ROWS_BYTES):
            numbers.append(int.from_bytes(packed[start : start + size], "big"))
            start += size  # noqa: PLW2901 - through the parts of one file
        key, content, modified, rows = numbers
        yield key, LoadedFile(content, modified, None if rows == _UNKNOWN else rows)


def _encoded(packed: bytes) -> str:
    return urlsafe_b64encode(packed).decode()


def _decoded(text: str, unit: int) -> bytes:
    packed = b64decode(text, altchars=b"-_", validate=True)
    if len(packed) % unit:
        raise ValueError(text)
    return packed


def _left_out(hashes: Sequence[int], digest: Digest) -> Collection[int] | None:
    """Which of some files a digest does not have, if it has all others and no more.

    Args:
        hashes: The files, in the order in which they are loaded.
        digest: The digest.
    """
    count = len(hashes) - digest.count
    if count < 0:
        return None
    total = (sum(hashes) - digest.total) % _HASHES
    # Those that came late, or that a run did not get to, are mostly the last ones, or the first.
    for some in (hashes[digest.count :], hashes[:count]):
        if sum(some) % _HASHES == total:
            return {*some}
    if count == 0 or math.comb(len(hashes), count - 1) > _MOST_SETS:
        return None
    every = {*hashes}
    for some in itertools.combinations(hashes, count - 1):
        last = (total - sum(some)) % _HASHES
        if last in every and last not in some:
            return {*some, last}
    return None
