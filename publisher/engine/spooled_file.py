"""Storage of a complete result: bytes read by several readers at a time, each at its own position."""

import io
import os
import weakref
from typing import IO, Any, BinaryIO, cast

# At most this many bytes are kept in memory; more are kept in an unlinked file, freed by the kernel with its last
# reader.
MAX_IN_MEMORY = 64 << 10


class Spool:
    """Immutable bytes. They live as long as the spool or one of its readers, and leave nothing behind."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        """Take ownership of a file: it is read or kept open, and must no longer be used by the caller."""
        self.size = size
        self._bytes: bytes | None = None
        self._descriptor = -1
        with file:
            if size <= MAX_IN_MEMORY:
                file.seek(0)
                self._bytes = file.read()
            else:
                self._descriptor = os.dup(file.fileno())
                weakref.finalize(self, os.close, self._descriptor)

    @property
    def content(self) -> bytes | None:
        """The bytes if they are in memory, else None."""
        return self._bytes

    def open(self) -> BinaryIO:
        if self._bytes is not None:
            return io.BytesIO(self._bytes)
        return cast(BinaryIO, io.BufferedReader(_Reader(os.dup(self._descriptor), self.size)))


class _Reader(io.RawIOBase):
    """A reader with its own position in a shared file (pread); closing it closes only its own descriptor."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size, self._position = descriptor, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
