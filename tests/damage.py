"""Damage of a file on the disk, and a small submission beside the sample."""

from pathlib import Path

from tests.reading import LICENCE_AND_PUBLISHER
from vaven.publisher.publish import Published, publish
from vaven.publisher.settings import Settings

# The area of the small submission.
OTHER_AREA = "0180C6090"


def other_submission(folder: Path, name: str = "annan", value: str = "57,5") -> Path:
    """Write a submission of one observation."""
    path = folder / f"{name}.csv"
    path.write_text(f"neighbourhood;kpi;period;value\n{OTHER_AREA};trygg-morker;2023;{value}\n")
    return path


def publish_other(settings: Settings, folder: Path, name: str = "annan", value: str = "57,5") -> Published:
    """Publish it as the dataset of its name."""
    return publish(other_submission(folder, name, value), settings, dataset=name, choices=LICENCE_AND_PUBLISHER)


def flip(path: Path) -> None:
    """Change every 61st byte but those of the first third, in a new file: others may be links to the old one."""
    content = bytearray(path.read_bytes())
    for i in range(len(content) // 3, len(content), 61):
        content[i] ^= 0xFF
    path.unlink()
    path.write_bytes(content)
