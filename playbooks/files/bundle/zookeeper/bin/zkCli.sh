#!/bin/sh
# Written by StreamQuorum. A ZooKeeper shell: zkCli.sh [-server HOST:PORT] [COMMAND]
set -eu
. "$(dirname -- "$(readlink -f -- "$0")")/zkEnv.sh"
run_client org.apache.zookeeper.ZooKeeperMain "$@"
