/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of a job, and their values as text. */
#include "job_keys.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

const struct job_key job_keys[] = {
    {"job", "stack", KIND_TEXT, JOB(stack), "uc", NULL, "what to run: upon list stacks"},
    {"job", "n", KIND_COUNT, JOB(n), "3", NULL, "processes"},
    {"job", "device", KIND_TEXT, JOB(device), "ring", NULL,
     "what carries the frames: upon list devices"},
    {"job", "size", KIND_SIZE, JOB(size), "64B", NULL, "of an operation, 32 B at least"},
    {"job", "duration", KIND_DURATION, JOB(duration_ns), "5s", NULL, "of the measured interval"},
    {"job", "warmup", KIND_DURATION, JOB(warmup_ns), "500ms", NULL, "under load, before it"},
    {"job", "drain", KIND_DURATION, JOB(drain_ns), "2s", NULL,
     "after it, for what is still on its way, at most"},
    {"job", "seed", KIND_U64, JOB(seed), "1", NULL, "of every random choice"},
    {"job", "cluster", KIND_COUNT, JOB(cluster), "0", NULL,
     "number in every frame, which no other run on the network may have; 0: drawn for each run"},
    {"job", "proposer", KIND_TEXT, JOB(proposer), "leader", NULL,
     "who issues: leader (p0), all, or a rank"},
    {"job", "mtu", KIND_SIZE, JOB(mtu), "0B", NULL, "of an IP packet; 0B: the device's own"},
    {"job", "checksum", KIND_CHOICE, JOB(checksum), "auto", "auto|off|on",
     "UDP checksums; auto: where frames leave the memory"},
    {"job", "cores", KIND_TEXT, JOB(cores), "auto", NULL,
     "placement: auto, processors as 0,2-4, or processes by processor as 0:0;1:1,2"},
    {"job", "pool", KIND_COUNT, JOB(pool), "0", NULL,
     "packets of a process; 0: enough for its windows"},
    {"job", "tolerate_crash", KIND_CHOICE, JOB(tolerate_crash), "no", "no|yes",
     "a node that ends is a crash: go on, judge the others"},
    {"job", "telemetry", KIND_CHOICE, JOB(telemetry), "off", "off|on",
     "DPDK's telemetry has /upon/ endpoints, see dpdk-telemetry.py"},
    {"job", "metrics", KIND_COUNT, JOB(metrics), "0", NULL,
     "port of 127.0.0.1 that gives figures to Prometheus; 0: none"},
    {"job", "control", KIND_TEXT, JOB(control), "auto", NULL,
     "the socket that upon ctl talks to: auto (ctl.sock in the run's folder), off, or its path"},
    {"job", "record", KIND_CHOICE, JOB(record), "auto", "auto|full|off",
     "what crosses borders, for the checkers; auto: if all of it fits"},
    {"job", "restart", KIND_COUNT, JOB(restart), "0", NULL,
     "nodes that end are started again and recover from their logs: so often, in all"},
    {"device", "args", KIND_TEXT, JOB(device_args), "", NULL,
     "of the device: interface, port, folder or file; %p is the rank"},
    {"device", "netns", KIND_TEXT, JOB(device_netns), "", NULL,
     "af_packet, tap: network namespace of the interface; %p is the rank"},
    {"device", "topology", KIND_TEXT, JOB(device_topology), "", NULL,
     "file with the addresses of processes on the wire; empty: by rank"},
    {"device", "eal", KIND_TEXT, JOB(eal_args), "", NULL,
     "words for DPDK's EAL, as --allow=0000:01:00.0; one with %p is each process's own, by rank"},
    {"load", "mode", KIND_CHOICE, JOB(mode), "open", "open|closed",
     "at intended times, or a window outstanding"},
    {"load", "rate", KIND_RATE, JOB(rate), "100k", NULL,
     "operations per second, all sources together; max: as many as can be"},
    {"load", "arrival", KIND_CHOICE, JOB(arrival), "constant", "constant|poisson",
     "open loop: intervals"},
    {"load", "window", KIND_COUNT, JOB(window), "1", NULL,
     "closed loop: operations outstanding per source"},
    {"load", "plant", KIND_CHOICE, JOB(plant), "none", "none|alter|replace|repeat|lose",
     "a bug in what the last process reports, to see it found"},
    {"log", "dir", KIND_TEXT, JOB(log_dir), "", NULL,
     "stacks over a log: folder with a log for each process; empty: log/ in the run's folder"},
    {"log", "size", KIND_SIZE, JOB(log_size), "64MiB", NULL,
     "of the log of a process; by default more, where its stack needs it"},
    {"log", "sqpoll", KIND_CHOICE, JOB(log_sqpoll), "no", "no|yes",
     "a kernel thread submits: takes a processor, saves system calls"},
    {"log", "reuse", KIND_CHOICE, JOB(log_reuse), "no", "no|yes",
     "go on with the logs of earlier runs that log.dir holds, if any, and keep them"},
    {"log", "keep", KIND_CHOICE, JOB(log_keep), "no", "no|yes", "leave the logs behind"},
    {"log", "hold", KIND_DURATION, JOB(log_hold_ns), "0s", NULL,
     "a write is kept from the disk for up to so long: a kill loses what is not flushed"},
    {"params", "flight_msgs", KIND_COUNT, CONF(flight_msgs), NULL, NULL,
     "links: in flight per peer, a power of two"},
    {"params", "ring_msgs", KIND_COUNT, CONF(ring_msgs), NULL, NULL,
     "links: kept per peer, a power of two"},
    {"params", "instances", KIND_COUNT, CONF(instances), NULL, NULL,
     "consensus: open instances, a power of two"},
    {"params", "store_msgs", KIND_COUNT, CONF(store_msgs), NULL, NULL,
     "broadcasts: messages kept, a power of two"},
    {"params", "frame_records", KIND_COUNT, CONF(frame_records), NULL, NULL, "records in a frame"},
    {"params", "batch_events", KIND_COUNT, CONF(batch_events), NULL, NULL,
     "events handled in one call"},
    {"params", "msg_copy", KIND_SIZE, JOB(msg_copy_bytes), NULL, NULL,
     "larger messages are shared by frames, not copied"},
    {"params", "rto_min", KIND_DURATION, CONF(rto_min_ns), NULL, NULL,
     "links: least time before sending again"},
    {"params", "rto_max", KIND_DURATION, CONF(rto_max_ns), NULL, NULL, "links: longest"},
    {"params", "ack_delay", KIND_DURATION, CONF(ack_delay_ns), NULL, NULL,
     "links: how long an acknowledgement waits for company"},
    {"params", "give_up", KIND_DURATION, CONF(give_up_ns), NULL, NULL,
     "silence after which who holds up sources is given up; never: a detector's word only"},
    {"params", "heartbeat", KIND_DURATION, CONF(heartbeat_ns), NULL, NULL, "detectors: period"},
    {"params", "detect", KIND_DURATION, CONF(detect_ns), NULL, NULL,
     "detectors: timeout, its first value, or its increment"},
    {"faults", "file", KIND_TEXT, JOB(faults_file), "", NULL,
     "a script of faults, or the events of a run; its lines may also stand here"},
};
const uint32_t job_key_count = sizeof job_keys / sizeof job_keys[0];
static_assert(sizeof job_keys / sizeof job_keys[0] <= JOB_KEYS_MAX, "a place for each key");

