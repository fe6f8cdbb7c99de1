"""Runs a command and writes its seconds and the most memory, in bytes, that it or a process it waited for has held.

    measured.py FIGURES COMMAND...
"""

import json
import os
import sys
import time

started = time.monotonic()
command = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(command, 0)
figures = {"seconds": time.monotonic() - started, "bytes": usage.ru_maxrss * 1024}
with open(sys.argv[1], "w") as file:
    json.dump(figures, file)
sys.exit(os.waitstatus_to_exitcode(status))
