"""Runs a module as a process that dies with whoever started it: `python -m scripts.storming.tied PID NICE MODULE …`.

What a starter of many threads would have to do between fork and exec is done here, where nothing can be locked.
"""

from __future__ import annotations

import os
import runpy
import sys

from jobs.engine.lifeline import die_with_parent


def main() -> None:
    """Tie ourselves, step back, become the module."""
    parent, nice, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    die_with_parent(parent)
    os.nice(nice)
    sys.argv = sys.argv[3:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
