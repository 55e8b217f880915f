"""Where a finished answer lies: bytes that many read at a time, each from a place of its own."""

import io
import os
import weakref
from typing import IO, Any, BinaryIO, cast

# So few are kept in memory; more lie in a file without a name, which the kernel frees with its last reader.
IN_MEMORY = 64 << 10


class Spool:
    """Bytes that never change. They last as long as the spool or a reader of it does, and leave nothing behind."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        """Take over a file, which is read or held from here on and must not be used any more."""
        self.size = size
        self._bytes: bytes | None = None
        self._descriptor = -1
        with file:
            if size <= IN_MEMORY:
                file.seek(0)
                self._bytes = file.read()
            else:
                self._descriptor = os.dup(file.fileno())
                weakref.finalize(self, os.close, self._descriptor)

    @property
    def content(self) -> bytes | None:
        """The bytes where they are in memory."""
        return self._bytes

    def open(self) -> BinaryIO:
        if self._bytes is not None:
            return io.BytesIO(self._bytes)
        return cast(BinaryIO, io.BufferedReader(_Reader(os.dup(self._descriptor), self.size)))


class _Reader(io.RawIOBase):
    """A place of its own in a file that others read too (pread); closing it closes its own descriptor only."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self._size, self._place = descriptor, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = os.preadv(self._descriptor, [buffer], self._place)
        self._place += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
