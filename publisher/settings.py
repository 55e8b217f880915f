"""The configuration as one frozen object, read once at the start (DESIGN section 10).

Sources, of which later ones take precedence: defaults, `vaven.toml` in the working folder, the environment.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vaven.publisher.releases.storage import Storage
from vaven.schemas.standard.thresholds import PROPOSED, Thresholds
from vaven.vocab.errors import BadSettings, is_full_disk
from vaven.vocab.iris import Iris

# Stored N-Triples take 170 bytes an observation, a hundred times the columns, and a third of the time to publish.
STORED_TRIPLES_ROWS = 10_000_000


@dataclass(frozen=True)
class Settings:
    """One attribute for each `VAVEN_…` variable, in lower case without the prefix; empty means "not set".

    `thresholds` are the table [thresholds] of vaven.toml, and the variables `VAVEN_THRESHOLDS_…`.
    """

    home: Path = Path("var")
    base_iri: str = "http://127.0.0.1:8000/"
    database_url: str = ""
    storage_url: str = ""
    originals_url: str = ""
    sparql_query_url: str = ""
    sparql_update_url: str = ""
    sparql_graph_url: str = ""
    sparql_user: str = ""
    sparql_password: str = field(default="", repr=False)
    ckan_url: str = ""
    ckan_token: str = ""
    ckan_organisation: str = ""
    ckan_files: str = "link"
    ckan_rows: bool = True
    query_seconds: float = 30.0
    query_memory_mb: int = 2048
    query_workers: int = 2
    queries_at_once: int = 10
    queries_a_minute: int = 1200
    query_cache_mb: int = 256
    page_cache_mb: int = 64
    answer_mb: int = 512
    made_mb: int = 10_240
    triples_rows: int = STORED_TRIPLES_ROWS
    uploads_url: str = ""
    upload_mb: int = 100
    uploads_a_minute: int = 60
    redis_url: str = ""
    trusted_proxy: str = ""
    contact_email: str = ""
    secret_key: str = ""
    thresholds: Thresholds = PROPOSED

    @property
    def iris(self) -> Iris:
        return Iris(self.base_iri)

    @property
    def contact(self) -> str:
        """The operator's e-mail address; by default the mailbox that RFC 2142 reserves at a web server's host."""
        return self.contact_email or f"webmaster@{urlsplit(self.base_iri).hostname or 'localhost'}"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.home / 'records.sqlite').absolute()}"

    @property
    def storage(self) -> str:
        """fsspec URL of the folder that holds the releases, without a closing slash."""
        if self.storage_url:
            return self.storage_url.rstrip("/")
        folder = (self.home / "releases").absolute()
        # Version 0.1 took a URL's %-escapes for the folder's name; such a home is read where it was written.
        escaped = folder.as_uri()
        return escaped if Path(escaped.removeprefix("file://")).is_dir() else f"file://{folder}"

    @property
    def uploads(self) -> str:
        """fsspec URL of the folder that holds uploads and their reports, without a closing slash."""
        return self.uploads_url.rstrip("/") or str((self.home / "validations").absolute())

    @property
    def release_storage(self) -> Storage:
        return Storage(self.storage, self.home / "cache")

    @property
    def original_storage(self) -> Storage:
        """The submissions as received, which are never public."""
        url = self.originals_url.rstrip("/") or self._below_storage("_originals")
        return Storage(
            url or f"file://{(self.home / 'originals').absolute()}", self.home / "cache" / "_originals", is_private=True
        )

    @property
    def record_storage(self) -> Storage:
        """The copies of the records, from which a lost database is built again."""
        url = self._below_storage("_records")
        return Storage(url or f"file://{(self.home / 'records').absolute()}", self.home / "cache" / "_records")

    @property
    def derived_storage(self) -> Storage | None:
        """The derived files that several servers share; None where the data folder is all there is."""
        url = self._below_storage("_derived")
        return Storage(url, self.home / "cache" / "_derived") if url else None

    def _below_storage(self, name: str) -> str:
        # No dataset's short name begins with an underscore.
        return f"{self.storage_url.rstrip('/')}/{name}" if self.storage_url else ""

    @property
    def derived_folder(self) -> Path:
        return self.home / "made"

    @property
    def graph_folder(self) -> Path:
        return self.home / "graph"

    @property
    def signing_key(self) -> str:
        """The configured key, or a random key stored in the data folder, so that sessions survive a restart."""
        if self.secret_key:
            return self.secret_key
        # Most commands sign nothing, and importing these two takes long beside checking a small file.
        import secrets
        import tempfile

        path, key = self.home / "secret_key", secrets.token_hex(32)
        if not path.exists() or not path.stat().st_size:
            try:
                self.home.mkdir(parents=True, exist_ok=True)
                # Atomic, since an empty key signs nothing; only the owner can read such a file.
                with tempfile.TemporaryDirectory(prefix=".secret-", dir=self.home) as folder:
                    part = Path(folder) / path.name
                    part.touch(mode=0o600)
                    part.write_text(key)
                    part.replace(path)
            except OSError as cause:
                if not is_full_disk(cause):
                    raise
                # A disk that cannot be written is served all the same: sessions end with this process.
                return key
        return path.read_text().strip()


def load_settings(environment: Mapping[str, str] | None = None, file: Path = Path("vaven.toml")) -> Settings:
    """Read the configuration. Raises BadSettings, which names the setting and its allowed values."""
    values: dict[str, Any] = {}
    if file.exists():
        try:
            values |= tomllib.loads(file.read_text("utf-8"))
        except tomllib.TOMLDecodeError as cause:
            raise BadSettings("publisher.settings-not-toml", file=file, cause=cause) from cause
    source = os.environ if environment is None else environment
    values |= {name[6:].lower(): text for name, text in source.items() if name.startswith("VAVEN_")}
    limits = dict(values.pop("thresholds", {}))
    limits |= {name[11:]: text for name, text in values.items() if name.startswith("thresholds_")}
    names = [f.name for f in fields(Settings) if f.name in values]
    settings = Settings(
        **{name: _convert(Settings, name, values[name], "VAVEN_") for name in names}, thresholds=_thresholds(limits)
    )
    if not settings.base_iri.endswith("/"):
        raise BadSettings("publisher.base-iri-without-slash", value=settings.base_iri)
    if settings.ckan_files not in ("link", "upload"):
        raise BadSettings("publisher.ckan-files-invalid", value=settings.ckan_files)
    return settings


def _thresholds(values: Mapping[str, Any]) -> Thresholds:
    names = [f.name for f in fields(Thresholds)]
    for name in values.keys() - set(names):
        raise BadSettings("publisher.threshold-unknown", name=name, names=tuple(names))
    limits = {name: _convert(Thresholds, name, value, "VAVEN_THRESHOLDS_") for name, value in values.items()}
    for name, value in limits.items():
        if value < 0:
            raise BadSettings("publisher.threshold-negative", name=name, value=value)
    return Thresholds(**limits)


def _convert(owner: type, name: str, value: Any, prefix: str) -> Any:
    kind = type(getattr(owner, name))
    if kind is bool:
        return _flag(f"{prefix}{name.upper()}", value)
    try:
        return Path(value) if issubclass(kind, Path) else kind(value)
    except (TypeError, ValueError) as cause:
        raise BadSettings(
            f"publisher.setting-not-{kind.__name__}", name=f"{prefix}{name.upper()}", value=value
        ) from cause


def _flag(name: str, value: Any) -> bool:
    """Read a switch as it is written in an environment variable; TOML has its own words."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    flag = words.get(str(value).lower())
    if flag is None:
        raise BadSettings("publisher.setting-not-bool", name=name, value=value)
    return flag
