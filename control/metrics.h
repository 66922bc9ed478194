/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The figures of a run for Prometheus: text (format 0.0.4) at http://127.0.0.1:PORT/metrics, off
 * unless the job asks for it.
 *
 * A thread of libmicrohttpd serves it, which reads the board through figures.h and nothing else. It
 * lives beside the control thread, on the processors that are left to control. Whoever asks how
 * often, a page of text is made once in FIGURES_FRESH_NS at most.
 */
#ifndef UPON_METRICS_H
#define UPON_METRICS_H

#include "figures.h"

#define METRICS_CONNECTIONS_MAX 8
#define METRICS_TIMEOUT_S       5 /* of a connection that says nothing */
#define METRICS_BYTES_MAX       (4u << 20)

struct metrics;

/* Serve on `port` of the loopback interface. 0, or −errno and a sentence in `why`. */
int metrics_open(struct metrics **m, struct figures *f, uint16_t port, char *why, size_t why_size);
void metrics_close(struct metrics *m);

/* A page of figures as text, which the caller frees. NULL: no memory, or more than
 * METRICS_BYTES_MAX. */
char *metrics_text(const struct figures *f, const struct figures_page *page);

#endif
