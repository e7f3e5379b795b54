"""What every fault meets: a client that writes and a job that counts, which the short run is without."""

from __future__ import annotations

from contextlib import contextmanager

import cluster
import pytest
from workload import assert_nothing_lost, counted, job_restarts, state, submit_job, writing


@pytest.fixture(scope="session")
def job():
    """Id of the job that runs throughout; empty in the short run, where `failover` has one."""
    return "" if cluster.SHORT else submit_job()


@pytest.fixture
def safe(job):
    """A context: nothing that was acknowledged is lost in it, neither writes nor the job's state; what it cost is told."""

    @contextmanager
    def carried(what, lost=False):
        before = (max(counted())[0], job_restarts(job)) if job else ()
        with writing() as result:
            cluster.until("writes", lambda: len(result["acknowledged"]) > 5, 30)
            yield result
            seen = len(result["acknowledged"])
            cluster.until("writes go on", lambda: len(result["acknowledged"]) > seen + 5, 60)
        missing = set(result["acknowledged"]) - result["found"]
        figures = {
            "writes": len(result["acknowledged"]),
            "writes_lost": len(missing),
            "sessions_lost": int(result["lost"]),
            "longest_stall_s": round(result["stall"], 2),
        }
        if job:
            cluster.until("the job runs", lambda: state(job) == "RUNNING", 120)
            assert_nothing_lost(before[0])
            # A JobManager that has just begun to lead gives no metrics yet, and counts from 0.
            restarts, _took = cluster.until("the job's metrics", lambda: [job_restarts(job)], 60)
            figures["job_restarts"] = restarts[0] - before[1] if restarts[0] >= before[1] else 1 + restarts[0]
            result["job_restarts"] = figures["job_restarts"]
        cluster.told(what, **figures)
        assert not missing, f"{len(missing)} acknowledged writes are missing"
        assert lost or not result["lost"], "the writer's session was lost"

    return carried
