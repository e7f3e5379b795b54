"""The model: an ensemble and its hosts, on a clock that jumps from event to event. README.md names what it assumes."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator, Iterable
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import survives
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import lease as leases

#: What a process of the simulation is: it yields the seconds until it goes on.
Process = Generator[float, None, None]
#: Kinds of generations that do not come to serve. crash: its process ends at once. mute: it listens and never serves.
CRASH, MUTE = "crash", "mute"
LEASE_SECONDS = 120.0


class InvariantError(Exception):
    """An invariant does not hold; `invariant` is its name in README.md."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


class Server:
    """One member and its host.

    Attributes:
        powered: the host is on.
        up: a process runs (a generation of kind CRASH: one that keeps ending).
        hung: the process stands still (SIGSTOP, a disk that hangs).
        serving: follower, leader or observer.
        running: generation of the process; current, served: links of the host, to what is started and what served last; previous: what was
            current before, where that stands in for what served.
        restarts: starts by systemd itself since the last one by hand.
        lease: what the lease file says.
        cut: until when which controller's host does not reach this one.
        now, before: what a reply says, and what one says that is late: (serves, leads, running, process, keeps_ending).
    """

    __slots__ = (
        "before",
        "current",
        "cut",
        "hung",
        "id",
        "lease",
        "name",
        "now",
        "offset",
        "powered",
        "previous",
        "process",
        "restarts",
        "running",
        "served",
        "serving",
        "up",
        "votes",
        "zxid",
    )

    def __init__(self, identity: int, votes: bool, generation: str, offset: float) -> None:
        self.id = identity
        self.name = f"zk{identity}"
        self.votes = votes
        self.powered = True
        self.up = self.hung = self.serving = False
        self.running = ""
        self.current = generation
        self.served = generation
        self.previous = ""
        self.process = ""
        self.restarts = 0
        self.zxid = 0
        self.lease: dict[str, Any] = {}
        self.offset = offset
        self.cut: dict[str, float] = {}
        self.now = self.before = (False, False, "", "", False)


