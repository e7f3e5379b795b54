# Written by StreamQuorum; sourced by the commands beside it. Sets JAVA, CLASSPATH and the options of a client.
#
# The service does not read this file: its unit starts Java itself. An operator may set, as with the scripts of the
# official archive: JAVA_HOME, CLIENT_JVMFLAGS (TLS and SASL of a client), ZK_CLIENT_HEAP (MB), ZOOCFGDIR.

ZOO_HOME=$(CDPATH='' cd -P -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd -P)
ZOOCFGDIR=${ZOOCFGDIR:-$ZOO_HOME/conf}

if [ -n "${JAVA_HOME:-}" ]; then
    JAVA=$JAVA_HOME/bin/java
else
    JAVA=java
fi
if ! command -v -- "$JAVA" > /dev/null 2>&1; then
    echo "$0: no Java at $JAVA. Install one, or set JAVA_HOME." >&2
    exit 1
fi

# Our own logging comes first: the service's would write a client's messages into the service's log.
CLASSPATH=$ZOO_HOME/conf:$ZOOCFGDIR:$ZOO_HOME/lib/*
export CLASSPATH

# runs a class of ZooKeeper as a client's command
run_client() {
    # CLIENT_JVMFLAGS holds several options: it is meant to be split.
    # shellcheck disable=SC2086
    exec "$JAVA" "-Xmx${ZK_CLIENT_HEAP:-256}m" ${CLIENT_JVMFLAGS:-} "$@"
}
