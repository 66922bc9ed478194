#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Device eal: ports given to EAL, shared by two processes on each side of a wire. They cannot steer,
# so one process hands the other its frames; also with a thread for each.
. "$(dirname "$0")/common.sh"

need_namespaces
namespace a
namespace b
ip -n "$a" link add veth0 type veth peer name veth0 netns "$b" || skip "this kernel has no veth"
ip -n "$a" link set veth0 up
ip -n "$b" link set veth0 up

# both OPTIONS…: processes 0 and 1 in one namespace, 2 and 3 in the other.
both() {
    timeout 150 ip netns exec "$a" "$node" eal net_af_packet0 4 0 1 \
        eal=--vdev=net_af_packet0,iface=veth0 "$@" >"$scratch/a" 2>&1 & first=$!
    timeout 150 ip netns exec "$b" "$node" eal 0 4 2 3 \
        eal=--vdev=net_af_packet0,iface=veth0 "$@" >"$scratch/b" 2>&1 & second=$!
    wait $first || { cat "$scratch/a"; fail "p0, p1"; }
    wait $second || { cat "$scratch/b"; fail "p2, p3"; }
    cat "$scratch/a"
}

both checksum=1
if [ "$(nproc)" -gt 1 ]; then
    both threads=1 linger_ms=3000 # the one transmit queue is shared under a lock
fi

# A port for each process: all live here, and every frame crosses the wire between the two.
namespace c
ip -n "$c" link add veth0 type veth peer name veth1
ip -n "$c" link set veth0 up
ip -n "$c" link set veth1 up
timeout 150 ip netns exec "$c" "$node" eal net_af_packet%p 2 0 1 checksum=1 \
    eal=--vdev=net_af_packet0,iface=veth0 eal=--vdev=net_af_packet1,iface=veth1 \
    >"$scratch/c" 2>&1 || { cat "$scratch/c"; fail "a port each"; }
cat "$scratch/c"
frames=$(ip netns exec "$c" cat /sys/class/net/veth0/statistics/tx_packets)
[ "$frames" -gt 100 ] || fail "$frames frames crossed"

timeout 150 "$node" eal nonesuch 2 0 0 2>&1 | grep "DPDK has 0 ports" || fail "no such port"
