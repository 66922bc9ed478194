#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Device pcap: what is sent is captured, and dissects with right lengths and checksums.
. "$(dirname "$0")/common.sh"

command -v tshark >/dev/null || skip "no tshark: apt-get install tshark"

# check OPTIONS…: run, then every frame captured is a good UDP datagram.
check() {
    timeout 150 "$node" pcap "$scratch/p%p.pcap" 3 0 2 "$@" >"$scratch/out" || fail "$*"
    cat "$scratch/out"
    frames=0
    for p in 0 1 2; do
        bad=$(tshark -n -r "$scratch/p$p.pcap" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE \
            -Y '_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0 || !data' \
            2>/dev/null | head -3)
        [ -z "$bad" ] || fail "p$p: $bad"
        frames=$((frames + $(tshark -n -r "$scratch/p$p.pcap" 2>/dev/null | wc -l)))
    done
    [ "$frames" = "$(counter tx_frames "$scratch/out")" ] || fail "$frames frames captured"
}

check messages=200
check messages=200 bytes=88 # datagrams of 148 bytes, as WireGuard's first is
check messages=200 checksum=1
check messages=100 bytes=1001 checksum=1
check messages=50 bytes=8001 mtu=9000 checksum=1 # bodies are shared: chains of segments
