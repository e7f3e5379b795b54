"""Prints the times of the run below its result."""

from __future__ import annotations

import cluster


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("times of this run")
    for line in cluster.TIMES:
        terminalreporter.write_line(line)
