"""Where data lives, what the environment configures, and where secrets come from.

Not for values that belong to one vendor's wire format: those sit beside the vendor's code.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[1]
ENV_FILE = ".env"


def _environment() -> Mapping[str, str | None]:
    return {**dotenv_values(ENV_FILE), **os.environ}


@dataclass(frozen=True)
class Environment:
    """Variables of vendors: secrets under the vendor's own names, addresses under ours.

    Read from the process and, where it does not have them, from `.env` in the working folder.
    """

    variables: Mapping[str, str | None] = field(default_factory=_environment, repr=False)

    def secret(self, name: str) -> str:
        """Return a secret, or nothing when it is not set."""
        return (self.variables.get(name) or "").strip()

    def url(self, provider: str, default: str) -> str:
        """Return a vendor's address: `TAPEHOUSE_<PROVIDER>_URL` or its usual one."""
        return self.variables.get(f"TAPEHOUSE_{provider.upper()}_URL") or default


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
    def vendors(self) -> Path:
        """Return the folder of what is known of vendors: quotas used, breakers open."""
        return self.root / "vendors"

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
    def features(self) -> Path:
        """Return the folder of feature snapshots."""
        return self.root / "features"

    @property
    def dagster_home(self) -> Path:
        """Return the folder of Dagster's own storage."""
        return self.root / "dagster"


class SettingsError(ValueError):
    """A setting cannot be used; the message names its variable and says what to do."""


class Settings(BaseSettings):
    """Settings from `TAPEHOUSE_*` environment variables or a `.env` file in the working folder.

    Making them raises `SettingsError` where one is wrong.
    """

    model_config = SettingsConfigDict(env_prefix="TAPEHOUSE_", env_file=ENV_FILE, extra="ignore")

    data_dir: Path = PROJECT_ROOT / "data"
    pulls: Path = PROJECT_ROOT / "pulls.yml"
    demo_data: bool = True
    keep_versions: int = 5
    threads: int = 2
    memory_limit: str = "3500MB"
    daily_cron: str = "0 1 * * *"
    weekday_cron: str = "0 23 * * 1-5"
    hourly_cron: str = "0 * * * *"

    def __init__(self, **values: Any) -> None:  # noqa: ANN401 - checked field by field
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = (
                f"TAPEHOUSE_{'_'.join(map(str, each['loc'])).upper()} is {each['input']!r}:"
                f" {each['msg']}"
                for each in error.errors(include_url=False)
            )
            raise SettingsError("; ".join(wrong)) from None

    @field_validator("data_dir", "pulls")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def data(self) -> DataDir:
        """Return the folders of this warehouse."""
        return DataDir(self.data_dir)

    @cached_property
    def environment(self) -> Environment:
        """Return the variables of vendors."""
        return Environment()
