# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the device tests: scratch folder, namespaces that vanish with the test, skipping.
set -eu
node=$1
scratch=$(mktemp -d)
namespaces=

skip() { echo "SKIPPED: $*"; exit 77; }
fail() { echo "FAILED: $*"; exit 1; }

cleanup() {
    status=$?
    for ns in $namespaces; do ip netns del "$ns" 2>/dev/null || true; done
    rm -rf "$scratch"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# namespace NAME: a network namespace of our own, called $NAME from then on.
namespace() {
    ns=up$$-$1
    ip netns add "$ns" || fail "ip netns add $ns"
    namespaces="$namespaces $ns"
    eval "$1=$ns"
    ip -n "$ns" link set lo up
    # Validation by the bridge would keep the worst garbage from us.
    ip netns exec "$ns" sh -c 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables' 2>/dev/null || true
}

need_namespaces() {
    command -v ip >/dev/null || skip "no ip command: apt-get install iproute2"
    [ "$(id -u)" = 0 ] || skip "network namespaces need root: run the tests with sudo"
    ip netns add "up$$-probe" 2>/dev/null || skip "this kernel makes no network namespaces"
    ip netns del "up$$-probe"
}

# counter NAME FILE: its value in a node's output, 0 if it is not there.
counter() { awk -v c="$1" '$1 == c { n = $2 } END { print n + 0 }' "$2"; }
