"""Restart strategies: as Flink tells them, and which restarts a job can take by its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.bodies import shown
from ansible_collections.streamquorum.ha.plugins.module_utils.flink.jobs.model import (
    CLUSTER_DEFAULT,
    EXPONENTIAL_DELAY,
    FAILURE_RATE,
    FIXED_DELAY,
    NONE,
    UNKNOWN,
    UNSET,
    Strategy,
)

#: Newest first: the first that is set counts, as in Flink.
STRATEGY_KEYS = ("restart-strategy.type", "restart-strategy")


#: As Flink takes them, in any case (RestartStrategyOptions, RestartBackoffTimeStrategyFactoryLoader).
STRATEGY_NAMES = {
    "none": NONE,
    "off": NONE,
    "disable": NONE,
    "fixeddelay": FIXED_DELAY,
    "fixed-delay": FIXED_DELAY,
    "failurerate": FAILURE_RATE,
    "failure-rate": FAILURE_RATE,
    "exponentialdelay": EXPONENTIAL_DELAY,
    "exponential-delay": EXPONENTIAL_DELAY,
}


#: Integer.MAX_VALUE: Flink's word for no limit.
UNLIMITED = 2**31 - 1


#: Releases that may hide a job's own strategy: 1.20.5 does, 1.18.1 and 2.3.0 do not, between them none was seen.
HIDES_SINCE, HIDES_UNTIL = (1, 19), (2, 3)


def duration_ms(text: str) -> int | None:
    """A duration as Flink writes and takes it (`1 s`, `500 ms`, `10 min`, `PT1M30S`, `1000`), in milliseconds.

    None where it is none of these.
    """
    text = text.strip()
    iso = re.fullmatch(r"(?i)P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?", text)
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(each or 0) for each in iso.groups())
        return round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
    plain = re.fullmatch(r"(\d{1,18})\s*([A-Za-zµ]*)", text)
    if not plain:
        return None
    for names, factor in (
        (("", "ms", "milli", "millis", "millisecond", "milliseconds"), 1.0),
        (("s", "sec", "secs", "second", "seconds"), 1000.0),
        (("m", "min", "minute", "minutes"), 60_000.0),
        (("h", "hour", "hours"), 3_600_000.0),
        (("d", "day", "days"), 86_400_000.0),
        (("µs", "micro", "micros", "microsecond", "microseconds"), 0.001),
        (("ns", "nano", "nanos", "nanosecond", "nanoseconds"), 0.000001),
    ):
        if plain[2].lower() in names:
            return int(int(plain[1]) * factor)
    return None


def _limit(attempts: int) -> int | None:
    return None if attempts >= UNLIMITED else attempts


def strategy_of_job(text: str, hidden: bool = False) -> Strategy:
    """A job's strategy from the words in `/jobs/<id>/config` (RestartStrategyDescriptionUtils and its forerunners).

    Args:
        text: value of `restart-strategy`.
        hidden: the release may hide a strategy that the job's options set.
    """
    text = shown(text, 500)
    if re.fullmatch(r"(?i)cluster level default restart strategy\.?", text):
        return Strategy(CLUSTER_DEFAULT, text=text, certain=not hidden)
    if re.fullmatch(r"(?i)restart deactivated\.?", text):
        return Strategy(NONE, 0, text=text)
    if match := re.fullmatch(r"(?i)restart with fixed delay \((.+)\)\. #(\d{1,10}) restart attempts\.?", text):
        return Strategy(FIXED_DELAY, _limit(int(match[2])), duration_ms(match[1]), text=text)
    if match := re.fullmatch(
        r"(?i)failure rate restart with maximum of (\d{1,10}) failures within interval (.+) and fixed delay (.+?)\.?",
        text,
    ):
        return Strategy(FAILURE_RATE, None, duration_ms(match[3]), int(match[1]), duration_ms(match[2]), text=text)
    if match := re.match(r"(?i)restart with exponential delay: starting at ([^,]+),", text):
        return Strategy(EXPONENTIAL_DELAY, None, duration_ms(match[1]), text=text)
    return Strategy(UNKNOWN, text=text)


def strategy_of_cluster(options: Mapping[str, str]) -> Strategy:
    """The cluster's default from a JobManager's options, with Flink's own defaults for what is not set.

    Attempts 1 and delay 1 s (fixed-delay); 1 failure a minute, delay 1 s (failure-rate); from 1 s without limit
    (exponential-delay): RestartStrategyOptions, the same in 1.18.1, 1.20.5 and 2.3.0.
    """
    key = next((each for each in STRATEGY_KEYS if options.get(each)), None)
    if key is None:
        return Strategy(UNSET)
    kind = STRATEGY_NAMES.get(options[key].strip().lower(), UNKNOWN)
    text = shown(f"{key}: {options[key]}")

    def number(name: str, default: int) -> int | None:
        value = options.get(f"restart-strategy.{name}", "").strip()
        return default if not value else int(value) if re.fullmatch(r"\d{1,10}", value) else None

    def span(name: str, default: str) -> int | None:
        return duration_ms(options.get(f"restart-strategy.{name}") or default)

    if kind == NONE:
        return Strategy(NONE, 0, text=text)
    if kind == FIXED_DELAY:
        attempts = number("fixed-delay.attempts", 1)
        if attempts is not None:
            return Strategy(kind, _limit(attempts), span("fixed-delay.delay", "1 s"), text=text)
    if kind == FAILURE_RATE:
        failures = number("failure-rate.max-failures-per-interval", 1)
        interval = span("failure-rate.failure-rate-interval", "1 min")
        if failures is not None and interval is not None:
            return Strategy(kind, None, span("failure-rate.delay", "1 s"), failures, interval, text)
    if kind == EXPONENTIAL_DELAY:
        attempts = number("exponential-delay.attempts-before-reset-backoff", UNLIMITED)
        if attempts is not None:
            return Strategy(kind, _limit(attempts), span("exponential-delay.initial-backoff", "1 s"), text=text)
    return Strategy(UNKNOWN, text=text)


def hides_strategies(flink_version: str) -> bool:
    """Whether a release may call a job's own restart strategy the cluster's; an unknown release may."""
    match = re.match(r"(\d{1,3})\.(\d{1,3})", flink_version)
    return not match or HIDES_SINCE <= (int(match[1]), int(match[2])) < HIDES_UNTIL


def cluster_default(job_managers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The cluster's default strategy: what all JobManagers that answer agree on, `unknown` otherwise.

    Any of them may lead tomorrow, and a new leader restarts jobs by its own options.

    Args:
        job_managers: as the module returns them.
    """
    found = [dict(each["restart_strategy"]) for each in job_managers if each.get("restart_strategy")]
    if not found:
        return asdict(Strategy(UNKNOWN, text="no JobManager tells its options"))
    if any({**each, "text": ""} != {**found[0], "text": ""} for each in found):
        texts = sorted({str(each["text"]) or UNSET for each in found})
        return asdict(Strategy(UNKNOWN, text=f"the JobManagers differ: {' / '.join(texts)}"))
    return found[0]


