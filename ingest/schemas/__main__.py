"""Write the JSON Schemas anew: `python -m ingest.schemas`."""

from ingest.schemas import write_all

write_all()
