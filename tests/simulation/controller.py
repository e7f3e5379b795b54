"""Runs: what a controller does around `next_step`, and the one action on the host, as the playbooks have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.quorum import survives
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling import lease as leases
from ansible_collections.streamquorum.ha.plugins.module_utils.rolling.decisions import (
    DONE,
    DOWN,
    READY,
    STOP,
    UNREACHABLE,
    UNREADY,
    WAIT,
    Member,
    Policy,
    View,
    next_step,
    stop_refusal,
)
from simulation.world import CRASH, LEASE_SECONDS, InvariantError, Process, Server, World

#: How long a run waits for a member to serve, and the step on the host for its port, in seconds.
WAIT_SECONDS, LISTEN_SECONDS = 40.0, 20.0
POLL_SECONDS = 2.0
#: How often in a row a run finds that a step was overtaken before it stops.
OVERTAKEN = 12
OK, MOVED, CLOSED, REFUSED, FAILED, LOST = "ok", "moved", "closed", "refused", "failed", "lost"


@dataclass(frozen=True)
class Defences:
    """What keeps the invariants; tests take them out one by one.

    gate: `tolerates_loss` and the switches of the policy decide, and the host asks the others once more.
    reread: who leads is read before each step, and once more on the host.
    digest: a member that runs what is desired is passed over.
    swap: the step is for the process that was decided on.
    lock: leases are given to one run only, and the host of the member looks at its own.
    kept: a lease that somebody else has had in between does not count as renewed.
    own_lease: the host of a member has this run's lease, and it lasts for the step; else one that names nobody suffices.
    guarded_back: a member is taken back only while it does not serve.
    proof: what served last is what was seen to serve; else it is guessed from the links and systemd's restarts.
    """

    gate: bool = True
    reread: bool = True
    digest: bool = True
    swap: bool = True
    lock: bool = True
    kept: bool = True
    own_lease: bool = True
    guarded_back: bool = True
    proof: bool = True


@dataclass(frozen=True)
class Order:
    """What a step on a host is asked to do. `mode`: what the member was when it was decided on; `back`: to what served before."""

    run: Run
    generation: str
    process: str
    mode: str
    back: bool = False
    unseen: frozenset[str] = frozenset()


@dataclass
class Faults:
    """How often something goes wrong for controllers, as probabilities; all 0 when faults are over."""

    late: float = 0.0
    lost: float = 0.0
    dies: float = 0.0
    stands: float = 0.0


class _Always(Member):
    """A member without a digest that counts."""

    @property
    def pending(self) -> bool:
        return True


class Run:
    """One run of a playbook.

    Args:
        world: the model.
        name: id of the run.
        host: the controller it runs on; runs of one host know which of them are dead.
        desired: generation for all members.
        policy: what the operator allows.
        faults: shared by all runs of the history.
        force: the operator wants every process restarted that runs now.
        fresh: what runs on the hosts is read before each step; else at the start, and from the replies of the steps.
        defences: all of them, but for a mutation.
    """

    def __init__(
        self,
        world: World,
        name: str,
        host: str,
        desired: str,
        policy: Policy,
        faults: Faults,
        *,
        force: bool = False,
        fresh: bool = False,
        defences: Defences = Defences(),  # noqa: B008 - frozen
    ) -> None:
        self.world = world
        self.name = name
        self.host = host
        self.desired = desired
        self.policy = policy
        self.faults = faults
        self.force = force
        self.fresh = fresh
        self.defences = defences
        self.alive = True
        self.outcome = ""
        self.reason = ""
        #: Its controller is suspended once: in which of its steps, where in it, for how long.
        self.suspended = (0, "", 0.0)
        self.asked: dict[str, str] = {}
        self.tried: set[str] = set()
        self.waited: set[str] = set()
        self.touched: dict[str, int] = {}
        self._first_leader: str | None = None
        self._overtaken = 0
        self._known: dict[str, tuple[str, str, bool]] = {}
        self.holder = {
            **dict.fromkeys(leases.HOLDER, ""),
            "run": name,
            "host": host,
            "machine": host,
            "pid": int(name[1:]) + 1,
            "started": name,
        }
        self._acting = policy
        if not defences.gate:
            self._acting = replace(
                policy, tolerates_loss=lambda members, down: "", accept_members_down=True, accept_outage=True
            )

    def begin(self, living: Callable[[], dict[int, str]], delay: float = 0.0) -> None:
        """Starts it; `living` has the start times of the processes of its host, by pid."""
        self._living = living
        self._process = self._life()
        self.world.at(delay, self._resume)

    def _resume(self) -> None:
        if not self.alive:
            return
        faults, choose = self.faults, self.world.random.random
        if faults.dies and choose() < faults.dies:
            self.kill()
            return
        delay = next(self._process, None)
        if delay is None:
            self.alive = False
            self.world.note(f"{self.name} ends: {self.outcome} {self.reason}")
            return
        if faults.stands and choose() < faults.stands:
            delay += self.world.random.choice((5.0, 30.0, LEASE_SECONDS - 1.0, 3.0 * LEASE_SECONDS))
        self.world.at(delay, self._resume)

    def kill(self) -> None:
        """Its process dies; what it has sent goes on."""
        if self.alive:
            self.world.note(f"{self.name} is killed")
            self.alive, self.outcome = False, "killed"

    # The lock

    def _reaches(self, server: Server) -> bool:
        return server.powered and server.cut.get(self.host, 0.0) <= self.world.time

    def _lease(self, server: Server, renewal: bool) -> bool:
        """One host gives its lease, or not."""
        if not self._reaches(server):
            return False
        now, held = self.world.time + server.offset, server.lease
        kept = leases.kept(held, self.holder) or not (renewal and self.defences.kept and self.defences.lock)
        if self.defences.lock and not leases.grants(held, self.holder, now):
            dead = [held["run"]] if leases.is_dead(held, self.holder, self._living()) else []
            if not leases.grants(held, self.holder, now, dead):
                return False
        if kept:
            server.lease = leases.lease(self.holder, now, LEASE_SECONDS)
        return kept

    def _lock(self) -> str:
        """Why the lock is not to be had; empty where it is."""
        hosts = self.world.servers if self.defences.own_lease else self.world.voters
        return self._won({server.name for server in hosts if self._lease(server, renewal=False)})

    def _renew(self, own: Sequence[str]) -> str:
        """Why the lock is not held any more; empty while it is. Asked is just a majority, and the others where it is none."""
        voters = [server.name for server in self.world.voters]
        first = leases.asked_first(voters, own)
        granted = self._granted(first)
        if leases.won([*granted, *own], voters):
            return ""
        return self._won(granted | self._granted([name for name in voters if name not in first]))

    def _granted(self, names: Sequence[str]) -> set[str]:
        return {each.name for each in self.world.servers if each.name in names and self._lease(each, renewal=True)}

    def _won(self, granted: set[str]) -> str:
        if leases.won(granted, [server.name for server in self.world.voters]):
            return ""
        return f"its lease is held on {len(granted)} hosts only"

    def _release(self) -> None:
        for server in self.world.servers:
            if self._reaches(server) and server.lease and server.lease["run"] == self.name:
                server.lease = {}

    # Reading

    def _read(self) -> list[Member]:
        """Each reply may be late or lost; facts of the host and what the member says come from two questions."""
        self._look()
        faults, choose = self.faults, self.world.random.random
        members = []
        kind = Member if self.defences.digest else _Always
        for server in self.world.servers:
            serves, leads = server.now[:2]
            running, process, ends = self._known[server.name]
            if faults.late and choose() < faults.late:
                serves, leads = server.before[:2]
            if faults.lost and choose() < faults.lost:
                serves = leads = False
            state = READY if serves and process else UNREADY if process and not ends else DOWN
            leads = leads and state == READY
            if not self._reaches(server):
                state, leads, running, process = UNREACHABLE, False, "", ""
            members.append(
                kind(
                    server.name,
                    server.id,
                    state,
                    running,
                    self.desired,
                    server.votes,
                    leads,
                    process,
                    self.asked.get(server.name, ""),
                )
            )
        if self.force and not self.asked:
            self.asked = {member.name: member.process for member in members}
            members = [replace(member, restart_asked=member.process) for member in members]
        if not self.defences.reread:
            leaders = [member.name for member in members if member.leads]
            if self._first_leader is None and leaders:
                self._first_leader = leaders[0]
            members = [replace(member, leads=member.name == self._first_leader) for member in members]
        return members

    def _look(self) -> None:
        """What runs on the hosts that are reached."""
        for server in self.world.servers:
            late = self.faults.late and self.world.random.random() < self.faults.late
            if self.fresh or server.name not in self._known:
                self.learn(server, server.before if late else server.now)

    def learn(self, server: Server, facts: tuple[bool, bool, str, str, bool]) -> None:
        """What a host says of the process that it runs."""
        self._known[server.name] = facts[2:]

    def _view(self, members: list[Member]) -> View:
        down = {member.id for member in members if not member.ready}
        serves = any(member.leads for member in members) and survives(members, down)
        self.waited -= {member.name for member in members if member.ready}
        return View(members, serves, waited=self.waited, tried=self.tried)

    # Acting

    def _stop(self, reason: str) -> None:
        self.outcome, self.reason = STOP, reason
        self._release()

    def _life(self) -> Process:
        random = self.world.random
        yield random.uniform(1.0, 4.0)
        if problem := self._lock():
            self._stop(f"the lock is not to be had: {problem}")
            return
        acts = 0
        for _turn in range(200):
            yield random.uniform(0.2, 1.0)
            members = self._read()
            yield random.uniform(0.2, 1.5)
            step = next_step(self._view(members), self._acting)
            self.world.note(f"{self.name}: {step.kind} {' '.join(step.members)} ({step.reason})")
            if step.kind == DONE:
                self.outcome = DONE
                self._release()
                return
            if step.kind == STOP:
                self._stop(step.reason)
                return
            seen = {member.name: member for member in members}
            if step.kind == WAIT:
                if not (yield from self._await(step.members)):
                    self.waited.update(step.members)
                continue
            acts += 1
            if self.suspended[:2] == (acts, "before the lock"):
                yield self.suspended[2]
            if lost := self._renew(step.members):
                self._stop(f"the lock is lost: {lost}")
                return
            yield self.suspended[2] if self.suspended[:2] == (acts, "before the step") else random.uniform(0.2, 1.5)
            problem = yield from self._act(step.kind, [seen[name] for name in step.members], members)
            if problem:
                self._stop(problem)
                return
        self._stop("it does not come to an end")

    def _act(self, kind: str, targets: list[Member], members: list[Member]) -> Any:
        """Sends the orders, takes the replies, waits until what was restarted serves. Why the run stops, if it does."""
        world = self.world
        replies: dict[str, str] = {}
        unseen = frozenset(member.name for member in members if member.state == UNREACHABLE)
        for target in targets:
            mode = ""
            if target.ready:
                mode = "leader" if target.leads else "follower" if target.votes else "observer"
            order = Order(self, self.desired, target.process, mode, unseen=unseen)
            self._send(world.names[target.name], order, replies)
        deadline = world.time + LISTEN_SECONDS + 30.0
        while len(replies) < len(targets) and world.time < deadline:
            yield POLL_SECONDS
        if len(replies) < len(targets):
            return "no reply from the host of the step"
        yield 0.1
        for verdict in (REFUSED, FAILED):
            names = [name for name, reply in replies.items() if reply == verdict]
            if names:
                return f"{', '.join(names)}: {verdict}"
        done = tuple(name for name, reply in replies.items() if reply == OK)
        self.tried.update(done)
        self._overtaken = 0 if done else self._overtaken + 1
        if self._overtaken > OVERTAKEN:
            return f"the steps are overtaken again and again ({kind} {targets[0].name})"
        if not done:
            return ""
        if (yield from self._await(done)):
            for name in done:
                if self.defences.proof and self._reaches(world.names[name]):
                    world.names[name].served = self.desired
            return ""
        return (yield from self._take_back(done))

    def _take_back(self, names: tuple[str, ...]) -> Any:
        """What listens and never serves goes back to what served before."""
        replies: dict[str, str] = {}
        sent = 0
        for name in names:
            server = self.world.names[name]
            self._send(server, Order(self, self.desired, self._known[name][1], "", back=True), replies)
            sent += 1
        deadline = self.world.time + LISTEN_SECONDS + 30.0
        while len(replies) < sent and self.world.time < deadline:
            yield POLL_SECONDS
        return f"{', '.join(names)} did not come to serve; switched back: {sorted(replies.items())}"

    def _await(self, names: tuple[str, ...]) -> Any:
        """Whether they all come to serve, and lead where nobody did, in time."""
        deadline = self.world.time + WAIT_SECONDS
        while True:
            yield POLL_SECONDS
            members = self._read()
            if all(member.ready for member in members if member.name in names) and any(
                member.leads for member in members
            ):
                return True
            if self.world.time >= deadline:
                return False

    def _send(self, server: Server, order: Order, replies: dict[str, str]) -> None:
        """The order travels; what carries it out on the host lives on when the controller dies."""
        random = self.world.random
        if not self._reaches(server):
            replies[server.name] = FAILED
            return
        self.world.at(random.uniform(0.1, 1.0), self._arrive, server, order, replies)

    def _arrive(self, server: Server, order: Order, replies: dict[str, str]) -> None:
        # A controller that is killed while its order travels: half of them arrive nevertheless.
        if not server.powered or (not self.alive and self.world.random.random() < 0.5):
            return
        OnHost(self.world, server, order, replies).begin()


class OnHost:
    """The action on the host of the member: checked once more, switched, restarted, and switched back in need."""

    def __init__(self, world: World, server: Server, order: Order, replies: dict[str, str]) -> None:
        self.world = world
        self.server = server
        self.order = order
        self._replies = replies

    def _reply(self, outcome: str) -> None:
        self.order.run.learn(self.server, self.server.now)
        self.world.note(f"{self.server.name}: step of {self.order.run.name}: {outcome}")
        self._replies[self.server.name] = outcome

    def begin(self) -> None:
        """The lease of this host, the process, what the others say; then the restart."""
        world, server, order = self.world, self.server, self.order
        defences = order.run.defences
        if defences.lock and not self._mine():
            self._reply(REFUSED)
        elif defences.swap and server.now[3] != order.process:
            self._reply(MOVED)
        else:
            gap = world.random.uniform(0.0, 2.0) if defences.gate else 0.0
            world.at(gap, self._guarded)

    def _mine(self) -> bool:
        """The lease of this host lets this run act; it is renewed first where it is still this run's."""
        held, now = self.server.lease, self.world.time + self.server.offset
        run = self.order.run
        if leases.kept(held, run.holder) or (not run.defences.kept and leases.grants(held, run.holder, now)):
            held = self.server.lease = leases.lease(run.holder, now, LEASE_SECONDS)
        if not self.order.run.defences.own_lease:
            return not held or held["run"] == self.order.run.name
        return not leases.forbids(held, self.order.run.name, now)

    def _guarded(self) -> None:
        world, server, order = self.world, self.server, self.order
        defences = order.run.defences
        if not server.powered:
            return
        if defences.gate and (defences.guarded_back or not order.back):
            lost = order.run.faults.lost
            modes = {
                other.id: world.mode(other)
                for other in world.servers
                if other is server or not lost or world.random.random() >= lost
            }
            expected = order.mode if defences.reread else world.mode(server)
            if stop_refusal(world.servers, modes, server.id, expected, order.run.policy.accept_members_down):
                self._reply(CLOSED)
                return
        self._switch()

    def _switch(self) -> None:
        world, server, order = self.world, self.server, self.order
        served = self._served()
        if order.back and served == order.generation:
            self._reply(OK)
            return
        generation = served if order.back else order.generation
        judge(world, server, order)
        if not order.back:
            server.previous = server.served = served
        server.current = generation
        if server.up:
            world.stop(server)
        world.start(server, by_hand=True)
        crashes = world.broken.get(generation) == CRASH
        world.at(world.random.uniform(0.5, 3.0), self._listens, server.process, crashes)

    def _served(self) -> str:
        """What served last, as far as the host knows."""
        server, generation = self.server, self.order.generation
        if self.order.run.defences.proof:
            return server.running if self.order.mode else server.served
        unproved = server.current == generation or (server.restarts > 0 and server.previous != "")
        return server.previous if unproved or self.order.back else server.current

    def _listens(self, process: str, crashes: bool) -> None:
        world, server = self.world, self.server
        if not server.powered:
            return
        if not crashes and server.process == process:
            self._reply(OK)
            return
        if server.served != self.order.generation:
            server.current = server.served
            if server.up:
                world.stop(server)
            world.start(server, by_hand=True)
        self._reply(FAILED)


