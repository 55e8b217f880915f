import gzip
import io
import time
from pathlib import Path

import pytest
import zstandard

from tests.conftest import SAMPLE
from vaven.publisher.publish import publish
from vaven.publisher.rdf.compression import (
    CODINGS,
    DAMAGE,
    compressed_file,
    compressor,
    decompressed_file,
    decompressor,
)
from vaven.publisher.releases.records import Records
from vaven.publisher.settings import Settings

LINES = b"".join(b'<http://a/%d> <http://b/> "%d" .\n' % (i, i * i) for i in range(5_000))
NAMES = ("a.nt", "a.nt.gz", "a.nt.zst")


def write(path: Path, content: bytes = LINES) -> bytes:
    path.parent.mkdir(exist_ok=True)
    with compressed_file(path) as file:
        for start in range(0, len(content), 1000):
            file.write(content[start : start + 1000])
    return path.read_bytes()


def read(path: Path) -> bytes:
    with decompressed_file(path) as file:
        return file.read()


@pytest.mark.parametrize("name", NAMES)
def test_written_content_is_read_back(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert read(tmp_path / name) == LINES


@pytest.mark.parametrize("name", NAMES)
def test_equal_content_gives_equal_bytes_in_any_second_and_under_any_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / name)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert write(tmp_path / "other" / f"other-{name}") == first


def test_the_header_of_a_gzip_file_states_no_time_and_no_name(tmp_path: Path) -> None:
    content = write(tmp_path / "a.nt.gz")
    # RFC 1952, section 2.3: flags, then the time.
    assert content[:3] == b"\x1f\x8b\x08"
    assert (content[3], content[4:8]) == (0, bytes(4))


@pytest.mark.parametrize("coding", CODINGS)
def test_equal_responses_are_equal_bytes(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = set()
    for seconds in (1_000_000_000.0, 2_000_000_000.0):
        monkeypatch.setattr(time, "time", lambda now=seconds: now)
        target = io.BytesIO()
        with compressor(coding, target) as stream:
            stream.write(LINES)
        assert decompressor(coding, io.BytesIO(target.getvalue())).read() == LINES
        bodies.add(target.getvalue())
    assert len(bodies) == 1


def test_files_of_several_members_are_read_to_their_end(tmp_path: Path) -> None:
    (tmp_path / "a.nt.gz").write_bytes(gzip.compress(b"1") + gzip.compress(b"2"))
    (tmp_path / "a.nt.zst").write_bytes(zstandard.compress(b"1") + zstandard.compress(b"2"))
    assert read(tmp_path / "a.nt.gz") == read(tmp_path / "a.nt.zst") == b"12"


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("damage", ["cut off", "changed", "other"])
def test_a_damaged_file_is_not_read_as_a_shorter_one(tmp_path: Path, name: str, damage: str) -> None:
    content = bytearray(write(tmp_path / name))
    middle = len(content) // 2
    if damage == "changed":
        content[middle : middle + 20] = bytes(20)
    (tmp_path / name).write_bytes({"cut off": content[:middle], "changed": content, "other": LINES}[damage])
    with pytest.raises(DAMAGE):
        read(tmp_path / name)


def test_the_same_content_published_twice_has_the_same_compressed_files(tmp_path: Path) -> None:
    hashes = []
    for home in ("one", "two"):
        settings = Settings(home=tmp_path / home)
        publish(SAMPLE / "exempel.xlsx", settings)
        with Records(settings.database) as records:
            files = records.finished()[0].complete_manifest.files
        hashes.append({file.name: file.sha256 for file in files if file.name.endswith((".gz", ".zst"))})
    assert hashes[0].keys() == {"observations.nt.gz", "observations.nt.zst"}
    assert hashes[0] == hashes[1]
