#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Device tap: an interface for each process, switched by a bridge of the kernel.
. "$(dirname "$0")/common.sh"

need_namespaces
[ -w /dev/net/tun ] || skip "no /dev/net/tun: modprobe tun"
namespace hub
ip -n "$hub" link add br0 type bridge forward_delay 0 nf_call_iptables 0 || skip "this kernel has no bridge"
ip -n "$hub" link set br0 up

timeout 150 ip netns exec "$hub" "$node" tap uptap%p 3 0 2 messages=3000 checksum=1 \
    linger_ms=500 >"$scratch/out" 2>&1 & run=$!
for p in 0 1 2; do # the interfaces appear when it starts
    tries=0
    until ip -n "$hub" link set "uptap$p" master br0 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat "$scratch/out"; fail "uptap$p does not appear"; }
        sleep 0.05
    done
done
wait $run || { cat "$scratch/out"; fail "the run"; }
cat "$scratch/out"
