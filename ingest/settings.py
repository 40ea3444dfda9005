"""Where data lives and what the environment configures.

Not for values that belong to one vendor's wire format: those sit beside the vendor's code.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class DataDir:
    """The folders of one warehouse, all below one root, so that several can live side by side."""

    root: Path

    @property
    def lake(self) -> Path:
        """Return the folder of batches and dead letters."""
        return self.root / "lake"

    @property
    def raw(self) -> Path:
        """Return the folder of batches."""
        return self.lake / "raw"

    @property
    def dead_letter(self) -> Path:
        """Return the folder of what could not be read."""
        return self.lake / "dead_letter"

    @property
    def inbox(self) -> Path:
        """Return the folder people drop files into."""
        return self.root / "inbox"

    @property
    def build(self) -> Path:
        """Return the folder of the build at work."""
        return self.root / "build"

    @property
    def candidate(self) -> Path:
        """Return the private file a build works on."""
        return self.build / "candidate.duckdb"

    @property
    def as_of(self) -> Path:
        """Return the folder of databases rebuilt as of a time."""
        return self.root / "as_of"

    @property
    def published(self) -> Path:
        """Return the folder of published versions."""
        return self.root / "published"

    @property
    def market(self) -> Path:
        """Return the file readers open: a link to the current published version."""
        return self.root / "market.duckdb"

    @property
    def runs(self) -> Path:
        """Return the folder of build records."""
        return self.root / "runs"

    @property
    def quality(self) -> Path:
        """Return the folder of quality reports."""
        return self.root / "quality"

    @property
    def dagster_home(self) -> Path:
        """Return the folder of Dagster's own storage."""
        return self.root / "dagster"


class Settings(BaseSettings):
    """Settings from `TAPEHOUSE_*` environment variables or a `.env` file in the working folder."""

    model_config = SettingsConfigDict(env_prefix="TAPEHOUSE_", env_file=".env", extra="ignore")

    data_dir: Path = PROJECT_ROOT / "data"
    coinbase_url: str = "https://api.exchange.coinbase.com"
    coinbase_symbols: str = ""
    demo_data: bool = True
    keep_versions: int = 5
    threads: int = 2
    memory_limit: str = "3500MB"
    daily_cron: str = "0 1 * * *"
    weekday_cron: str = "0 23 * * 1-5"
    hourly_cron: str = "0 * * * *"

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def data(self) -> DataDir:
        """Return the folders of this warehouse."""
        return DataDir(self.data_dir)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every configured secret, for redaction."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(v.get_secret_value() for v in values if isinstance(v, SecretStr))
