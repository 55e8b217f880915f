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

OPEN = """
import sys
from vaven.publisher.releases.records import Records
Records(sys.argv[1]).close()
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
    Records(url).close()
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
