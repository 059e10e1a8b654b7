"""One suite from declaration to settled verdicts: what the plugin and the command line share."""

from pathlib import Path

LEDGER = Path(".holdfast") / "ledger.sqlite"
"""Where the ledger is, from the root of a project."""
