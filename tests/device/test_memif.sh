#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Device memif: every message once, between OS processes and within one; a missing peer is named.
. "$(dirname "$0")/common.sh"

# Whoever is done first goes on acknowledging for a while: the others are slow under a sanitizer.
run() { timeout 150 "$node" memif "$scratch" "$@" linger_ms=3000; }

run 2 0 0 bytes=64 >"$scratch/p0" 2>&1 & p0=$!
run 2 1 1 bytes=64 >"$scratch/p1" 2>&1 || { cat "$scratch/p1"; fail "p1"; }
wait $p0 || { cat "$scratch/p0"; fail "p0"; }
cat "$scratch/p0" "$scratch/p1"

run 3 0 0 bytes=4000 mtu=5000 checksum=1 >"$scratch/p0" 2>&1 & p0=$!
run 3 1 2 bytes=4000 mtu=5000 checksum=1 >"$scratch/p1" 2>&1 || { cat "$scratch/p1"; fail "p1, p2"; }
wait $p0 || { cat "$scratch/p0"; fail "p0"; }
cat "$scratch/p0" "$scratch/p1"

timeout 150 "$node" memif "$scratch/none" 2 0 0 2>&1 | grep "is no folder" || fail "the folder"
