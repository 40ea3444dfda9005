"""Warehouses that several tests share, and an environment of its own for each test."""

from pathlib import Path

import pytest

from tests.orchestration.warehouses import (
    isolate,
    isolated,
    project,
    ready,
    shared,
    small,
    tapehouse,
)

__all__ = ["isolated", "project", "ready", "small"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """Return a folder in which `tapehouse demo` has run once, with no network. Not to be changed.

    `data` is the warehouse, `home` was an empty home folder, `output.txt` is what was shown.
    """

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "home").mkdir()
        with pytest.MonkeyPatch.context() as patch:
            isolate(patch, project, folder)
            # A proxy that nobody answers at: whoever asks outside fails.
            nowhere = "http://127.0.0.1:9"
            done = tapehouse(
                folder / "data",
                "demo",
                HOME=str(folder / "home"),
                HTTP_PROXY=nowhere,
                HTTPS_PROXY=nowhere,
                ALL_PROXY=nowhere,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "output.txt").write_text(done.stdout, encoding="utf-8")

    return shared(tmp_path_factory, "demo", make)
