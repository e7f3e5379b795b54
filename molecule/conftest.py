"""What a scenario measured stands below its result as a table, and in build/<scenario>.json."""

from __future__ import annotations

import json
import os

import cluster


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
