/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of a job share: job_values.c (its keys, and values as text), job_read.c, job_check.c
 * with job_check_device.c and job_check_log.c, job_write.c.
 */
#ifndef UPON_JOB_KEYS_H
#define UPON_JOB_KEYS_H

#include "job.h"

enum job_kind {
    KIND_TEXT,
    KIND_COUNT,    /* uint32_t */
    KIND_U64,      /* plain number, that JSON can write */
    KIND_DURATION, /* uint64_t, ns */
    KIND_SIZE,     /* uint64_t, bytes */
    KIND_RATE,     /* double, per second */
    KIND_CHOICE,   /* uint32_t: index in `choices` */
};

struct job_key {
    const char *section;
    const char *name;
    enum job_kind kind;
    size_t offset;
    const char *initial; /* NULL: what stack_conf_default() says */
    const char *choices; /* separated by '|' */
    const char *help;
};

#define JOB(field)  offsetof(struct job, field)
#define CONF(field) offsetof(struct job, conf.field)

#define JOB_LINE_BYTES_MAX 190 /* of a job file; libinih reads 200 */

extern const struct job_key job_keys[];
extern const uint32_t job_key_count;

/* The key that is kept at this offset of struct job. */
const struct job_key *job_key_of(size_t offset);

/* False when the text is no value of that key. */
bool job_value_read(struct job *job, const struct job_key *k, const char *text);
void job_value_write(const struct job *job, const struct job_key *k, FILE *out);

/* What to write instead of a text that is none. */
const char *job_value_example(const struct job_key *k, const char *text);

/* Where the sentence goes. */
struct job_why {
    char *text;
    size_t size;
};

/* "file:line: section.key", as far as `at` and `k` (NULL: neither) tell. */
void job_place_text(const struct job_place *at, const struct job_key *k, char *text, size_t size);

/* "file:line: section.key: what is wrong; remedy". −EINVAL. `at` and `k` may be NULL. */
int job_refuse(const struct job_why *why, const struct job_place *at, const struct job_key *k,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The value of that field of the job is refused, where it was given. */
#define REFUSE(why, job, field, ...)                                                          \
    job_refuse(why, &(job)->place[job_key_of(JOB(field)) - job_keys], job_key_of(JOB(field)), \
               __VA_ARGS__)

/* Parts of job_check(): 0, or −EINVAL and the sentence. */
int job_check_device(struct job *job, const struct job_why *why);
int job_check_pool(const struct job *job, const struct job_why *why);
int job_check_placement(const struct job *job, const struct job_why *why);
int job_check_log(struct job *job, const struct job_why *why);

#endif
