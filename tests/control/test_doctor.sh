#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# upon doctor: a shortcoming has a command to paste, one that is none has none, and where this very
# test can run a run is possible.
out=$("$1" doctor) || { echo "$out"; echo "FAILED: status $?"; exit 1; }
echo "$out"
echo "$out" | awk '
    /^(--|NO) / { if (open) bad = 1; open = 1; next }
    /^      \$ ./ { if (!open) bad = 1; open = 0; next }
    /^ok / { if (open) bad = 1; seen++; next }
    END { exit bad || open || seen == 0 }' || { echo "FAILED: lines and remedies"; exit 1; }
for name in processors isolation TSC memory hugepages memlock kernel DPDK io_uring rights interfaces; do
    echo "$out" | grep -q "^..  $name " || { echo "FAILED: no line on $name"; exit 1; }
done
for nonsense in --nonsense extra; do
    "$1" doctor $nonsense 2>/dev/null
    status=$?
    [ $status = 2 ] || { echo "FAILED: doctor $nonsense ends with status $status"; exit 1; }
done
exit 0
