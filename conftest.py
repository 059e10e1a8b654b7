"""This repository's own wiring: suites may import the modules beside them."""

from __future__ import annotations

import sys
from pathlib import Path

for _suite in sorted(Path(__file__).parent.glob("suites/*/")):
    sys.path.append(str(_suite))
