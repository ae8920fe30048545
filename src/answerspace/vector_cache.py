"""The cache: vectors and answers in an SQLite file, so that nothing computed is computed again.

An entry's key is a hash of all that it depends on: the model's fingerprint, how it was asked, the question, the text;
texts themselves are not in the file, answers in words are. Entries that were not used for longest are dropped when the
file would outgrow its limit. Several processes may use one file at once (SQLite's write-ahead log: readers never wait,
writers take turns for milliseconds), and a killed process loses its last PENDING rows at most.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from answerspace.answers import Array
from answerspace.errors import InputError

DEFAULT_LIMIT = 2_000_000_000  # bytes
KEEP = 0.9  # of the limit, once it is reached: dropping a tenth at a time
PAGE = 4096  # SQLite's unit on the disk
ENTRY = 110  # bytes of a key, its place in the index, and the room that half-full pages leave
PENDING = 512  # rows that are written in one transaction; what a kill costs at most
AT_ONCE = 500  # keys in one statement
PATIENCE = 60.0  # seconds to wait for another process's write
FORMAT = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, place INTEGER, used INTEGER, bytes INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_use ON entries (used, place);
CREATE TABLE IF NOT EXISTS vectors (place INTEGER PRIMARY KEY, vector BLOB, answer TEXT);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
INSERT OR IGNORE INTO facts VALUES ('bytes', 0), ('run', 0);
"""


@dataclass(frozen=True)
class Known:
    """What the cache knows of n texts: ``found`` (n,), the found ``vectors`` (f, d) and ``answers`` (f)."""

    found: npt.NDArray[np.bool_]
    vectors: Array
    answers: list[str]


@dataclass(frozen=True)
class CacheFacts:
    """What is in a cache: entries, their bytes, the limit (None: unbounded)."""

    entries: int
    bytes: int
    limit: int | None


