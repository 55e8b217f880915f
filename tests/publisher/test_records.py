import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from vaven.publisher.releases.records import NEWEST, Records
from vaven.vocab.errors import BadSettings, RecordsUnavailable

OPEN = """
import sys
from vaven.publisher.releases.records import Records
with Records(sys.argv[1]) as records:
    records.finished()
print([name for name in sys.modules if name.split(".")[0] in ("alembic", "mako")])
"""


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("vaven.publisher") / "migrations"))
    return config


def test_the_newest_revision_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory.from_config(configuration()).get_current_head() == NEWEST


def test_opening_a_database_at_the_newest_revision_does_not_load_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    with Records(url) as records:
        records.finished()
    opened = subprocess.run([sys.executable, "-c", OPEN, url], capture_output=True, text=True, check=True)
    assert opened.stdout.strip() == "[]"


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_opening_a_database_at_an_older_revision_migrates_it(tmp_path: Path, revision: str) -> None:
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    engine = sa.create_engine(url)
    config = configuration()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    with Records(url) as records:
        assert records.pushes() == records.withdrawals() == []
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == NEWEST


def test_a_database_that_is_unavailable_or_damaged_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "damaged.sqlite").write_bytes(b"no database " * 1000)
    for url in (
        f"sqlite:///{tmp_path}/damaged.sqlite",
        "postgresql+psycopg://nobody@127.0.0.1:1/vaven",
    ):
        with Records(url) as records, pytest.raises(RecordsUnavailable) as raised:
            records.finished()
        assert "vaven doctor" in raised.value.text("en")
        assert "\n" not in raised.value.text("en")
    for url in ("no address", "mysql+nothing://127.0.0.1/vaven"):
        with pytest.raises(BadSettings):
            Records(url)


def test_a_database_that_comes_back_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    with Records(f"sqlite:///{path}") as records:
        records.reserve("provet", "a" * 64, "b" * 64, "prov.csv")
    content = path.read_bytes()
    path.write_bytes(b"no database " * 1000)
    with Records(f"sqlite:///{path}") as records:
        with pytest.raises(RecordsUnavailable):
            records.release("provet", 1)
        path.write_bytes(content)
        assert records.release("provet", 1)


def test_a_database_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/records.sqlite"
    with Records(url) as records:
        records.finished()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with Records(url) as records, pytest.raises(RecordsUnavailable, match="newer"):
        records.finished()
    engine.dispose()
