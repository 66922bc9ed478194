#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Device null: endless zero frames are rejected, counted as no IPv4, and none is delivered.
. "$(dirname "$0")/common.sh"

timeout 150 "$node" null "" 3 0 2 incomplete=1 timeout_ms=200 >"$scratch/out" || fail "the run"
cat "$scratch/out"
[ "$(counter drop_not_ip "$scratch/out")" -gt 100000 ] || fail "rejects are counted"
[ "$(counter rx_frames "$scratch/out")" = 0 ] || fail "a zero frame got through"
