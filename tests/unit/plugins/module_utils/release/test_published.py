"""The sum that Apache publishes, and the record of it."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.release import published
from ansible_collections.streamquorum.ha.plugins.module_utils.release.archive import Release, ReleaseError, marker_text

SUM, OTHER = "a1" * 64, "b2" * 64
ARCHIVE = "flink-2.3.0-bin-scala_2.12.tgz"


def test_only_apaches_own_hosts_are_asked_over_tls():
    assert published.urls("flink", "2.3.0", ARCHIVE) == [
        f"https://downloads.apache.org/flink/flink-2.3.0/{ARCHIVE}.sha512",
        f"https://archive.apache.org/dist/flink/flink-2.3.0/{ARCHIVE}.sha512",
    ]


@pytest.mark.parametrize("text", [SUM, f"{SUM}  {ARCHIVE}\n", f"{SUM} *{ARCHIVE}\n", f"{ARCHIVE}: {SUM.upper()}\n"])
def test_each_form_of_a_sum_file_is_read(text):
    assert published.read_sum(text, ARCHIVE) == SUM


@pytest.mark.parametrize("text", ["<html>not found</html>", f"{SUM}  flink-2.2.0-bin-scala_2.12.tgz", ""])
def test_what_is_no_sum_of_this_archive_is_refused(text):
    with pytest.raises(ReleaseError):
        published.read_sum(text, ARCHIVE)


def test_the_record_is_what_sha512sum_checks(tmp_path):
    (tmp_path / "archive.tgz").write_text("content")
    made = subprocess.run(["sha512sum", "archive.tgz"], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = made.stdout.split()[0]
    text = published.with_sum("", "archive.tgz", found, "https://downloads.apache.org/x", "2026-11-28")
    (tmp_path / published.RECORD).write_text(text)
    subprocess.run(["sha512sum", "--check", "--strict", published.RECORD], cwd=tmp_path, check=True)
    assert published.recorded(published.with_sum(text, ARCHIVE, OTHER, "u", "d")) == {
        "archive.tgz": found,
        ARCHIVE: OTHER,
    }


@pytest.mark.parametrize("text", ["no sum\n", f"{SUM}\n", f"{SUM[:-1]}  {ARCHIVE}\n"])
def test_a_record_that_says_something_else_is_refused(text):
    with pytest.raises(ReleaseError, match="no sum with the name of an archive"):
        published.recorded(published.HEAD + text)


SOURCE = {"name": "flink", "version": "2.3.0", "archive": ARCHIVE, "sha512": ""}
INSTALLED = marker_text(Release("flink", "2.3.0", OTHER))


@pytest.mark.parametrize(
    ("source", "markers", "method", "asked"),
    [
        (SOURCE, ["", ""], "archive", True),
        (SOURCE, [INSTALLED, ""], "archive", True),
        (SOURCE, [INSTALLED, INSTALLED], "archive", False),
        (SOURCE, [marker_text(Release("flink", "2.2.0", OTHER))], "archive", True),
        (SOURCE | {"sha512": SUM}, [""], "archive", False),
        (SOURCE, [""], "package", False),
        (SOURCE | {"archive": ""}, [""], "archive", False),
    ],
)
def test_it_is_asked_for_only_where_nobody_gave_one_and_it_is_needed(source, markers, method, asked):
    assert published.to_ask(source, markers, method) is asked
