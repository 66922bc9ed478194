/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The logs of a job: a folder for each process, p0, p1 …, below one. Who starts the run makes them;
 * whoever hosts a process opens its log, once for each life of the process.
 */
#ifndef UPON_STORAGE_H
#define UPON_STORAGE_H

#include "dataplane/log.h"
#include "job.h"

/* Bytes that a log must have to hold so many records of at most so many bytes (≥ 1, name and header
 * included) in one of its halves. */
uint64_t storage_least(uint64_t records, uint32_t bytes);

/* Make and format the logs of all processes. 0, or −errno and a sentence in `why`, here and below;
 * what it began it removes. */
int storage_create(const struct job *job, char *why, size_t why_size);

/* Whether there are logs, or what is left of some. */
bool storage_found(const struct job *job);

/* The logs of an earlier run: each is there, of one shape, which the job takes if it names none. */
int storage_find(struct job *job, char *why, size_t why_size);

/* Open the log of process p for its next life. Waits, in bounded time, for writes of a former life
 * that are still under way. */
int storage_open(const struct job *job, uint16_t p, struct disk **disk, char *why, size_t why_size);

/* Read the log of p as a recovery would, and change nothing. */
int storage_read(const struct job *job, uint16_t p, log_found_fn *found, void *ctx,
                 struct log_report *report, char *why, size_t why_size);

/* End the life: what is under way comes to its end first. NULL: nothing to do. */
void storage_close(struct disk *disk);

/* Remove what storage_create() made. */
void storage_remove(const struct job *job);

/* "ext4 on 254:0, direct" */
void storage_describe(const struct job *job, char *text, size_t size);

#endif
