/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of a run's socket: for `upon ctl`, and for whoever else asks a run. */
#ifndef UPON_CTL_H
#define UPON_CTL_H

#include <stddef.h>

#include <jansson.h>

#define CTL_PATIENCE_MS 10000 /* for an answer */

/*
 * Connect to a run: as runs_find() finds it. A descriptor, or −errno and a sentence in `why`.
 */
int ctl_open(const char *run, char *why, size_t why_size);

/*
 * Ask: "upon" and "id" are added to `request`, which is taken over. The answer, to be released with
 * json_decref(); NULL: there was none, or it said no, as the sentence in `why` tells.
 */
json_t *ctl_ask(int fd, json_t *request, char *why, size_t why_size);

#endif
