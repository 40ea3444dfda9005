"""Where settings and secrets come from, and that secrets are not shown."""

from pathlib import Path

import pytest

from ingest.providers import VENDORS, make_providers, secret_values
from ingest.settings import PROJECT_ROOT, Environment, Settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of its own, without variables of vendors."""
    for vendor in VENDORS:
        for name in (*vendor.secret_names, f"TAPEHOUSE_{vendor.name.upper()}_URL"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_environment_goes_before_the_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / ".env").write_text(
        "FMP_API_KEY=from-file\nOANDA_API_TOKEN= token \nTAPEHOUSE_COINBASE_URL=http://local\n"
        "TAPEHOUSE_PULLS=mine.yml\n"
    )
    monkeypatch.setenv("FMP_API_KEY", "from-environment")
    environment = Environment()
    assert environment.secret("FMP_API_KEY") == "from-environment"
    assert environment.secret("OANDA_API_TOKEN") == "token"
    assert environment.secret("ABSENT") == ""
    assert environment.url("coinbase", "https://usual") == "http://local"
    assert environment.url("kraken", "https://usual") == "https://usual"
    assert Settings().pulls == elsewhere / "mine.yml"


def test_a_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(Environment({"FMP_API_KEY": "s3cret"}))


def test_every_vendor_s_secrets_are_known() -> None:
    values = {name: f"value of {name}" for vendor in VENDORS for name in vendor.secret_names}
    assert set(secret_values(Environment(values))) == set(values.values())
    assert secret_values(Environment({})) == ()


def test_every_variable_is_in_the_example() -> None:
    example = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")
    offered = {line.lstrip("#").split("=")[0] for line in example.splitlines() if "=" in line}
    settings = {f"TAPEHOUSE_{name.upper()}" for name in Settings.model_fields}
    secrets = {name for vendor in VENDORS for name in vendor.secret_names}
    assert settings | secrets <= offered


def test_providers_are_made_without_a_key_and_without_delay(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    providers = make_providers(settings)
    assert {"sample", "simulator", "exchange_calendars", "coinbase"} <= set(providers)
    assert not settings.data.vendors.exists(), "nothing is written before something is asked"
