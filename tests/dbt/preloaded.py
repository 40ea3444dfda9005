"""What the server that tests fork does once, so that no fork has to: read the project, and import.

And compile the project's macros, which dbt does one by one when they are called.
"""

import importlib
import os
from pathlib import Path

from dbt_common.clients.jinja import template_cache

from orchestration.parsed_dbt import read_parsed

PARSED_VARIABLE = "PARSED_PROJECT_OF_TESTS"
IMPORTED_LATE = ("pandas", "pyarrow.dataset", "vaderSentiment.vaderSentiment")

parsed = Path(os.environ.get(PARSED_VARIABLE, ""))
if parsed.is_file():
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    for macro in read_parsed(parsed).macros.values():
        template_cache.get_node_template(macro)
