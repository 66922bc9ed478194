/* SPDX-License-Identifier: BSD-3-Clause */
/* A topology: where each process lives on the wire, as a file says it. */
#ifndef UPON_TOPOLOGY_H
#define UPON_TOPOLOGY_H

#include "dataplane/fabric.h"

/*
 * Read `path`: a line for each process that has other addresses than its own by default,
 *
 *     p0 192.0.2.10 02:00:00:00:00:0a 21000     # rank, IPv4, MAC, UDP port
 *
 * of which the port, or it and the MAC, may be missing. Fills `addr`, `n` of them: what the file does
 * not say is as it is by default (wire_headers.h), a MAC zero, for which fabric_address() takes the
 * interface's. 0, or −errno with one sentence in `why`, which names file and line. Any thread.
 */
int topology_read(const char *path, uint16_t n, struct fabric_addr *addr, char *why,
                  size_t why_size);

#endif