const struct job_key *job_key_of(size_t offset)
{
    for (size_t i = 0; i < job_key_count; i++)
        if (job_keys[i].offset == offset)
            return &job_keys[i];
    return NULL;
}
/* ---- values with units ----------------------------------------------------------------------- */

struct unit {
    const char *name;
    double factor;
};

/* A decimal number and one of the units; "" in the list allows none. */
static bool parse_units(const char *text, const struct unit *units, double max, double *value)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return false;
    errno = 0;
    double v = strtod(text, &end);
    if (errno != 0 || end == text || strpbrk(text, "xXpP") != NULL)
        return false;
    while (*end == ' ')
        end++;
    for (const struct unit *u = units; u->name != NULL; u++)
        if (strcmp(end, u->name) == 0) {
            *value = v * u->factor;
            return *value <= max;
        }
    return false;
}

static const struct unit durations[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
                                        {"m", 6e10}, {"h", 3.6e12}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1},     {"B", 1},    {"KiB", 1024.0}, {"MiB", 1048576.0},
                                    {"kB", 1e3}, {"MB", 1e6}, {NULL, 0}};
static const struct unit rates[] = {{"", 1},      {"k", 1e3},   {"M", 1e6}, {"/s", 1},
                                    {"k/s", 1e3}, {"M/s", 1e6}, {NULL, 0}};
static const struct unit counts[] = {{"", 1},        {"k", 1e3},        {"M", 1e6},
                                     {"Ki", 1024.0}, {"Mi", 1048576.0}, {NULL, 0}};

bool job_parse_duration(const char *text, uint64_t *ns)
{
    if (strcmp(text, "never") == 0) {
        *ns = UINT64_MAX;
        return true;
    }
    return fault_parse_time(strcmp(text, "0") == 0 ? "0s" : text, ns) && *ns <= JOB_DURATION_MAX;
}

bool job_parse_size(const char *text, uint64_t *bytes)
{
    double v;
    if (!parse_units(text, sizes, 1e12, &v) || v != floor(v))
        return false;
    *bytes = (uint64_t)v;
    return true;
}

bool job_parse_rate(const char *text, double *per_s)
{
    if (strcmp(text, "max") == 0) {
        *per_s = INFINITY;
        return true;
    }
    return parse_units(text, rates, 1e9, per_s) && *per_s > 0;
}

