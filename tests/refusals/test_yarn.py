"""A session on YARN that cannot be is refused before the first change: by real runs, against ResourceManagers that answer."""

from __future__ import annotations

import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from .outcome import refused, some

PLAYBOOK = "playbooks/flink.yml"
RECORDED = Path(__file__).parents[1] / "fixtures/yarn/3.4.2"


@pytest.fixture
def resource_manager():
    """host:port of one that answers as it was recorded."""
    names = {"info": "info.active.json", "scheduler": "scheduler.json", "conf": "conf.xml", "apps": "apps.none.json"}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.partition("?")[0].rpartition("/")[2]
            self.send_response(200)
            self.end_headers()
            self.wfile.write((RECORDED / names[name]).read_bytes())

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site():
    """yarn-site.xml beside Hadoop's client: not below /tmp, which is refused."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "yarn-site.xml"


@pytest.fixture
def yarn(inventory, tmp_path, resource_manager, site):
    """The good inventory with a session that two names of this machine start; a test breaks one thing."""
    (site.parent / "client.jar").touch()
    site.write_text(
        "<configuration><property><name>yarn.resourcemanager.webapp.address</name>"
        f"<value>{resource_manager}</value></property></configuration>"
    )
    inventory["all"]["children"] |= {"flink_client": {"hosts": {"c1": {}, "c2": {}}}}
    inventory["all"]["vars"] |= {
        "flink_ha_deployment": "yarn",
        "flink_ha_yarn_name": "orders",
        "flink_ha_zookeeper_quorum": "127.0.0.1:2181",
        "flink_ha_rest_open": True,
        "flink_ha_storage_dir": "hdfs://nameservice/flink",
        "flink_ha_hadoop_classpath": f"{site.parent}/client.jar",
        "flink_ha_hadoop_conf_dir": str(site.parent),
        "flink_ha_archive_sha512": "0" * 128,
        "flink_ha_config_dir": str(tmp_path / "flink"),
    }
    return inventory


CASES = {
    "a cluster-id": (
        {"flink_ha_cluster_id": "/orders"},
        ["flink_ha_cluster_id is /orders, and flink_ha_deployment is yarn"],
    ),
    "no name": ({"flink_ha_yarn_name": ""}, ["flink_ha_yarn_name is missing"]),
    "attempts above the cap": (
        {"flink_ha_yarn_application_attempts": 5},
        ["the ResourceManager that runs has yarn.resourcemanager.am.max-attempts 4", "am.global.max-attempts</name>"],
    ),
    "an open REST that nobody has said": (
        {"flink_ha_rest_open": False},
        ["whoever reaches it runs code as flink", "flink_ha_rest_open: true"],
    ),
    "a queue that is not there": (
        {"flink_ha_yarn_queue": "nowhere"},
        ["flink_ha_yarn_queue is nowhere, and YARN has no such queue: it has default, root"],
    ),
    "a directory as storage": (
        {"flink_ha_storage_dir": "file:///mnt/flink", "flink_ha_storage_shared": True},
        ["flink_ha_storage_dir is file:///mnt/flink, a path of each host for itself, and YARN may start"],
    ),
    "what is standalone": (
        {"flink_ha_firewall": True, "flink_ha_internal_tls": True},
        ["flink_ha_firewall is set, and an application on YARN has nothing of it", "flink_ha_internal_tls is set"],
    ),
    "a principal of another name than the user's": (
        {"flink_ha_zookeeper_auth": "kerberos", "kerberos_realm": "X", "flink_ha_principal": "streams@X"},
        ["flink_ha_principal is streams@X, and flink_ha_user is flink", "Set flink_ha_user: streams"],
    ),
    "a job without a sum, and its id among the options": (
        {
            "flink_ha_yarn_job": {"jar": "/srv/orders.jar", "class": "Orders"},
            "flink_ha_config_extra": {"$internal.pipeline.job-id": "00"},
        },
        ["flink_ha_yarn_job: /srv/orders.jar has no sha512", "so the same directory of checkpoints"],
    ),
    "a job with a key that is none": (
        {"flink_ha_yarn_job": {"jar": "/srv/orders.jar", "sha512": "0" * 128, "parallelism": 4}},
        ["flink_ha_yarn_job", "parallelism"],
    ),
    "another deployment": (
        {"flink_ha_deployment": "kubernetes"},
        ["flink_ha_deployment", "standalone, yarn"],
    ),
    "the group of the other deployment": (
        {"flink_ha_deployment": "standalone", "flink_ha_cluster_id": "/orders"},
        ["c1: is in the group flink_client, and flink_ha_deployment is standalone"],
    ),
}


@pytest.mark.parametrize("case", some(CASES))
def test_a_wrong_input_is_refused(run, yarn, case):
    changes, words = CASES[case]
    yarn["all"]["vars"] |= changes
    refused(run(yarn, playbook=PLAYBOOK), *words)


def test_yarn_without_a_host_that_starts_it_is_refused(run, yarn):
    yarn["all"]["children"]["flink_client"]["hosts"] = {}
    refused(run(yarn, playbook=PLAYBOOK), "flink_ha_deployment is yarn, and the group flink_client has no host")


def test_a_resource_manager_that_does_not_answer_is_refused(run, yarn, site):
    site.write_text(site.read_text().replace("127.0.0.1:", "127.0.0.1:1"))
    refused(run(yarn, playbook=PLAYBOOK), "no ResourceManager that is active answers", "so nothing is done")
    site.write_text("<configuration/>")
    refused(run(yarn, playbook=PLAYBOOK), "yarn-site.xml names no ResourceManager")


def test_a_limit_that_leaves_a_client_host_out_is_refused(run, yarn):
    refused(run(yarn, "--limit", "c1", playbook=PLAYBOOK), "--limit leaves out c2, from which the application orders")
