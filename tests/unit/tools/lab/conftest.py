"""A lab that several tests look at."""

from __future__ import annotations

import pytest
from lab.inventory import Host, Lab


@pytest.fixture
def two_hosts():
    return Lab("demo", "198.18.7.0/24", (Host("zk1.lab.test", "198.18.7.11"), Host("zk2.lab.test", "198.18.7.12")))