class World:
    """All hosts. Everything random comes from `random`, so that a seed is a history.

    Args:
        rng: source of every choice.
        voters: members with a vote.
        observers: members without.
        base: generation that they start with; empty for an installation that was not ours.
        broken: kind by generation, of those that do not come to serve.
    """

    def __init__(self, rng: random.Random, voters: int, observers: int, base: str, broken: dict[str, str]) -> None:
        self.random = rng
        self.time = 0.0
        self.base = base
        self.broken = broken
        self.servers = [
            Server(number + 1, number < voters, base, rng.uniform(-3600.0, 3600.0))
            for number in range(voters + observers)
        ]
        self.voters = self.servers[:voters]
        self.names = {server.name: server for server in self.servers}
        self.leader: Server | None = None
        self.zxid = 0
        self.trace: list[str] | None = None
        self.faults = False
        #: Runs that acted, in order, each once; the last one is the only one that may act again.
        self.actors: list[str] = []
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._processes = 0
        self._electing = 0

    # The clock

    def at(self, delay: float, call: Callable[..., None], *arguments: Any) -> None:
        """Calls it after `delay` seconds."""
        self._number += 1
        heapq.heappush(self._queue, (self.time + delay, self._number, call, arguments))

    def advance(self, until: float, over: Callable[[], bool] = lambda: False) -> None:
        """Lets events happen until then, or until `over` says so."""
        queue = self._queue
        while queue and queue[0][0] <= until and not over():
            self.time, _number, call, arguments = heapq.heappop(queue)
            call(*arguments)
            self.check()
        if not over():
            self.time = until

    def note(self, text: str) -> None:
        """One line of the history, where somebody reads it."""
        if self.trace is not None:
            self.trace.append(f"{self.time:8.1f} {text}")

    def check(self) -> None:
        """What holds after every event, whoever caused it (I6: the leases; a model that contradicts itself)."""
        if len({server.lease["run"] for server in self.voters if server.lease}) < 2:
            return
        held: dict[str, set[str]] = {}
        for server in self.voters:
            if server.lease and server.lease["expires"] > self.time + server.offset:
                held.setdefault(server.lease["run"], set()).add(server.name)
        everyone = {server.name for server in self.voters}
        winners = [run for run, hosts in held.items() if leases.won(hosts, everyone)]
        if len(winners) > 1:
            raise InvariantError("I6", f"{' and '.join(winners)} hold the lock")

    # Members

    def serving_voters(self) -> int:
        return sum(server.serving for server in self.voters)

    def serves(self) -> bool:
        """A quorum serves."""
        return self.leader is not None

    def start(self, server: Server, by_hand: bool) -> None:
        """A process, with the generation that `current` names at this moment."""
        self._processes += 1
        server.process = f"p{self._processes}"
        server.running = server.current
        server.up, server.hung, server.serving = True, False, False
        server.restarts = 0 if by_hand else server.restarts + 1
        self.note(f"{server.name} starts {server.running or 'its own installation'}")
        self.settle()
        if self.leader:
            self._join(server)
        self.remember(server)

    def stop(self, server: Server) -> None:
        """Its process ends, whatever the reason."""
        if server.serving:
            server.zxid = self.zxid
            self.zxid += 1
        server.up = server.hung = server.serving = False
        server.running = server.process = ""
        self.settle()
        self.remember(server)

    def able(self, server: Server) -> bool:
        """Its process can take part in an election."""
        return server.up and not server.hung and server.running not in self.broken

    def settle(self) -> None:
        """What the ensemble does by itself: gives up without a quorum, and elects with one."""
        leader = self.leader
        if leader and not (leader.serving and self._quorum(server.id for server in self.voters if server.serving)):
            self.note("the ensemble does not serve any more")
            self.leader = leader = None
            for server in self.servers:
                if server.serving:
                    server.zxid, server.serving = self.zxid, False
                    self.remember(server)
            self.zxid += 1
        if leader is None and self._quorum(server.id for server in self.voters if self.able(server)):
            self._electing += 1
            self.at(self.random.uniform(0.2, 3.0), self._elect, self._electing)

    def _quorum(self, identities: Iterable[int]) -> bool:
        there = set(identities)
        return survives(self.servers, {server.id for server in self.servers if server.id not in there})

    def _elect(self, number: int) -> None:
        """The last one that was called for; the most recent data wins, then the highest id."""
        able = [server for server in self.voters if self.able(server)]
        if number != self._electing or self.leader or not self._quorum(server.id for server in able):
            return
        self.leader = max(able, key=lambda server: (server.zxid, server.id))
        self.note(f"{self.leader.name} leads")
        # A leader serves once a quorum is in step; the others follow.
        others = [server for server in able if server is not self.leader]
        self.random.shuffle(others)
        first = {self.leader, *others[: len(self.voters) // 2]}
        for server in first:
            server.serving = True
            self.remember(server)
        for server in self.servers:
            if server not in first and self.able(server):
                self._join(server)

    def _join(self, server: Server) -> None:
        slow = self.faults and self.random.random() < 0.05
        delay = self.random.uniform(30.0, 50.0) if slow else self.random.uniform(0.2, 5.0)
        self.at(delay, self._joined, server, server.process, self.leader)

    def _joined(self, server: Server, process: str, leader: Server) -> None:
        if server.process == process and self.able(server) and self.leader is leader and not server.serving:
            server.serving = True
            self.remember(server)

    def remember(self, server: Server) -> None:
        """Keeps what a reply would have said until now: a late one says it still."""
        listens = server.up and self.broken.get(server.running) != CRASH
        process = server.process if listens else ""
        seen = (server.serving, server is self.leader, server.running, process, server.restarts > 0)
        if seen != server.now:
            server.before, server.now = server.now, seen

    def mode(self, server: Server) -> str:
        """What it says that it is; empty when it does not serve."""
        if not server.serving:
            return ""
        return "leader" if server is self.leader else "follower" if server.votes else "observer"

    # Faults

    def kill(self, server: Server) -> None:
        """Its process dies; systemd starts it again."""
        if not server.up or not server.powered:
            return
        self.note(f"{server.name} dies")
        self.stop(server)
        self.at(self.random.uniform(1.0, 6.0), self._by_itself, server)

    def _by_itself(self, server: Server) -> None:
        if server.powered and not server.up:
            self.start(server, by_hand=False)

    def hang(self, server: Server, seconds: float) -> None:
        """Its process stands still, for a while or (0) for good."""
        if not server.up or server.hung:
            return
        self.note(f"{server.name} hangs")
        if server.serving:
            server.zxid, server.serving = self.zxid, False
            self.zxid += 1
        server.hung = True
        self.settle()
        self.remember(server)
        if seconds:
            self.at(seconds, self._wake, server, server.process)

    def _wake(self, server: Server, process: str) -> None:
        if server.process == process and server.hung:
            server.hung = False
            self.settle()
            if self.leader:
                self._join(server)

    def power_off(self, server: Server, seconds: float) -> None:
        """Its host is off for a while; what was below /run is gone then."""
        if not server.powered:
            return
        self.note(f"{server.name}: power off")
        server.powered, server.lease = False, {}
        self.stop(server)
        self.at(seconds, self.power_on, server)

    def power_on(self, server: Server) -> None:
        if not server.powered:
            server.powered, server.restarts = True, 0
            self.start(server, by_hand=True)

    def abdicate(self) -> None:
        """The leader loses its role, and its process goes on."""
        if self.leader:
            self.note(f"{self.leader.name} does not lead any more")
            self.leader.serving, self.leader.zxid = False, self.zxid - self.random.randrange(2)
            self.settle()