class VectorCache:
    """Vectors and answers under ``path``; ``limit`` is in bytes, None for a store that only grows.

    May be used from several threads and processes. A file that is no cache of this version, or is damaged, is put
    aside as ``<name>.damaged`` and begun anew. Raises InputError where nothing can be written.
    """

    def __init__(self, path: str | Path, limit: int | None = DEFAULT_LIMIT) -> None:
        self.path = Path(path)
        self.limit = limit
        self._threads = threading.RLock()
        self._pending: dict[bytes, tuple[bytes, str]] = {}
        if limit is not None and limit < 1:
            raise InputError(f"The limit of a cache must be at least 1 byte. Got {limit}.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connect()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._put_aside()
                self._connect()
        except (OSError, sqlite3.Error) as error:
            raise InputError(f"The cache {self.path} cannot be written ({error}): give another place.") from None

    def get(self, scope: bytes, texts: Sequence[str]) -> Known:
        """What is known of the texts in a scope (see ``scope_of``); found entries count as used."""
        keys = [_key(scope, text) for text in texts]
        stale: list[bytes] = []
        with self._speaking() as database:
            rows = {key: self._pending[key] for key in keys if key in self._pending}
            for at in range(0, len(keys), AT_ONCE):
                some = keys[at : at + AT_ONCE]
                marks = ",".join("?" * len(some))
                query = (
                    f"SELECT key, used, vector, answer FROM entries JOIN vectors USING (place) WHERE key IN ({marks})"
                )
                for key, used, vector, answer in database.execute(query, some):
                    rows[key] = (vector, answer)
                    if used < self._run:
                        stale.append(key)
            if stale and self.limit is not None:
                with self._writing():
                    database.executemany("UPDATE entries SET used = ? WHERE key = ?", [(self._run, k) for k in stale])
        hits = [rows[key] for key in keys if key in rows]
        found = np.array([key in rows for key in keys], bool)
        vectors = np.frombuffer(b"".join(vector for vector, _ in hits), np.float32)
        width = len(hits[0][0]) // 4 if hits else 0
        return Known(found, vectors.reshape(len(hits), width), [answer for _, answer in hits])

    def put(self, scope: bytes, texts: Sequence[str], vectors: Array, answers: Sequence[str]) -> None:
        """Keep (n, d) vectors and answers of n texts in a scope; written with others, at the latest by ``flush``."""
        rows = np.ascontiguousarray(vectors, np.float32)
        with self._threads:
            for text, vector, answer in zip(texts, rows, answers, strict=True):
                said = answer.encode("utf-8", "replace").decode()
                self._pending[_key(scope, text)] = (vector.tobytes(), said)
            if len(self._pending) >= PENDING:
                self.flush()

    def flush(self) -> None:
        """Write what is pending in one transaction."""
        with self._speaking() as database:
            if not self._pending:
                return
            with self._writing():
                added = 0
                for key, (vector, answer) in self._pending.items():
                    if database.execute("SELECT 1 FROM entries WHERE key = ?", (key,)).fetchone():
                        continue  # another process was first
                    row = database.execute("INSERT INTO vectors (vector, answer) VALUES (?, ?)", (vector, answer))
                    size = _room(len(vector) + len(answer.encode()))
                    database.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (key, row.lastrowid, self._run, size))
                    added += size
                database.execute("UPDATE facts SET value = value + ? WHERE name = 'bytes'", (added,))
                self._drop()
            self._pending = {}

    def facts(self) -> CacheFacts:
        """How much is in it."""
        with self._speaking() as database:
            self.flush()
            (count,) = database.execute("SELECT count(*) FROM entries").fetchone()
            return CacheFacts(count, self._bytes(), self.limit)

    def clear(self) -> None:
        """Remove every entry and give the room back."""
        with self._speaking() as database:
            self._pending = {}
            with self._writing():
                database.execute("DELETE FROM entries")
                database.execute("DELETE FROM vectors")
                database.execute("UPDATE facts SET value = 0 WHERE name = 'bytes'")
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Write what is pending and close the file."""
        with self._threads:
            self.flush()
            self._database.close()

    def __del__(self) -> None:
        database = getattr(self, "_database", None)
        if database is not None:
            database.close()

    # --- steps ---------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._database = database = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                raise sqlite3.DatabaseError(f"format {version}")
            if version == 0:
                database.execute(f"PRAGMA page_size = {PAGE}")
                database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.execute("PRAGMA journal_mode = WAL").fetchone()
            database.execute("PRAGMA journal_size_limit = 4000000").fetchone()
            database.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last batches, never the file
            with self._writing():
                for statement in filter(str.strip, SCHEMA.split(";")):
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {FORMAT}")
                database.execute("UPDATE facts SET value = value + 1 WHERE name = 'run'")
                (self._run,) = database.execute("SELECT value FROM facts WHERE name = 'run'").fetchone()
        except BaseException:
            database.close()
            raise

    def _put_aside(self) -> None:
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        self.path.replace(self.path.with_name(self.path.name + ".damaged"))

    @contextmanager
    def _speaking(self) -> Iterator[sqlite3.Connection]:
        with self._threads:
            try:
                yield self._database
            except sqlite3.Error as error:
                if _is_damage(error):
                    self._database.close()
                    self._put_aside()  # the same call again begins anew
                raise InputError(
                    f"The cache {self.path} cannot be used ({error}): run the same again, or give another place."
                ) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction; other processes wait for its end."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _bytes(self) -> int:
        (size,) = self._database.execute("SELECT value FROM facts WHERE name = 'bytes'").fetchone()
        return int(size)

    def _drop(self) -> None:
        """Remove the entries that were used longest ago until the limit is kept."""
        if self.limit is None or self._bytes() <= self.limit:
            return
        database, excess = self._database, self._bytes() - int(KEEP * self.limit)
        dropped, freed = [], 0
        for key, place, size in database.execute("SELECT key, place, bytes FROM entries ORDER BY used, place"):
            dropped.append((key, place))
            freed += size
            if freed >= excess:
                break
        database.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key, _ in dropped])
        database.executemany("DELETE FROM vectors WHERE place = ?", [(place,) for _, place in dropped])
        database.execute("UPDATE facts SET value = value - ? WHERE name = 'bytes'", (freed,))
        database.execute("PRAGMA incremental_vacuum").fetchall()


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is at fault, and not a lock, a full disk or a missing permission."""
    return not isinstance(error, sqlite3.OperationalError) or "malformed" in str(error)


def scope_of(*parts: str) -> bytes:
    """What all texts of one question share in their keys: model, settings, question."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def _room(payload: int) -> int:
    """What a row of some bytes takes on the disk: its share of a page that holds whole rows, or its own pages."""
    cell = payload + 12
    share = PAGE // ((PAGE - 16) // cell) if cell <= PAGE - 40 else -(-cell // (PAGE - 4)) * PAGE
    return share + ENTRY


def _key(scope: bytes, text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=scope).digest()
