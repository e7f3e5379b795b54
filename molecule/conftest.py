"""What a scenario measured stands below its result as a table, and in build/<scenario>.json. FAULTS=short, as CI has it, keeps the tests marked
`short`, in a scenario that has some, and leaves out those marked `long` in any other."""

from __future__ import annotations

import json
import os

import cluster


def pytest_configure(config):
    config.addinivalue_line("markers", "short: guards a promise and fits CI")
    config.addinivalue_line("markers", "long: takes minutes for a fault that is rare")


def pytest_collection_modifyitems(config, items):
    short = [item for item in items if item.get_closest_marker("short")]
    kept = short or [item for item in items if not item.get_closest_marker("long")]
    if cluster.SHORT:
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
