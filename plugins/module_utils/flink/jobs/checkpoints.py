"""Asks for the checkpoint that proves that a job runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.bodies import dict_of, json_of, shown
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.model import Reading
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.reading import AT_ONCE, cause_of, within
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.waiting import WaitCondition
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.rest import (
    WITHOUT_LEADER,
    Get,
)

#: First release that takes a checkpoint on request (POST /jobs/<id>/checkpoints, FLINK-27101).
TRIGGERS_SINCE = (1, 17)


#: A job whose own interval is no longer, in milliseconds, is not asked for a checkpoint: its next one comes as soon.
TRIGGER_FROM_MS = 10_000


#: Seconds until a checkpoint that could not be had is asked for again.
TRIGGER_AGAIN = 5.0


def triggers(flink_version: str) -> bool:
    """Whether a release takes a checkpoint on request; one whose version is not understood is not asked."""
    match = re.match(r"(\d{1,3})\.(\d{1,3})", flink_version)
    return bool(match) and (int(match[1]), int(match[2])) >= TRIGGERS_SINCE  # type: ignore[index]


#: `post(base, job_id, seconds)` -> status and body; raises where there is no answer.
Post = Callable[[str, str, float], tuple[int, bytes]]


class CheckpointTrigger:
    """Asks for a checkpoint of each job that is waited for and would take its time for its next one.

    What it gets is no proof: that is the completed checkpoint that a later reading shows.

    Args:
        post: transport, such as `RestAccess.trigger_checkpoint`.
        get: transport, such as `RestAccess.get`.
        timeout: seconds for each question.
        clock: monotonic seconds.
    """

    def __init__(self, post: Post, get: Get, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._post, self._get, self._timeout, self._clock = post, get, timeout, clock
        #: By job id: the request's id, empty where none is under way, and when it may be asked for again.
        self._requests: dict[str, tuple[str, float]] = {}
        #: By job id, why there was none the last time, in words; those that refuse it are not asked again.
        self.failures: dict[str, str] = {}
        self._refused: set[str] = set()

    def __call__(self, reading: Reading, condition: WaitCondition) -> None:
        """Asks where it is due; a failure is noted and never ends a wait."""
        cluster = reading.cluster
        if cluster is None or not triggers(cluster.overview.flink_version):
            return
        due = [
            job.id
            for job in cluster.jobs
            if job.running
            and condition.awaits_checkpoint(job)
            and (job.checkpoint_interval_ms or 0) > TRIGGER_FROM_MS
            and job.id not in self._refused
        ]
        within(self._timeout, [partial(self._one, reading.base, each) for each in due], AT_ONCE)

    def _one(self, base: str, job_id: str) -> None:
        request, again_at = self._requests.get(job_id, ("", 0.0))
        if self._clock() < again_at:
            return
        if request and self._under_way(base, job_id, request):
            return
        self._requests[job_id] = "", self._clock() + TRIGGER_AGAIN
        try:
            status, body = self._post(base, job_id, self._timeout)
            if status == 202:
                self._requests[job_id] = str(json_of(body, dict).get("request-id", "")), self._clock() + 1
                return
        except Exception as error:  # whichever the transport has; the job's own next checkpoint is waited for
            self.failures[job_id] = f"a checkpoint could not be asked for: {cause_of(error)}"
            return
        self.failures[job_id] = f"a checkpoint could not be asked for: {base} answers {status}"
        if status not in WITHOUT_LEADER:
            self._refused.add(job_id)

    def _under_way(self, base: str, job_id: str, request: str) -> bool:
        """Whether the one that was asked for is; one that failed, or that nobody knows any more, is asked for again."""
        try:
            status, body = self._get(f"{base}/jobs/{job_id}/checkpoints/{request}", self._timeout)
            found = json_of(body, dict) if status == 200 else {}
        except Exception:  # no answer says nothing of the checkpoint
            return True
        if dict_of(found.get("status")).get("id") == "IN_PROGRESS":
            return True
        failure = dict_of(
            dict_of(found.get("operation")).get("failureCause") or dict_of(found.get("operation")).get("failure-cause")
        )
        if failure:
            self.failures[job_id] = f"a checkpoint that was asked for failed: {shown(failure.get('class'))}"
        self._requests[job_id] = "", self._clock() + TRIGGER_AGAIN
        # Completed, it shows in the next reading: what Flink tells of a job is kept for some seconds.
        return True
