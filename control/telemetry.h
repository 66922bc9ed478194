/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The figures of a run as endpoints of DPDK's telemetry, off unless the job asks for it:
 *
 *     /upon/info              what runs, how far it is, who lives in this OS process
 *     /upon/process           ranks; /upon/process,N  that process
 *     /upon/link              pairs; /upon/link,N,M   N's link to M
 *     /upon/drops             by cause, of all who live here; /upon/drops,N  of one
 *     /upon/wait              whom the oldest operations wait for, a sentence each
 *
 * DPDK's own thread answers, from figures.h. A node serves the processes that live in it.
 */
#ifndef UPON_TELEMETRY_H
#define UPON_TELEMETRY_H

#include "figures.h"

/* EAL runs, with its telemetry. `ranks`: who lives in this OS process. 0 or −errno. */
int telemetry_open(struct figures *f, uint64_t ranks);
/* From here on there is nothing to tell; the endpoints stay with EAL. */
void telemetry_close(void);

#endif
