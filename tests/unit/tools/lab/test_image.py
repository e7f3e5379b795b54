"""Where an image comes from, and what names it."""

from __future__ import annotations

import pytest
from lab import image, run

MIRRORS = ("http://mirror.example/debian", "http://mirror.example/debian-security")


@pytest.mark.parametrize(
    ("targets", "codename", "expected"),
    [
        (
            "http://mirror.example/debian/|bookworm|main\nhttp://mirror.example/debian/|bookworm-updates|main\n"
            "http://mirror.example/security/|bookworm-security|main\n",
            "bookworm",
            ("http://mirror.example/debian", "http://mirror.example/security"),
        ),
        ("http://mirror.example/debian/|bookworm|main\n", "bookworm", MIRRORS),
    ],
)
def test_images_come_from_the_machines_own_mirror_of_debian(targets, codename, expected):
    assert image.mirrors(targets, codename) == expected


@pytest.mark.parametrize(
    ("targets", "codename"),
    [
        ("http://vendor.example/|bookworm|stable\n", "bookworm"),
        ("http://archive.example/ubuntu/|noble|main\n", ""),
        ("", "trixie"),
    ],
)
def test_a_machine_without_an_archive_of_debian_is_told_how_to_name_one(targets, codename):
    with pytest.raises(run.LabError, match="STREAMQUORUM_LAB_MIRROR"):
        image.mirrors(targets, codename)


def test_hosts_get_the_settings_that_reach_the_archive_and_no_others():
    dump = 'Acquire "";\nAcquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Date "false";\nAPT::Get::Yes "1";\n'
    assert (
        image.apt_settings(dump) == 'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Date "false";\n'
    )


def test_an_image_is_named_by_its_recipe():
    sources = image.apt_sources("trixie", *MIRRORS)
    name = image.image_name(image.recipe("trixie", sources, ""))
    assert name.startswith("localhost/streamquorum-lab:trixie-")
    assert name == image.image_name(image.recipe("trixie", sources, ""))
    assert name != image.image_name(image.recipe("trixie", sources, 'Acquire::http::Proxy "http://proxy.example";\n'))
    assert "openjdk-21-jre-headless" in image.recipe("trixie", sources, "")["packages"]
