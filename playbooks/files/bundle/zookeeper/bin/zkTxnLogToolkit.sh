#!/bin/sh
# Written by StreamQuorum. Prints, checks and mends a transaction log: zkTxnLogToolkit.sh [-dhrvy] LOG
set -eu
. "$(dirname -- "$(readlink -f -- "$0")")/zkEnv.sh"
run_client org.apache.zookeeper.server.persistence.TxnLogToolkit "$@"
