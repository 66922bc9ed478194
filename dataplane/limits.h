/* SPDX-License-Identifier: BSD-3-Clause */
/* Every bound of Upon in one place. The unit is the last word of the name. */
#ifndef UPON_LIMITS_H
#define UPON_LIMITS_H

#include <assert.h>
#include <stdint.h>

/* Processes: the simulator goes to PROCS_MAX, modules that keep sets of processes to PSET_PROCS. */
#define PROCS_MAX  1024
#define PSET_PROCS 64

/* A breath. */
#define RX_BURST_FRAMES   32   /* frames taken from the device in one breath */
#define CO_BATCH_EVENTS   64   /* events given to a handler in one call, at most */
#define UNCLOCKED_BREATHS 4    /* idle breaths for each reading of a clock that is dear */
#define STACK_OWNS        256  /* events that a process tells itself, before they are handed over */
#define TX_QUEUE_FRAMES   2048 /* frames that one breath may send, all peers together */

/* Frames and messages. */
#define FRAME_RECORDS_MAX 64 /* records in one frame */
#define MSG_BYTES_MAX     16384
#define MSG_HEADROOM_MAX  128 /* headers of all layers above the link */
#define MSG_COPY_BYTES    512 /* copied up to here, shared above: bench broadcast_share, its README */

/* A stack. */
#define CO_STACK_MAX 24 /* components in one stack: one bit each in a 32-bit ready mask */
#define CO_USES_MAX  6  /* components that one component uses */
#define CO_PORTS_MAX 32 /* users of the link of one stack */

/* Inboxes: a burst of full frames, and room for what timers and the component itself trigger. */
#define CO_INBOX_EVENTS 8192

static_assert(RX_BURST_FRAMES * FRAME_RECORDS_MAX <= CO_INBOX_EVENTS / 2,
              "an inbox must hold the messages of one receive burst twice over");
static_assert(CO_STACK_MAX <= 32, "the ready mask of a stack has 32 bits");
static_assert(CO_PORTS_MAX <= 256, "the user of a record is one byte on the wire");
static_assert(MSG_BYTES_MAX + 512 <= UINT16_MAX, "offset and length of a message are 16 bits");

/* pl_window: messages kept per peer, and in flight per peer. */
#define PL_WINDOW_RING_MSGS   4096
#define PL_WINDOW_FLIGHT_MSGS 1024
static_assert((PL_WINDOW_RING_MSGS & (PL_WINDOW_RING_MSGS - 1)) == 0, "power of two");
static_assert(PL_WINDOW_FLIGHT_MSGS <= PL_WINDOW_RING_MSGS / 2, "half the ring is backlog");

#endif
