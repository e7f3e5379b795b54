"""Who reaches the ports of Flink and of the quorum: from outside, from the machine that is declared, and from code on a member's host."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request

import cluster
import pytest
import workload

(OUTSIDE,) = cluster.group("outside")
MEMBERS = cluster.group("zookeeper")
MANAGERS, WORKERS = cluster.group("flink_jobmanager"), cluster.group("flink_taskmanager")
QUORUM, ELECTION = 2888, 3888
#: What Flink listens on, by the kind of its host.
PORTS = {
    **dict.fromkeys(MANAGERS, (8081, 6123, 6124, 6125)),
    **dict.fromkeys(WORKERS, (6121, 6122, 6126)),
}
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 4).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
"""


def connects(user, host, address, port):
    """open, or refused: what a process of a user gets on a host."""
    return cluster.shell(host, f"runuser -u {user} -- python3 -c '{CONNECT}' {address} {port}")


def listens(host, port):
    return bool(cluster.shell(host, f"ss -Hltn 'sport = :{port}'"))


def test_trap_65_no_port_of_flink_is_open_to_a_host_outside():
    for host, ports in PORTS.items():
        for port in ports:
            assert listens(host, port), f"{host} does not have {port}, so that a refusal tells nothing"
            assert connects("root", OUTSIDE, cluster.address(host), port) == "refused", (host, port)


def test_trap_65_the_machine_that_is_declared_reaches_rest_and_nothing_else():
    for host, ports in PORTS.items():
        for port in ports:
            if port == 8081:
                assert cluster.rest(host, port, "/overview")["taskmanagers"] == len(WORKERS)
            else:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection((cluster.address(host), port), 4)


def test_trap_65_the_clusters_hosts_reach_each_other_and_jobs_run():
    for host, ports in PORTS.items():
        for other in PORTS:
            for port in ports:
                assert connects("root", other, cluster.address(host), port) == "open", (other, host, port)
    job = workload.submit_job()
    workload.wait_for_checkpoint(job, 2)


def test_trap_66_nothing_but_the_member_itself_goes_to_the_quorums_ports():
    """Local or remote: a member's address lets its host in, and what runs there is not only the member."""
    leader = cluster.zookeeper_leader()
    for host in MEMBERS:
        for other in MEMBERS:
            for port in (ELECTION, *([QUORUM] if other == leader else [])):
                for user in ("flink", "nobody"):
                    assert connects(user, host, cluster.address(other), port) == "refused", (user, host, other, port)
                for user in ("zookeeper", "root"):
                    assert connects(user, host, cluster.address(other), port) == "open", (user, host, other, port)
    # What has no rule of its own is as it was.
    assert connects("flink", MEMBERS[0], cluster.address(MEMBERS[1]), 2181) == "open"
    assert connects("root", OUTSIDE, cluster.address(MEMBERS[0]), ELECTION) == "refused"


def test_trap_66_ipv6_is_covered():
    host = MEMBERS[0]
    # The member listens on its own address only.
    serve = 'import socket, time; s = socket.create_server(("::1", 3888), family=socket.AF_INET6); time.sleep(60)'
    cluster.shell(host, f"systemd-run --quiet --unit=lab-listener python3 -c '{serve}'")
    try:
        cluster.until("it listens", lambda: connects("root", host, "::1", ELECTION) == "open", 20)
        assert connects("flink", host, "::1", ELECTION) == "refused"
    finally:
        cluster.shell(host, "systemctl stop lab-listener")


def test_trap_66_the_ensemble_elects_and_serves():
    leader = cluster.zookeeper_leader()
    cluster.shell(leader, "systemctl restart zookeeper")
    cluster.until("all serve", lambda: sorted(map(cluster.mode, MEMBERS)) == ["follower", "follower", "leader"], 90)
    with cluster.session() as client:
        client.create("/test-doors", b"", ephemeral=True)


def test_both_stay_when_nftables_takes_all_tables_away():
    """Its unit does so when it is started or reloaded."""
    for host in MANAGERS:
        cluster.shell(host, "systemctl restart nftables")
        cluster.until("both are there", lambda host=host: tables(host) == ["streamquorum", "streamquorum_flink"], 20)
    assert connects("root", OUTSIDE, cluster.address(MANAGERS[0]), 8081) == "refused"
    assert connects("nobody", MANAGERS[0], cluster.address(MANAGERS[1]), ELECTION) == "refused"


def tables(host):
    return sorted(re.findall(r"^table inet (streamquorum\w*)$", cluster.shell(host, "nft list tables"), re.MULTILINE))


@pytest.mark.parametrize(("name", "playbook"), [("firewall", "zookeeper.yml"), ("flink-firewall", "flink.yml")])
def test_trap_70_rules_that_a_killed_run_wrote_and_did_not_load_are_loaded(name, playbook):
    host, written = MANAGERS[0], f"/etc/streamquorum/{name}.nft"
    wanted, right, other = cluster.shell(host, f"cat {written}"), loaded(host, name), cluster.address(MANAGERS[1])
    # As it stood before: another host was not in it yet.
    cluster.shell(host, f"cp {written} /root/wanted.nft; sed -i '/saddr/s/{other}/192.0.2.9/' {written}")
    cluster.shell(host, f"systemctl reload streamquorum-{name}; cp /root/wanted.nft {written}; rm /root/wanted.nft")
    assert loaded(host, name) != right
    code, output = cluster.playbook(f"playbooks/{playbook}")
    assert code == 0, output
    assert loaded(host, name) == right
    assert cluster.shell(host, f"cat {written}") == wanted
    code, output = cluster.playbook(f"playbooks/{playbook}")
    assert code == 0, output
    assert not re.search(r"changed=[1-9]", output), output


def loaded(host, name):
    table = {"firewall": "streamquorum", "flink-firewall": "streamquorum_flink"}[name]
    return cluster.shell(host, f"nft list chain inet {table} input")


def answer(host, path, data=None):
    try:
        with urllib.request.urlopen(f"http://{cluster.address(host)}:8081{path}", data=data, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_trap_64_without_the_upload_of_jars_jobs_still_come_in():
    """So it is no way of keeping strangers out."""
    assert answer(MANAGERS[0], "/jars") == 200
    code, output = cluster.playbook("playbooks/flink.yml", "-e", "flink_ha_web_submit=false")
    assert code == 0, output
    for host in MANAGERS:
        assert answer(host, "/jars") == 404
        # It asks for a job graph.
        assert answer(host, "/jobs", b"") == 400


def test_trap_65_the_firewall_of_one_is_taken_away_without_the_other():
    off = ("-e", "flink_ha_web_submit=false", "-e", "flink_ha_firewall=false")
    code, output = cluster.playbook("playbooks/flink.yml", *off)
    # A cluster that is there is warned, and goes on.
    assert code == 0, output
    assert "REST on port 8081 listens on 0.0.0.0" in output
    for host in MANAGERS:
        assert tables(host) == ["streamquorum"]
        cluster.shell(host, "test ! -e /etc/systemd/system/streamquorum-flink-firewall.service")
    assert connects("root", OUTSIDE, cluster.address(MANAGERS[0]), 8081) == "open"
    assert connects("flink", MEMBERS[0], cluster.address(MEMBERS[1]), ELECTION) == "refused"
