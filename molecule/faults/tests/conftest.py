"""FAULTS=short keeps the tests that are marked so; the times of the run stand below its result, and in build/faults.json."""

from __future__ import annotations

import json
import os

import cluster


def pytest_configure(config):
    config.addinivalue_line("markers", "short: guards a promise and fits CI")


def pytest_collection_modifyitems(config, items):
    if os.environ.get("FAULTS") == "short":
        kept = [item for item in items if item.get_closest_marker("short")]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("what the faults cost")
    for line in cluster.TIMES:
        terminalreporter.write_line(line)
    report = cluster.ROOT / "build/faults.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(cluster.TIMES, indent=2) + "\n")