def judge(world: World, server: Server, order: Order) -> None:
    """The invariants that a step of ours can break, at the moment when it stops the process."""
    run = order.run
    if not world.actors or world.actors[-1] != run.name:
        if run.name in world.actors:
            raise InvariantError("I6", f"{run.name} acts on {server.name} after {world.actors[-1]} did")
        world.actors.append(run.name)
    if not order.back:
        run.touched[server.name] = run.touched.get(server.name, 0) + 1
        if run.touched[server.name] > 1:
            raise InvariantError("I3", f"{run.name} restarts {server.name} a second time")
    if not server.serving:
        return
    if order.back:
        raise InvariantError("I3", f"{run.name} takes {server.name} back, which serves")
    if server.votes and not run.policy.accept_outage:
        gone = {other.id for other in world.servers if not other.serving} | {server.id}
        if not survives(world.servers, gone):
            raise InvariantError(
                "I1", f"{run.name} restarts {server.name}: {world.serving_voters() - 1} voters are left"
            )
    if server is world.leader:
        for other in world.voters:
            if other is not server and other.serving and other.name not in order.unseen and needs(run, other):
                raise InvariantError("I2", f"{run.name} restarts the leader {server.name} before {other.name}")
    if not needs(run, server):
        raise InvariantError("I3", f"{run.name} restarts {server.name}, which runs {run.desired} and serves")


def needs(run: Run, server: Server) -> bool:
    """In truth, whatever was read."""
    return server.running != run.desired or run.asked.get(server.name, "") == server.process != ""
