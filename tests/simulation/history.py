"""One history: a world made from a seed, its faults, its runs, and what has to be true at the end."""

from __future__ import annotations

import random

from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.decisions import DONE, STOP, Policy
from simulation.controller import REFUSED, Defences, Faults, Run
from simulation.world import CRASH, LEASE_SECONDS, MUTE, InvariantError, World

#: (voters, observers) of the worlds; a seed chooses one.
WORLDS = ((3, 0), (3, 1), (3, 2), (5, 0), (5, 1), (5, 2), (7, 0), (7, 1), (7, 2))
#: So many runs without faults may be needed to finish: one may find the lock of a run that died elsewhere.
RUNS_TO_FINISH = 4
OLD, NEW, OTHER, CORRECTED = "old", "new", "other", "corrected"
HORIZON = 3000.0


class History:
    """What happens is decided by `seed` alone.

    Args:
        seed: of this history.
        defences: all of them, but for a mutation.
        trace: keep a line for each event.
    """

    def __init__(self, seed: int, defences: Defences = Defences(), trace: bool = False) -> None:  # noqa: B008 - frozen
        self.random = rng = random.Random(seed)
        self.seed = seed
        self.defences = defences
        voters, observers = rng.choice(WORLDS)
        self.broken = rng.choices(("", CRASH, MUTE), (0.8, 0.1, 0.1))[0]
        base = rng.choice((OLD, OLD, OLD, ""))
        self.world = World(rng, voters, observers, base, {NEW: self.broken} if self.broken else {})
        if trace:
            self.world.trace = [f"seed {seed}: {voters} voters, {observers} observers, new is {self.broken or 'good'}"]
        self.policy = Policy(accept_members_down=rng.random() < 0.25, accept_unhealthy=rng.random() < 0.2)
        self.faults = Faults()
        self.runs: list[Run] = []
        self._others: list[Run] = []

    def run(self) -> None:
        """The whole history.

        Raises:
            InvariantError: an invariant does not hold.
        """
        world = self.world
        for server in world.servers:
            world.start(server, by_hand=True)
        world.advance(30.0)
        self._damage()
        self._storm()
        self._calm()

    # With faults

    def _damage(self) -> None:
        """What the first run finds."""
        world, rng = self.world, self.random
        for server in world.servers:
            what = rng.random()
            if what < 0.04:
                world.hang(server, rng.choice((0.0, rng.uniform(3.0, 60.0))))
            elif what < 0.08:
                world.power_off(server, rng.uniform(5.0, 200.0))
            elif what < 0.12:
                server.current = NEW
        if rng.random() < 0.03:
            for server in world.servers:
                world.power_off(server, rng.uniform(1.0, 60.0))

    def _storm(self) -> None:
        world, rng = self.world, self.random
        world.faults = True
        quiet = rng.random() < 0.3
        self.faults.late, self.faults.lost = rng.choice(((0.0, 0.0), (0.05, 0.0), (0.0, 0.02), (0.1, 0.03), (0.3, 0.0)))
        self.faults.dies, self.faults.stands = rng.choice(((0.0, 0.0), (0.02, 0.0), (0.0, 0.02), (0.02, 0.02)))
        # Time for somebody else to take over from a controller that stands still, and to be overtaken in turn.
        until = world.time + rng.uniform(60.0, 400.0) + (2.0 * LEASE_SECONDS if self.faults.stands else 0.0)
        if not quiet:
            pace = rng.choice((10.0, 30.0, 60.0))
            moment = rng.expovariate(1 / pace)
            while moment < until - world.time:
                world.at(moment, self._fault, until)
                moment += rng.expovariate(1 / pace)
        if rng.random() < 0.15:
            self._suspend()
            until += 4.0 * LEASE_SECONDS
        for number in range(rng.choice((1, 1, 2, 2, 3)) if not self.runs else 0):
            desired = NEW if rng.random() < 0.8 else OTHER
            host = "c1" if rng.random() < 0.5 else f"c{number + 1}"
            self._start(desired, host, rng.uniform(0.0, 60.0) if number else 0.0, force=rng.random() < 0.1)
        if rng.random() < (0.5 if self.faults.stands else 0.1):
            self._try_again(NEW, until)
        world.advance(until)
        # Those that were killed are run again at once, while faults go on.
        if any(run.outcome == "killed" for run in self.runs):
            self._start(NEW, "c1", 0.0)
            world.advance(until + 200.0)
        self.faults.late = self.faults.lost = self.faults.dies = self.faults.stands = 0.0
        world.faults = False
        world.advance(world.time + HORIZON, lambda: not any(run.alive for run in self.runs))

    def _suspend(self) -> None:
        """A controller is suspended in the middle, and somebody else takes over, and may die in turn."""
        rng = self.random
        first = self._start(NEW, "c1", 0.0)
        place = rng.choice(("before the lock", "before the step"))
        first.suspended = (rng.randrange(1, 4), place, rng.uniform(1.0, 3.0) * LEASE_SECONDS)
        second = self._start(OTHER, "c8", rng.uniform(1.0, 1.5) * LEASE_SECONDS)
        if rng.random() < 0.5:
            self.world.at(rng.uniform(1.1, 2.0) * LEASE_SECONDS, second.kill)
        if rng.random() < 0.5:
            rng.choice(self.world.servers).cut["c8"] = self.world.time + 3.0 * LEASE_SECONDS

    def _try_again(self, desired: str, until: float) -> None:
        """Somebody else who starts a run again and again."""
        if not self._others or not self._others[-1].alive:
            self._others.append(
                self._start(self.random.choice((desired, OTHER)), "c8", 0.0, self.random.random() < 0.15)
            )
        if self.world.time < until - 30.0:
            self.world.at(self.random.uniform(5.0, 40.0), self._try_again, desired, until)

    def _fault(self, until: float) -> None:
        world, rng = self.world, self.random
        server = rng.choice(world.servers)
        what = rng.random()
        if what < 0.35:
            world.kill(server)
        elif what < 0.45:
            if world.leader:
                world.kill(world.leader)
        elif what < 0.6:
            world.abdicate()
        elif what < 0.7:
            world.hang(server, rng.choice((0.0, rng.uniform(3.0, 60.0))))
        elif what < 0.8:
            world.power_off(server, rng.uniform(5.0, 120.0))
        else:
            server.cut[rng.choice(("c1", "c2", "c8"))] = world.time + rng.uniform(
                2.0, rng.choice((90.0, 3.0 * LEASE_SECONDS))
            )

    def _start(self, desired: str, host: str, delay: float, force: bool = False, policy: Policy | None = None) -> Run:
        number = len(self.runs)
        run = Run(
            self.world,
            f"r{number}",
            host,
            desired,
            policy or self.policy,
            self.faults,
            force=force,
            fresh=self.random.random() < 0.3,
            defences=self.defences,
        )
        self.runs.append(run)
        run.begin(
            lambda: {int(each.name[1:]) + 1: each.name for each in self.runs if each.alive and each.host == host}, delay
        )
        return run

    # Without faults

    def _calm(self) -> None:
        """Runs are repeated until one is done; a broken generation is corrected after it was shown to stop them."""
        world = self.world
        for run in self.runs:
            self._judge_reason(run)
        for server in world.servers:
            world.power_on(server)
            server.cut.clear()
        if self.random.random() < 0.03:
            for server in self.random.sample(world.voters, len(world.voters) // 2 + 1):
                world.hang(server, 0.0)
        world.advance(world.time + 150.0)
        if self.broken:
            self._stops_with_a_broken_one()
        self._finish(CORRECTED if self.broken else NEW)

    def _judge_reason(self, run: Run) -> None:
        if run.alive:
            raise InvariantError("I5", f"{run.name} does not end")
        if run.outcome == STOP and not run.reason:
            raise InvariantError("I5", f"{run.name} stops without a reason")

    def _repeat(self, desired: str) -> Run:
        world = self.world
        policy = Policy(accept_members_down=self.policy.accept_members_down, accept_unhealthy=True)
        run = self._start(desired, "c9", 0.0, policy=policy)
        world.advance(world.time + HORIZON, lambda: not run.alive)
        self._judge_reason(run)
        # A lease that a dead run has left elsewhere ends by itself.
        world.advance(world.time + (LEASE_SECONDS if locked(run) else 20.0))
        return run

    def _finish(self, desired: str) -> None:
        world = self.world
        for _number in range(RUNS_TO_FINISH):
            whole = all(server.serving for server in world.servers)
            run = self._repeat(desired)
            if run.outcome == DONE:
                break
            if whole and not locked(run):
                raise InvariantError("I4", f"{run.name} finds all serving, and stops: {run.reason}")
        else:
            raise InvariantError("I4", f"{RUNS_TO_FINISH} runs without faults are not enough: {run.reason}")
        wrong = [server.name for server in world.servers if server.running != desired or not server.serving]
        if wrong:
            raise InvariantError("I4", f"{run.name} is done, and {', '.join(wrong)} not")

    def _stops_with_a_broken_one(self) -> None:
        """All of them serve again on something that works; then one member is tried, and is back on what it had."""
        world = self.world
        self._finish(OTHER)
        before = {server.name: server.running for server in world.servers}
        run = self._repeat(NEW)
        after = {server.name: server.running for server in world.servers if server.serving}
        if run.outcome != STOP or after != before or len(run.touched) != 1:
            raise InvariantError("I4", f"a broken generation: {run.outcome}, tried {run.touched}, now {after}")


def locked(run: Run) -> bool:
    """It stopped for the lease of a run that died elsewhere."""
    return "lock" in run.reason or REFUSED in run.reason
