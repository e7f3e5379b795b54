#!/bin/sh
# Written by StreamQuorum. Prints a snapshot: zkSnapShotToolkit.sh [-d|-json] SNAPSHOT
set -eu
. "$(dirname -- "$(readlink -f -- "$0")")/zkEnv.sh"
run_client org.apache.zookeeper.server.SnapshotFormatter "$@"