def effective_strategy(job: Mapping[str, Any], default: Mapping[str, Any]) -> Mapping[str, Any]:
    """The strategy that a job restarts by: its own, else the cluster's, else Flink's (by whether it checkpoints)."""
    strategy: Mapping[str, Any] = job["restart_strategy"]
    if strategy["kind"] == CLUSTER_DEFAULT:
        strategy = default
    if strategy["kind"] == UNSET:
        # fixed-delay up to 1.18, exponential-delay from 1.20, both without limit; none without checkpoints.
        return asdict(Strategy(EXPONENTIAL_DELAY if job["checkpointing"] else NONE, text="Flink's own default"))
    return strategy


def absorbs(job: Mapping[str, Any], default: Mapping[str, Any], restarts_needed: int, spacing_ms: int = 0) -> str:
    """Why a job cannot take so many more restarts; empty when it can.

    Args:
        job: as the module returns it.
        default: the cluster's default strategy, see `cluster_default`.
        restarts_needed: steps that restart it, each once. A step can cost an attempt for each of `parts`.
        spacing_ms: least time between two of them, in milliseconds; 0 where nothing is known.
    """
    if restarts_needed <= 0:
        return ""
    strategy = effective_strategy(job, default)
    kind, text = strategy["kind"], strategy["text"]
    name = f"job {job['id']} ({job['name']})"
    needed = restarts_needed * max(1, job["parts"])
    if kind == NONE:
        return f"{name} does not restart ({text or 'restart-strategy none'}): the first step would end it"
    if kind == FAILURE_RATE:
        interval, failures = strategy["interval_ms"], strategy["failures"]
        if interval is None or failures is None:
            return f"{name}: its restart strategy is not understood: {text}"
        steps = restarts_needed if spacing_ms <= 0 else min(restarts_needed, 1 + interval // spacing_ms)
        together = steps * max(1, job["parts"])
        if together > failures:
            return (
                f"{name} may restart {failures} times in {interval / 1000:g} s ({text}), and {together} are needed that can "
                "fall into that time"
            )
        return ""
    if kind not in (FIXED_DELAY, EXPONENTIAL_DELAY):
        return f"{name}: its restart strategy is not understood: {text or 'not told'}"
    attempts = strategy["attempts"]
    if attempts is None:
        return ""
    if job["restarts"] is None:
        return f"{name} may restart {attempts} times, and how often it already has is not known yet"
    left = max(0, attempts - job["restarts"])
    if left < needed:
        return f"{name} may restart {left} more times ({attempts} attempts, {job['restarts']} used), and {needed} are needed"
    return ""


def spacing_ms(job: Mapping[str, Any], default: Mapping[str, Any]) -> int:
    """Least time between two steps that restart a job with a failure rate, in milliseconds; 0 where it needs none.

    0 also where one step alone is more than its rate allows: `absorbs` refuses that.

    Args:
        job: as the module returns it.
        default: the cluster's default strategy, see `cluster_default`.
    """
    strategy = effective_strategy(job, default)
    interval, failures = strategy["interval_ms"], strategy["failures"]
    if strategy["kind"] != FAILURE_RATE or interval is None or failures is None:
        return 0
    steps = failures // max(1, job["parts"])
    # Flink counts what is not older than the interval, so the next one has to come after it.
    return int(interval // steps + 1) if steps else 0


def absorption_note(job: Mapping[str, Any], default: Mapping[str, Any]) -> str:
    """What an operator should know of how a job restarts, where `absorbs` has nothing against it; mostly empty."""
    strategy = effective_strategy(job, default)
    name = f"job {job['id']} ({job['name']})"
    if not job["restart_strategy"]["certain"]:
        return (
            f"{name}: this release of Flink tells the cluster's restart strategy ({strategy['kind']}) even for a job whose "
            "options set another"
        )
    if strategy["kind"] == FAILURE_RATE:
        return f"{name} restarts {strategy['failures']} times in {(strategy['interval_ms'] or 0) / 1000:g} s at most"
    return ""
