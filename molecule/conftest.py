"""What a scenario measured stands below its result as a table, and in build/<scenario>.json. FAULTS=short keeps the tests marked `short`, in a
scenario that has some."""

from __future__ import annotations

import json
import os

import cluster


def pytest_configure(config):
    config.addinivalue_line("markers", "short: guards a promise and fits CI")


def pytest_collection_modifyitems(config, items):
    kept = [item for item in items if item.get_closest_marker("short")]
    if cluster.SHORT and kept:
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def pytest_terminal_summary(terminalreporter):
    if not cluster.MEASURED:
        return
    names = list(dict.fromkeys(name for row in cluster.MEASURED for name in row))
    cells = [names] + [[str(row.get(name, "")) for name in names] for row in cluster.MEASURED]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    terminalreporter.section("measured in this run")
    for row in cells:
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
    report = cluster.ROOT / "build" / f"{os.environ['MOLECULE_SCENARIO_NAME']}.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text(json.dumps(cluster.MEASURED, indent=2) + "\n")
