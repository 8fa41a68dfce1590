"""All benchmarks of minutes, one after the other: `python -m benchmarks`.

`time_to_quality` and `structures` take hours and are run by themselves.
"""

from __future__ import annotations

import subprocess
import sys

for name in ("startup", "reading", "throughput", "overhead", "sizes", "scaling"):
    print(f"== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
