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

# both DEVICE OPTIONS…: processes 0 and 1 in one namespace, 2 and 3 in the other.
both() {
    device=$1
    shift
    timeout 60 ip netns exec "$a" "$node" eal "$device" 4 0 1 "$@" >"$scratch/a" 2>&1 & first=$!
    timeout 60 ip netns exec "$b" "$node" eal 0 4 2 3 "$@" >"$scratch/b" 2>&1 & second=$!
}

finish() {
    wait $first || { cat "$scratch/a"; fail "p0, p1"; }
    wait $second || { cat "$scratch/b"; fail "p2, p3"; }
    cat "$scratch/a"
}

both net_af_packet0 eal=--vdev=net_af_packet0,iface=veth0 checksum=1
finish

# A port with as many queues each way: one transmit queue is shared, under a lock.
for ns in "$a" "$b"; do
    ip -n "$ns" link add br0 type bridge forward_delay 0 nf_call_iptables 0
    ip -n "$ns" link set br0 up
    ip -n "$ns" link set veth0 master br0
done
[ -w /dev/net/tun ] && [ "$(nproc)" -gt 1 ] || skip "the rest needs /dev/net/tun and two processors"
both net_tap0 eal=--vdev=net_tap0,iface=uptap threads=1 linger_ms=5000
for ns in "$a" "$b"; do
    tries=0
    until ip -n "$ns" link set uptap master br0 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat "$scratch/a"; fail "uptap does not appear"; }
        sleep 0.05
    done
done
finish

timeout 20 "$node" eal nonesuch 2 0 0 2>&1 | grep "DPDK has 0 ports" || fail "no such port"