/* Which of "a|b|c" the text is; -1: none. */
static int parse_choice(const char *text, const char *choices)
{
    size_t len = strlen(text);
    for (int i = 0;; i++) {
        size_t have = strcspn(choices, "|");
        if (have == len && strncmp(choices, text, len) == 0)
            return i;
        if (choices[have] == '\0')
            return -1;
        choices += have + 1;
    }
}

const char *job_value_example(const struct job_key *k, const char *text)
{
    double ns;
    switch (k->kind) {
    case KIND_COUNT:
        return "write a whole number, as 4096 or 4Ki";
    case KIND_U64:
        return "write a whole number below 2^63, as 42 or 0x2a";
    case KIND_DURATION:
        if (parse_units(text, durations, HUGE_VAL, &ns)) /* so it is one, and longer than a day */
            return "write 24h at most";
        return "write a number and ns, us, ms, s, m or h, as 200ms";
    case KIND_SIZE:
        return "write a number and B, KiB or MiB, as 1KiB";
    case KIND_RATE:
        return "write operations per second, as 50k or 1.5M, or max";
    case KIND_CHOICE:
        return k->choices;
    default:
        return "write so little that its line in a job file has at most 190 characters, no control "
               "characters, and no ; behind a blank";
    }
}

/* Whether a text means the same when it is read from a file: its line is not too long (the name of a
 * file of faults is not written there), it ends at a control character, a remark begins with ";"
 * behind a blank, and blanks around it are lost. */
static bool text_fits(const struct job_key *k, const char *text)
{
    size_t len = strlen(text);
    if (len > 0 && (isblank((unsigned char)text[0]) || isblank((unsigned char)text[len - 1])))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((iscntrl((unsigned char)text[i]) && text[i] != '\t') ||
            (text[i] == ';' && (i == 0 || isblank((unsigned char)text[i - 1]))))
            return false;
    if (k->offset != JOB(faults_file) &&
        strlen(k->name) + strlen(" = \n") + len > JOB_LINE_BYTES_MAX)
        return false;
    return len < JOB_TEXT_BYTES;
}

bool job_text_fits(size_t offset, const char *text)
{
    return text_fits(job_key_of(offset), text);
}

bool job_value_read(struct job *job, const struct job_key *k, const char *text)
{
    void *field = (char *)job + k->offset;
    double v;
    int choice;
    switch (k->kind) {
    case KIND_TEXT:
        if (!text_fits(k, text))
            return false;
        memcpy(field, text, strlen(text) + 1);
        return true;
    case KIND_COUNT:
        if (!parse_units(text, counts, UINT32_MAX, &v) || v != floor(v))
            return false;
        *(uint32_t *)field = (uint32_t)v;
        return true;
    case KIND_U64:
        return number_parse(text, field) && *(uint64_t *)field <= INT64_MAX;
    case KIND_DURATION:
        return job_parse_duration(text, field);
    case KIND_SIZE:
        return job_parse_size(text, field);
    case KIND_RATE:
        return job_parse_rate(text, field);
    default:
        choice = parse_choice(text, k->choices);
        *(uint32_t *)field = (uint32_t)choice;
        return choice >= 0;
    }
}

/* The largest unit that divides the value. */
static void put_unit(FILE *out, uint64_t value, const struct unit *units)
{
    const struct unit *best = &units[0];
    for (const struct unit *u = units; u->name != NULL; u++)
        if (u->factor >= best->factor && u->name[0] != '\0' && value > 0 &&
            value % (uint64_t)u->factor == 0)
            best = u;
    if (best->name[0] == '\0')
        best++;
    fprintf(out, "%" PRIu64 "%s", value / (uint64_t)best->factor, best->name);
}

static void put_choice(FILE *out, const char *choices, uint32_t index)
{
    for (; index > 0; index--)
        choices = strchr(choices, '|') + 1;
    fprintf(out, "%.*s", (int)strcspn(choices, "|"), choices);
}

void job_value_write(const struct job *job, const struct job_key *k, FILE *out)
{
    static const struct unit binary[] = {{"B", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {NULL, 0}};
    const void *field = (const char *)job + k->offset;
    switch (k->kind) {
    case KIND_TEXT:
        fputs(field, out);
        break;
    case KIND_COUNT:
        fprintf(out, "%" PRIu32, *(const uint32_t *)field);
        break;
    case KIND_U64:
        fprintf(out, "%" PRIu64, *(const uint64_t *)field);
        break;
    case KIND_DURATION:
        if (*(const uint64_t *)field == UINT64_MAX)
            fputs("never", out);
        else
            put_unit(out, *(const uint64_t *)field, durations);
        break;
    case KIND_SIZE:
        put_unit(out, *(const uint64_t *)field, binary);
        break;
    case KIND_RATE:
        if (isinf(*(const double *)field))
            fputs("max", out);
        else
            fprintf(out, "%.17g", *(const double *)field);
        break;
    default:
        put_choice(out, k->choices, *(const uint32_t *)field);
    }
}
