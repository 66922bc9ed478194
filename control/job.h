/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job: what to run, on what, under which load. It is read from an INI file, overridden by
 * --set section.key=value, completed with defaults, checked as a whole, and can be written back
 * resolved, so that what was run can be run again.
 *
 * Whatever is wrong is refused in one sentence that names the place and the remedy.
 */
#ifndef UPON_JOB_H
#define UPON_JOB_H

#include <stdio.h>

#include "dataplane/fabric.h"
#include "faults.h"
#include "load.h"

#define JOB_TEXT_BYTES   256
#define JOB_KEYS_MAX     64
#define JOB_DURATION_MAX 86400000000000ull /* a day */

enum job_proposer { JOB_PROPOSER_LEADER, JOB_PROPOSER_ALL, JOB_PROPOSER_RANK };
enum job_mode { JOB_OPEN, JOB_CLOSED };
enum job_record { JOB_RECORD_AUTO, JOB_RECORD_FULL, JOB_RECORD_OFF };
enum job_checksum { JOB_CHECKSUM_AUTO, JOB_CHECKSUM_OFF, JOB_CHECKSUM_ON };

/* Where a value comes from, for what is said of it. */
struct job_place {
    char file[JOB_TEXT_BYTES]; /* "" for a default, "--set" for an override */
    int line;
};

struct job {
    /* [job] */
    char stack[JOB_TEXT_BYTES];
    uint32_t n;
    char device[JOB_TEXT_BYTES];
    uint64_t size;
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t drain_ns;
    uint64_t seed;
    uint32_t cluster; /* as it was given; conf.cluster is the one that is used */
    char proposer[JOB_TEXT_BYTES];
    uint64_t mtu;
    uint32_t checksum;
    char cores[JOB_TEXT_BYTES];
    uint32_t pool;
    uint32_t restart;             /* nodes that end are started again, so many times in all */
    uint32_t tolerate_crash;      /* 1: a node may end, and the rest is judged */
    uint32_t telemetry;           /* 1: DPDK's telemetry answers */
    uint32_t metrics;             /* port for Prometheus; 0: none */
    char control[JOB_TEXT_BYTES]; /* where the run listens */
    uint32_t record;              /* enum job_record */
    /* [device] */
    char device_args[JOB_TEXT_BYTES];
    char device_netns[JOB_TEXT_BYTES];
    char device_topology[JOB_TEXT_BYTES];
    char eal_args[JOB_TEXT_BYTES];
    /* [load] */
    uint32_t mode;
    double rate; /* operations per second; INFINITY: max */
    uint32_t arrival;
    uint32_t window;
    uint32_t plant;
    /* [log]: stacks over a log */
    char log_dir[JOB_TEXT_BYTES]; /* "": in the folder of the run */
    uint64_t log_size;            /* of the log of a process */
    uint32_t log_sqpoll;
    uint32_t log_keep;
    uint32_t log_reuse;
    uint64_t log_hold_ns; /* a write is held back so long, at most; 0: not at all */
    /* [params] */
    struct stack_conf conf;
    uint64_t msg_copy_bytes;

    /* [faults] */
    char faults_file[JOB_TEXT_BYTES]; /* read, and emptied, by job_check() */
    struct faults faults;

    /* Made of the above by job_check(). */
    const struct stack_def *def;
    const struct load_top *top;
    uint64_t sources;                    /* bitmap of ranks */
    struct fabric_addr addr[PSET_PROCS]; /* device.topology, read */

    /* Made by ledger_find(). */
    bool goes_on;         /* with the logs of earlier runs */
    uint64_t told_before; /* log-deliveries or decisions of a process in earlier runs, at most */

    struct job_place place[JOB_KEYS_MAX]; /* by key */
    const char *path;                     /* of the file; NULL: none */
};

/* Read `path` (NULL: defaults alone), then apply `sets`. 0, or −errno and a sentence in `why`. */
int job_read(struct job *job, const char *path, char *const sets[], uint32_t set_count, char *why,
             size_t why_size);

/* Whether a text can be the value of the key that is kept at this offset of struct job: its line in a
 * job file is read again as it was written. */
bool job_text_fits(size_t offset, const char *text);

/* Whether the file or an override gave the key that is kept at this offset of struct job. */
bool job_given(const struct job *job, size_t offset);

/* The next of the keys that were given, as "section.key", from place *next on; NULL: there is none. */
const char *job_given_next(const struct job *job, uint32_t *next, char *name, size_t size,
                           size_t *offset);

/* The next of the keys that were given and change nothing in this checked job, as
 * "file:line: section.key", from place *next on; NULL: there is none. */
const char *job_unread_next(const struct job *job, uint32_t *next, char *name, size_t size);

/* Whether an override gave it, and not the file. */
bool job_overridden(const struct job *job, size_t offset);

/* Whether the whole can be run; fills the last part. 0, or −EINVAL and a sentence in `why`. */
int job_check(struct job *job, char *why, size_t why_size);

/* A run needs more memory than there is, says `why`: say first which key that was given it is of. */
void job_blame_memory(const struct job *job, char *why, size_t why_size);

/* The device's argument; memif without a folder has sockets named after the cluster, in `sockets`. */
#define JOB_SOCKETS_BYTES 32
const char *job_device_args(const struct job *job, char sockets[JOB_SOCKETS_BYTES]);

/* What a fabric is told of a job, for the processes `self` of this OS process; borrowed from both. */
struct fabric_conf job_fabric(const struct job *job, const uint16_t *self, uint16_t selves);

struct placement;

/*
 * Where the processes of a job run: as it asks for, else as placement_make() has it, and evenly over
 * the same processors where the device can carry that alone. 0, or −EINVAL and a sentence in `why`.
 */
int job_place(const struct job *job, struct placement *place, char *why, size_t why_size);

/*
 * Whether its processes live in OS processes of their own, one for each lcore: where the device
 * reaches them there, and, over eal, where each is given ports of its own (%p in device.eal).
 */
bool job_apart(const struct job *job);

/* Whether the stack of a checked job keeps something in a log. */
bool job_logs(const struct job *job);

/* Log-deliveries or decisions of a process that a run of this checked job remembers, so that it can
 * be recovered and audited: entries of the board's ledger. 0: nothing is logged. */
uint32_t job_ledger(const struct job *job);

/* … that it can remember at most. */
uint64_t job_ledger_most(const struct job *job);

/* Whether the logs stay when the run has ended. */
bool job_keeps_logs(const struct job *job);

/* Write all keys with their values, in the form that job_read() reads. */
void job_write(const struct job *job, FILE *out);

/* Write every key with its default and meaning, for a person. */
void job_describe_keys(FILE *out);

/* Whether UDP checksums are computed: by default where frames leave this machine's memory. */
bool job_checksum(const struct job *job);

/* Read a value with its unit. False when it is none. */
bool job_parse_duration(const char *text, uint64_t *ns);
bool job_parse_size(const char *text, uint64_t *bytes);
bool job_parse_rate(const char *text, double *per_s);

#endif
