"""The simulated records as files of the inbox, and how they get there.

Not for landing them: that is `ingest.providers.inbox`.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ingest.lake import Lake, sync_folders
from ingest.providers import inbox
from ingest.simulated_trading.markets import MINUTE
from ingest.simulated_trading.records import Record, Trading


def texts(trading: Trading) -> Mapping[tuple[str, str], str]:
    """Return the files of the inbox by dataset and name, in the order in which they are landed."""
    return {
        ("decisions", "simulated-1-decisions.jsonl"): _json_lines(trading.decisions),
        ("decisions", "simulated-2-corrections.jsonl"): _json_lines(trading.corrections),
        ("executions", "simulated-executions.csv"): _csv(trading.executions),
        ("cash_movements", "simulated-cash-movements.csv"): _csv(trading.cash_movements),
    }


def drop(lake: Lake, trading: Trading) -> Sequence[Path]:
    """Put the records into the inbox, unless they landed before, and return the new files.

    Nobody's file is overwritten: where a name is taken, another one is. What is dropped can be
    landed at once.
    """
    dropped = []
    for (dataset, name), text in texts(trading).items():
        content = text.encode()
        digest = hashlib.sha256(content).hexdigest()
        landed = {
            entry.content_hash
            for batch in lake.batches(inbox.PROVIDER, dataset)
            for entry in batch.entries
        }
        if not text or f"sha256:{digest}" in landed:
            continue
        folder = lake.data.inbox / dataset
        folder.mkdir(parents=True, exist_ok=True)
        # Complete from the first moment it has its name, and not "changed a moment ago".
        unfinished = folder / f".{name}.{os.getpid()}"
        unfinished.write_bytes(content)
        written_at = (lake.clock() - MINUTE).timestamp()
        os.utime(unfinished, (written_at, written_at))
        try:
            if target := _link(unfinished, folder, name, digest):
                dropped.append(target)
                sync_folders(folder, folder)
        finally:
            unfinished.unlink()
    return dropped


def _link(file: Path, folder: Path, name: str, digest: str) -> Path | None:
    """Give a file a name that no other has; none if it is there already."""
    stem, _, suffix = name.rpartition(".")
    for target in (folder / name, folder / f"{stem}-{digest[:12]}.{suffix}"):
        try:
            target.hardlink_to(file)
        except FileExistsError:
            if target.is_file() and target.read_bytes() == file.read_bytes():
                return None
        else:
            return target
    raise FileExistsError(f"{folder} has other files named {name}: move them away")


def _json_lines(records: Iterable[Record]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _csv(records: Sequence[Record]) -> str:
    if not records:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
