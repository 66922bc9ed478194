#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Device af_packet: processes in network namespaces of their own, on veths to a bridge in another,
# while a stranger on the same bridge sends garbage. What the stranger sends is counted by its
# cause, and the deliveries are as if it were not there.
. "$(dirname "$0")/common.sh"

need_namespaces
namespace hub
ip -n "$hub" link add br0 type bridge forward_delay 0 nf_call_iptables 0 || skip "this kernel has no bridge"
ip -n "$hub" link set br0 up

# member NAME IFACE: a namespace with an interface on the bridge.
member() {
    namespace "$1"
    ip -n "$hub" link add "to-$1" type veth peer name "$2" netns "$ns"
    ip -n "$hub" link set "to-$1" master br0 up
    ip -n "$ns" link set "$2" up
}
member a veth0
member b veth1
member c stranger

start() { # start NAMESPACE RANK LINGER…
    where=$1 rank=$2
    shift 2
    exec timeout 150 ip netns exec "$where" "$node" af_packet veth%p 2 "$rank" "$rank" \
        messages=5000 "$@" >"$scratch/p$rank" 2>&1
}

# Alone first: namespaces apart, checksums computed and verified.
start "$a" 0 checksum=1 & p0=$!
(start "$b" 1 checksum=1) || { cat "$scratch/p1"; fail "p1"; }
wait $p0 || { cat "$scratch/p0"; fail "p0"; }
cat "$scratch/p0"

# Then with the stranger: noise while they work; while they linger, each kind of garbage by itself.
garbage() { exec ip netns exec "$c" python3 "$(dirname "$0")/garbage.py" stranger "$@"; }
garbage noise 0x55504F4E & noise=$!
start "$a" 0 messages=60000 linger_ms=100000 & p0=$!
start "$b" 1 messages=60000 linger_ms=100000 & p1=$!
sleep 2
kill $noise
(garbage judge "$(pgrep -P $p0)" "$scratch/p0" 60000) || { tail -40 "$scratch/p0"; fail "garbage.py"; }
kill -TERM $p0 $p1
wait $p0 || { cat "$scratch/p0"; fail "p0 among garbage"; }
wait $p1 || { cat "$scratch/p1"; fail "p1 among garbage"; }
sed -n '/^af_packet/,$p' "$scratch/p0"

timeout 150 "$node" af_packet "nonesuch%p" 2 0 0 2>&1 | grep "ip link add" || fail "no interface"
ip -n "$a" link set veth0 down
timeout 150 ip netns exec "$a" "$node" af_packet veth%p 2 0 0 2>&1 |
    grep "interface veth0 is down: ip link set veth0 up" || fail "an interface that is down"
