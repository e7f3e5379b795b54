"""What somebody else set up, by a command line and a file."""

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.host import foreign


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("rest.port: 8081 # comment\n# rest.port: 1\nrest.x: 'a b'\n", ["rest.port: 8081", "rest.x: a b"]),
        (
            'rest:\n  port: 8081\n  bind:\n    address: "0.0.0.0"\nhigh-availability:\n  # comment\n  type: zookeeper\nlist:\n  - a\nlast: 1\n',
            ["rest.port: 8081", "rest.bind.address: 0.0.0.0", "high-availability.type: zookeeper", "last: 1"],
        ),
        ("no setting\n:\n", []),
    ],
)
def test_settings_have_whole_keys_however_they_are_written(text, lines):
    assert foreign.dotted(text) == lines
