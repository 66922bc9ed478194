/* SPDX-License-Identifier: BSD-3-Clause */
#include "job.h"

#include "eal_words.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ini.h>

#include "dataplane/placement.h"
#include "events.h"
#include "number.h"
#include "storage.h"
#include "topology.h"

#define RATE_MAX_WINDOW  1024 /* what rate = max keeps outstanding, unless load.window says more */
#define LINE_BYTES_MAX   190  /* of a job file; libinih reads 200 */
#define POOL_PEER_PKTS   1024 /* on their way to a peer, at least */
#define POOL_PEER_SHARE  4    /* of what is kept for a peer, one in so many has its own packet */
#define POOL_PEERS_MAX   24   /* that are behind at a time: memory is finite too */
#define POOL_PKTS_MAX    (16u << 20)
#define LOG_SIZE_MIN     (4ull << 20)
#define LOG_SIZE_MAX     (16ull << 30) /* segments have 32-bit sizes */
#define LOG_RECORD_BYTES 64            /* of a record, in front of an operation: name and headers */
#define SETS_PLACE       "--set"

#define LEDGER_ALL          (1u << 24) /* log-deliveries that are remembered, of all processes */
#define LEDGER_SPARE        65536      /* … of a process, beyond what is expected */
#define CLOSED_STORED_PER_S 3e5        /* more than a closed loop over disks will do */

enum kind {
    KIND_TEXT,
    KIND_COUNT,    /* uint32_t */
    KIND_U64,      /* plain number, that JSON can write */
    KIND_DURATION, /* uint64_t, ns */
    KIND_SIZE,     /* uint64_t, bytes */
    KIND_RATE,     /* double, per second */
    KIND_CHOICE,   /* uint32_t: index in `choices` */
};

struct key {
    const char *section;
    const char *name;
    enum kind kind;
    size_t offset;
    const char *initial; /* NULL: what stack_conf_default() says */
    const char *choices; /* separated by '|' */
    const char *help;
};

#define JOB(field)  offsetof(struct job, field)
#define CONF(field) offsetof(struct job, conf.field)

static const struct key keys[] = {
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
#define KEYS (sizeof keys / sizeof keys[0])
static_assert(KEYS <= JOB_KEYS_MAX, "a place for each key");

/* ---- values with units ------------------------------------------------------------------------
 */

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

static const char *kind_example(const struct key *k)
{
    switch (k->kind) {
    case KIND_COUNT:
        return "write a whole number, as 4096 or 4Ki";
    case KIND_U64:
        return "write a whole number below 2^63, as 42 or 0x2a";
    case KIND_DURATION:
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
static bool text_fits(const struct key *k, const char *text)
{
    size_t len = strlen(text);
    if (len > 0 && (isblank((unsigned char)text[0]) || isblank((unsigned char)text[len - 1])))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((iscntrl((unsigned char)text[i]) && text[i] != '\t') ||
            (text[i] == ';' && (i == 0 || isblank((unsigned char)text[i - 1]))))
            return false;
    if (k->offset != JOB(faults_file) && strlen(k->name) + strlen(" = \n") + len > LINE_BYTES_MAX)
        return false;
    return len < JOB_TEXT_BYTES;
}

static const struct key *key_of(size_t offset)
{
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].offset == offset)
            return &keys[i];
    return NULL;
}

bool job_text_fits(size_t offset, const char *text)
{
    return text_fits(key_of(offset), text);
}

static bool value_read(struct job *job, const struct key *k, const char *text)
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

static void value_write(const struct job *job, const struct key *k, FILE *out)
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

/* ---- refusing ----------------------------------------------------------------------------------
 */

struct why {
    char *text;
    size_t size;
};

/* "file:line: section.key: what is wrong; remedy" */
static int refuse(const struct why *why, const struct job_place *at, const struct key *k,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

static int refuse(const struct why *why, const struct job_place *at, const struct key *k,
                  const char *format, ...)
{
    char place[JOB_TEXT_BYTES + 32] = "", sentence[640];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (at != NULL && at->line > 0)
        snprintf(place, sizeof place, "%s:%d: ", at->file, at->line);
    else if (at != NULL && at->file[0] != '\0')
        snprintf(place, sizeof place, "%s ", at->file);
    if (k != NULL)
        snprintf(why->text, why->size, "%s%s.%s: %s", place, k->section, k->name, sentence);
    else
        snprintf(why->text, why->size, "%s%s", place, sentence);
    return -EINVAL;
}

#define REFUSE(why, job, field, ...) \
    refuse(why, &(job)->place[key_of(JOB(field)) - keys], key_of(JOB(field)), __VA_ARGS__)

/* ---- reading ------------------------------------------------------------------------------------
 */

static void list_sections(char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < KEYS; i++)
        if (i == 0 || strcmp(keys[i].section, keys[i - 1].section) != 0)
            at += (size_t)snprintf(text + at, size - at, "%s[%s]", i == 0 ? "" : " ",
                                   keys[i].section);
}

static void list_keys(const char *section, char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < KEYS && at < size; i++)
        if (strcmp(keys[i].section, section) == 0)
            at += (size_t)snprintf(text + at, size - at, "%s%s", at == 0 ? "" : " ", keys[i].name);
}

static int assign(struct job *job, const char *section, const char *name, const char *value,
                  const struct job_place *at, const struct why *why)
{
    bool known = false;
    char list[512] = "";
    if (section[0] == '\0')
        return refuse(why, at, NULL, "%s stands before every section; write [job] above it", name);
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &keys[i];
        if (strcmp(k->section, section) != 0)
            continue;
        known = true;
        if (strcmp(k->name, name) != 0)
            continue;
        struct job_place *was = &job->place[i];
        if (at->line > 0 && was->line > 0)
            return refuse(why, at, k, "given before, in line %d; leave one of them", was->line);
        if (!value_read(job, k, value))
            return refuse(why, at, k, "\"%s\" is no value for it; %s%s", value,
                          k->kind == KIND_CHOICE ? "write one of " : "", kind_example(k));
        *was = *at;
        return 0;
    }
    if (known)
        list_keys(section, list, sizeof list);
    else
        list_sections(list, sizeof list);
    return refuse(why, at, NULL, "%s.%s: there is no such %s; there %s %s", section, name,
                  known ? "key" : "section", "are", list);
}

/* libinih does not tell its handler the line: we hand it the lines, so we count them. */
struct reader {
    FILE *in;
    struct job *job;
    struct job_place at;
    struct why why;
    int err;
    bool faults; /* in that section */
};

/* A line of [faults] is no key = value, unless it names the file: it is read here, and libinih sees
 * an empty one. */
static void read_fault(struct reader *r, char *line)
{
    const char *text = line + strspn(line, " \t");
    size_t word = strcspn(text, " \t=:");
    if (*text == '[')
        r->faults = strncmp(text, "[faults]", 8) == 0;
    if (!r->faults || strchr("[;#\r\n", *text) != NULL ||
        (word == 4 && strncmp(text, "file", 4) == 0))
        return;
    r->err = faults_add(&r->job->faults, text, r->at.file, (uint32_t)r->at.line, r->why.text,
                        r->why.size);
    strcpy(line, "\n");
}

static char *read_line(char *line, int size, void *ctx)
{
    struct reader *r = ctx;
    if (r->err != 0)
        return NULL;
    memset(line, '\n', (size_t)size);
    if (fgets(line, size, r->in) == NULL)
        return NULL;
    r->at.line++;
    size_t len = strlen(line);
    if (memchr(line + len + 1, '\0', (size_t)size - len - 1) != NULL) {
        r->err = refuse(&r->why, &r->at, NULL, "a zero byte stands in the line; write text");
        return NULL;
    }
    const char *text = line + strspn(line, " \t");
    if (*text == '[' && strchr(text, ']') == NULL) {
        r->err = refuse(&r->why, &r->at, NULL, "a section without its ]; write %.*s]",
                        (int)strcspn(text, " \t\r\n;"), text);
        return NULL;
    }
    if (len > LINE_BYTES_MAX) {
        r->err = refuse(&r->why, &r->at, NULL, "the line is longer than %d characters; shorten it",
                        LINE_BYTES_MAX);
        return NULL;
    }
    read_fault(r, line);
    return r->err == 0 ? line : NULL;
}

static int on_value(void *ctx, const char *section, const char *name, const char *value)
{
    struct reader *r = ctx;
    if (r->err == 0)
        r->err = assign(r->job, section, name, value, &r->at, &r->why);
    return r->err == 0;
}

static int read_file(struct job *job, const char *path, const struct why *why)
{
    struct reader r = {.job = job, .why = *why};
    r.in = fopen(path, "r");
    if (r.in == NULL) {
        int err = errno;
        snprintf(why->text, why->size, "%s: %s; name a job file that can be read", path,
                 strerror(err));
        return -err;
    }
    snprintf(r.at.file, sizeof r.at.file, "%s", path);
    ini_allow_multiline = false;
    int line = ini_parse_stream(read_line, &r, on_value, &r);
    if (r.err == 0 && ferror(r.in)) {
        snprintf(why->text, why->size, "%s: it cannot be read; name a job file", path);
        r.err = -EIO;
    }
    fclose(r.in);
    if (r.err == 0 && line > 0) {
        r.at.line = line;
        return refuse(why, &r.at, NULL, "neither [section] nor key = value; write one of them");
    }
    return r.err;
}

static int read_set(struct job *job, const char *set, const struct why *why)
{
    char section[64], name[64];
    const struct job_place at = {.file = SETS_PLACE};
    const char *dot = strchr(set, '.'), *equals = strchr(set, '=');
    if (dot == NULL || equals == NULL || dot > equals || dot - set >= (ptrdiff_t)sizeof section ||
        equals - dot > (ptrdiff_t)sizeof name)
        return refuse(why, &at, NULL, "%.200s: write section.key=value, as job.n=5", set);
    snprintf(section, sizeof section, "%.*s", (int)(dot - set), set);
    snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
    return assign(job, section, name, equals + 1, &at, why);
}

int job_read(struct job *job, const char *path, char *const sets[], uint32_t set_count, char *why,
             size_t why_size)
{
    const struct why w = {why, why_size};
    memset(job, 0, sizeof *job);
    job->path = path;
    stack_conf_default(&job->conf);
    job->msg_copy_bytes = job->conf.msg_copy_bytes;
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].initial != NULL && !value_read(job, &keys[i], keys[i].initial))
            return refuse(&w, NULL, &keys[i], "its default is no value for it");
    int err = path != NULL ? read_file(job, path, &w) : 0;
    for (uint32_t i = 0; i < set_count && err == 0; i++)
        err = read_set(job, sets[i], &w);
    return err;
}

/* ---- checking
 * ------------------------------------------------------------------------------------ */

bool job_given(const struct job *job, size_t offset)
{
    return job->place[key_of(offset) - keys].file[0] != '\0';
}

bool job_overridden(const struct job *job, size_t offset)
{
    return strcmp(job->place[key_of(offset) - keys].file, SETS_PLACE) == 0;
}

const char *job_given_next(const struct job *job, uint32_t *next, char *name, size_t size,
                           size_t *offset)
{
    while (*next < KEYS) {
        const struct key *k = &keys[(*next)++];
        if (!job_given(job, k->offset))
            continue;
        snprintf(name, size, "%s.%s", k->section, k->name);
        *offset = k->offset;
        return name;
    }
    return NULL;
}

static int check_stack(struct job *job, const struct why *why)
{
    char list[512] = "";
    size_t at = 0;
    for (const struct stack_def *const *d = stack_defs; *d != NULL && at < sizeof list; d++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? " " : "", (*d)->name);
    job->def = stack_find(job->stack);
    if (job->def == NULL)
        return REFUSE(why, job, stack, "there is no stack \"%s\"; there are %s", job->stack, list);
    const enum abstraction top = stack_top(job->def)->cls->implements;
    job->top = load_top(top);
    if (job->top == NULL)
        return REFUSE(why, job, stack,
                      "upon run has no load for %s, the top of %s; give `upon sim` this stack, or "
                      "choose one that `upon list stacks` does not mark [upon sim only]",
                      abstraction_infos[top].text, job->stack);
    if (job->n < 1 || job->n > PSET_PROCS)
        return REFUSE(why, job, n, "%u processes; a run has 1 to %d", job->n, PSET_PROCS);
    return 0;
}

/* A word of device.eal that prints a text and ends the process. */
static int check_eal_words(const struct job *job, const struct why *why)
{
    for (const char *w = job->eal_args; *w != '\0'; w += strcspn(w, " \t")) {
        w += strspn(w, " \t");
        size_t len = strcspn(w, " \t=");
        if ((w[0] == '-' && w[1] == 'h') ||
            (len >= 4 && len <= 6 && strncmp(w, "--help", len) == 0))
            return REFUSE(why, job, eal_args,
                          "%.*s asks DPDK for its usage, and a run shall run; leave it out",
                          (int)len, w);
    }
    return 0;
}

static int check_netns(const struct job *job, const struct why *why)
{
    if (job->device_netns[0] != '\0' && strcmp(job->device, "af_packet") != 0 &&
        strcmp(job->device, "tap") != 0)
        return REFUSE(why, job, device_netns,
                      "device %s has no kernel interface to stand in a namespace; leave it out",
                      job->device);
    return 0;
}

/* Where nothing would come of it. */
static int check_ring(const struct job *job, const struct why *why)
{
    const bool ring = strcmp(job->device, "ring") == 0;
    const bool alone = ring || strcmp(job->device, "null") == 0;
    if (alone && job->device_args[0] != '\0')
        return REFUSE(why, job, device_args, "device %s takes no argument; leave it out",
                      job->device);
    if (alone && job->device_topology[0] != '\0')
        return REFUSE(why, job, device_topology,
                      "no frame of device %s carries an address; leave it out", job->device);
    if (ring && job->checksum == JOB_CHECKSUM_ON)
        return REFUSE(why, job, checksum,
                      "frames over ring have no headers, and no checksum; write auto, or off");
    return 0;
}

/* The first %p is replaced by the rank, and no other. */
static int check_marks(const struct job *job, const struct why *why)
{
    static const size_t names[] = {JOB(device_args), JOB(device_netns)};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = (const char *)job + names[i], *mark = strstr(text, "%p");
        if (mark != NULL && strstr(mark + 2, "%p") != NULL)
            return refuse(why, &job->place[key_of(names[i]) - keys], key_of(names[i]),
                          "\"%s\": the rank can stand in it once; leave one %%p", text);
    }
    return 0;
}

static int check_device_keys(const struct job *job, const struct why *why)
{
    int err = check_eal_words(job, why);
    if (err == 0)
        err = check_netns(job, why);
    if (err == 0)
        err = check_ring(job, why);
    return err != 0 ? err : check_marks(job, why);
}

static int check_topology(struct job *job, const struct why *why)
{
    char sentence[512];
    if (job->device_topology[0] != '\0' && topology_read(job->device_topology, (uint16_t)job->n,
                                                         job->addr, sentence, sizeof sentence) != 0)
        return REFUSE(why, job, device_topology, "%s", sentence);
    return 0;
}

static int check_device(const struct job *job, const struct why *why)
{
    char list[256] = "";
    size_t at = 0;
    const char *name;
    for (uint32_t i = 0; (name = fabric_device_name(i)) != NULL && at < sizeof list; i++) {
        if (strcmp(name, job->device) == 0)
            return check_device_keys(job, why);
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? " " : "", name);
    }
    return REFUSE(why, job, device, "there is no device \"%s\"; there are %s", job->device, list);
}

static int check_proposer(struct job *job, const struct why *why)
{
    uint64_t rank = 0;
    if (strcmp(job->proposer, "all") == 0) {
        job->sources = job->n == 64 ? UINT64_MAX : (1ull << job->n) - 1;
        return 0;
    }
    if (strcmp(job->proposer, "leader") != 0 && !number_parse(job->proposer, &rank))
        return REFUSE(why, job, proposer, "\"%s\" is nobody; write leader, all or a rank",
                      job->proposer);
    if (rank >= job->n)
        return REFUSE(why, job, proposer, "there is no p%" PRIu64 "; ranks are 0 to %u", rank,
                      job->n - 1);
    job->sources = 1ull << rank;
    return 0;
}

/* The bug is in what the last process is sent: by all, or by who stands before it. */
static int check_plant(const struct job *job, const struct why *why)
{
    const uint32_t last = job->n - 1, before = (last + job->n - 1) % job->n;
    if (job->plant == LOAD_PLANT_NONE || job->top->shape != LOAD_TO_NEXT ||
        job->sources >> before & 1)
        return 0;
    return REFUSE(why, job, plant,
                  "the bug is in what p%u is sent, and nobody sends to it: over a link each sends "
                  "to the next; write job.proposer = all, or %u",
                  last, before);
}

static int check_load(struct job *job, const struct why *why)
{
    if (isinf(job->rate)) {
        if (job->mode == JOB_OPEN && job_given(job, JOB(mode)))
            return REFUSE(why, job, mode,
                          "rate = max has no intended times: it is a closed loop with a wide "
                          "window; leave load.mode out, or give a rate");
        job->mode = JOB_CLOSED;
        if (!job_given(job, JOB(window)))
            job->window = RATE_MAX_WINDOW;
    } else if (job->mode == JOB_CLOSED && job_given(job, JOB(rate))) {
        return REFUSE(why, job, rate,
                      "a closed loop has no rate: it sends when an operation is over; leave "
                      "load.rate out, or write load.mode = open");
    }
    if (job->mode == JOB_CLOSED && job_given(job, JOB(arrival)))
        return REFUSE(why, job, arrival, "a closed loop has no arrivals; leave it out");
    if (job->mode == JOB_CLOSED && job->top->lossy)
        return REFUSE(why, job, mode,
                      "%s may lose, and a closed loop would wait for ever; write load.mode = open",
                      job->stack);
    if (job->window < 1 || job->window > LOAD_WINDOW_OPS / 2)
        return REFUSE(why, job, window, "%u operations outstanding; write 1 to %d", job->window,
                      LOAD_WINDOW_OPS / 2);
    if (job->mode == JOB_OPEN && job_given(job, JOB(window)))
        return REFUSE(why, job, window,
                      "an open loop waits for nothing; leave it out, or write load.mode = closed");
    return check_plant(job, why);
}

/* What a stack may store, twice over, since it answers with as much; and what is on its way. */
static uint64_t pool_min(const struct job *job)
{
    uint64_t instances = job->conf.instances, msgs = job->conf.store_msgs;
    uint64_t kept = job->conf.ring_msgs / POOL_PEER_SHARE;
    uint64_t peers = job->n < POOL_PEERS_MAX ? job->n : POOL_PEERS_MAX;
    return 2 * (instances > msgs ? instances : msgs) +
           peers * (kept > POOL_PEER_PKTS ? kept : POOL_PEER_PKTS);
}

/* What is chosen for a job is refused to nobody who writes it. */
static int check_pool(const struct job *job, const struct why *why)
{
    static const size_t of[] = {CONF(store_msgs), CONF(ring_msgs)};
    uint64_t least = pool_min(job);
    if (job->pool != 0 && job->pool < least)
        return REFUSE(why, job, pool,
                      "%u packets; with these params it takes %" PRIu64
                      " at least, or 0 for enough",
                      job->pool, least);
    const struct key *k = key_of(of[job->conf.ring_msgs > job->conf.store_msgs]);
    if (least > POOL_PKTS_MAX)
        return refuse(why, &job->place[k - keys], k,
                      "a process would need %" PRIu64 " packets, and can have %u; lower it", least,
                      POOL_PKTS_MAX);
    return 0;
}

static int check_sizes(struct job *job, const struct why *why)
{
    if (job->size < OP_BYTES_MIN)
        return REFUSE(why, job, size,
                      "%" PRIu64 " bytes; an operation has %u at least, for its number, its "
                      "intended time and its tag",
                      job->size, OP_BYTES_MIN);
    if (job->size > MSG_BYTES_MAX)
        return REFUSE(why, job, size, "%" PRIu64 " bytes; a message has %d at most", job->size,
                      MSG_BYTES_MAX);
    if (job->msg_copy_bytes > MSG_BYTES_MAX)
        return REFUSE(why, job, msg_copy_bytes, "more than the %d bytes of a message",
                      MSG_BYTES_MAX);
    if (job->metrics > UINT16_MAX)
        return REFUSE(why, job, metrics, "a port is 1 to %d, or 0 for none", UINT16_MAX);
    if (job->mtu > UINT16_MAX)
        return REFUSE(why, job, mtu, "an IP packet has %d bytes at most", UINT16_MAX);
    if (job->duration_ns == 0 || job->duration_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, duration_ns, "the measured interval must be 1 ns to a day");
    if (job->warmup_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, warmup_ns, "the warm-up must end; write a duration");
    if (job->drain_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, drain_ns, "the drain must end; write a duration");
    if (job->conf.instances > LOAD_WINDOW_OPS)
        return refuse(why, &job->place[key_of(CONF(instances)) - keys], key_of(CONF(instances)),
                      "a run checks %d open instances at most", LOAD_WINDOW_OPS);
    return check_pool(job, why);
}

/* What a stack takes, and would be of no use. */
static int check_params(const struct job *job, const struct why *why)
{
    static const size_t periods[] = {CONF(rto_min_ns), CONF(rto_max_ns), CONF(heartbeat_ns),
                                     CONF(detect_ns)};
    const struct stack_conf *c = &job->conf;
    if (c->frame_records < 1 || c->frame_records > FRAME_RECORDS_MAX)
        return REFUSE(why, job, conf.frame_records, "%u records in a frame; write 1 to %d",
                      c->frame_records, FRAME_RECORDS_MAX);
    if (c->batch_events < 1 || c->batch_events > CO_BATCH_EVENTS)
        return REFUSE(why, job, conf.batch_events, "%u events in one call; write 1 to %d",
                      c->batch_events, CO_BATCH_EVENTS);
    if (c->ack_delay_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, conf.ack_delay_ns,
                      "an acknowledgement must leave some time; write at most a day");
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        const uint64_t ns = *(const uint64_t *)((const char *)job + periods[i]);
        if (ns == 0 || ns > JOB_DURATION_MAX)
            return refuse(why, &job->place[key_of(periods[i]) - keys], key_of(periods[i]),
                          "it must be 1 ns to a day");
    }
    if (c->rto_min_ns > c->rto_max_ns)
        return REFUSE(why, job, conf.rto_min_ns,
                      "the least time before sending again is more than the longest; lower it, or "
                      "raise params.rto_max");
    return 0;
}

/* "job.n" is to be put right; it stands where it was given, or else where the device was. */
static int refuse_named(const struct job *job, const char *name, const struct why *why,
                        const char *sentence)
{
    const struct key *k = key_of(JOB(device));
    for (size_t i = 0; i < KEYS; i++)
        if (strncmp(name, keys[i].section, strlen(keys[i].section)) == 0 &&
            strcmp(name + strlen(keys[i].section) + 1, keys[i].name) == 0 &&
            job->place[i].file[0] != '\0')
            k = &keys[i];
    return refuse(why, &job->place[k - keys], k, "%s", sentence);
}

const char *job_device_args(const struct job *job, char sockets[JOB_SOCKETS_BYTES])
{
    if (strcmp(job->device, "memif") != 0 || job->device_args[0] != '\0')
        return job->device_args;
    snprintf(sockets, JOB_SOCKETS_BYTES, "@upon-%08" PRIx32, job->conf.cluster);
    return sockets;
}

struct fabric_conf job_fabric(const struct job *job, const uint16_t *self, uint16_t selves)
{
    return (struct fabric_conf){.device = job->device,
                                .args = job->device_args,
                                .netns = job->device_netns,
                                .n = (uint16_t)job->n,
                                .self = self,
                                .selves = selves,
                                .mtu = (uint32_t)job->mtu,
                                .msg_bytes = (uint32_t)job->size,
                                .pool_pkts = job->pool,
                                .pool_least = (uint32_t)pool_min(job),
                                .checksum = job_checksum(job),
                                .addr = job->device_topology[0] != '\0' ? job->addr : NULL};
}

bool job_apart(const struct job *job)
{
    return fabric_device_apart(job->device) &&
           (strcmp(job->device, "eal") != 0 || strstr(job->eal_args, "%p") != NULL);
}

/* What the k-th lcore's OS process would have; or the only one, where the device reaches no other. */
static int check_node(const struct job *job, const struct placement *place, uint16_t k,
                      const struct why *why)
{
    const bool apart = job_apart(job);
    uint16_t self[PSET_PROCS], selves = 0;
    char sentence[640];
    const char *key;
    for (uint16_t p = 0; p < job->n; p++)
        if (!apart || place->lcore[p] == k)
            self[selves++] = p;
    if (selves == 0)
        return 0;
    struct eal_words words;
    if (!eal_words_make(&words, job->eal_args, self, selves))
        return REFUSE(why, job, eal_args,
                      "more than %d words for DPDK, or more than %d bytes, for %u processes; leave "
                      "some out",
                      EAL_WORDS_MAX, EAL_WORDS_BYTES, selves);
    char sockets[JOB_SOCKETS_BYTES];
    struct fabric_conf conf = job_fabric(job, self, selves);
    conf.args = job_device_args(job, sockets);
    if (fabric_check(&conf, &key, sentence, sizeof sentence) != 0)
        return refuse_named(job, key, why, sentence);
    return 0;
}

/* On this machine's processors. */
static int check_placement(const struct job *job, const struct why *why)
{
    struct placement place;
    char sentence[512];
    int err = placement_make(&place, (uint16_t)job->n, job_cores(job), sentence, sizeof sentence);
    if (err != 0)
        return REFUSE(why, job, cores, "%s", sentence);
    for (uint16_t k = 0; k < (job_apart(job) ? place.lcores : 1) && err == 0; k++)
        err = check_node(job, &place, k, why);
    return err;
}

const char *job_cores(const struct job *job)
{
    return strcmp(job->cores, "auto") == 0 ? NULL : job->cores;
}

static int check_faults(struct job *job, const struct why *why)
{
    int err = 0;
    if (job->faults_file[0] != '\0')
        err = events_read(&job->faults, job->faults_file, why->text, why->size);
    job->faults_file[0] = '\0';
    if (err != 0)
        return err;
    return faults_check(&job->faults, (uint16_t)job->n, job->warmup_ns + job->duration_ns,
                        why->text, why->size);
}

/* Whether a stack keeps something in a log. */
static bool logs(const struct stack_def *def)
{
    for (const struct stack_layer *l = def->layers; l->name != NULL; l++)
        if (l->cls->recover != NULL)
            return true;
    return false;
}

bool job_logs(const struct job *job)
{
    return logs(job->def);
}

/* Log-deliveries of a process that are expected. */
static double stored_in_all(const struct job *job)
{
    double per_s = job->mode == JOB_OPEN ? job->rate : CLOSED_STORED_PER_S;
    return per_s * (double)(job->warmup_ns + job->duration_ns) / 1e9;
}

uint32_t job_ledger(const struct job *job)
{
    if (!job_logs(job))
        return 0;
    double most = (double)LEDGER_ALL / job->n, want = stored_in_all(job) * 1.1 + LEDGER_SPARE;
    return (uint32_t)(want < most ? want : most);
}

/* A node that is started again goes on from what the run remembers. What a closed loop comes to is
 * not known beforehand: where it is too much, the node says so (load_can_recover()). */
static int check_restart(const struct job *job, const struct why *why)
{
    const uint64_t all = job->n == 64 ? UINT64_MAX : (1ull << job->n) - 1;
    if (!logs(job->def))
        return REFUSE(why, job, restart,
                      "stack %s keeps nothing in a log that a process could recover from; choose "
                      "lurb or luc",
                      job->stack);
    if (!job_apart(job))
        return REFUSE(why, job, restart,
                      "over %s all processes live in one OS process; choose memif or af_packet",
                      job->device);
    if (job->top->logged == LOAD_LOG_DELIVERS && job->sources == all)
        return REFUSE(why, job, restart,
                      "stack %s does not store what a source requests, so a source cannot recover, "
                      "and here everybody is one; write job.proposer = leader, or choose lurb",
                      job->stack);
    if (job->mode == JOB_OPEN && stored_in_all(job) > job_ledger(job))
        return REFUSE(why, job, restart,
                      "%.0f operations are more than the %u of a process that a run remembers, so "
                      "it could not recover; lower load.rate or job.duration",
                      stored_in_all(job), job_ledger(job));
    return 0;
}

/* A compaction begins when a log is half full: what must be stored again, and what waits in front of
 * it, has to fit in the other half. */
static int check_log_holds(struct job *job, const struct why *why)
{
    struct stack_conf conf = job->conf;
    conf.n = (uint16_t)job->n;
    uint32_t records = co_wire_stores(job->def, &load_class, &conf);
    uint64_t least = storage_least(records, (uint32_t)job->size + LOG_RECORD_BYTES);
    uint64_t mib = (least + (1 << 20) - 1) >> 20;
    if (job->log_size < least && !job_given(job, JOB(log_size)) && mib << 20 <= LOG_SIZE_MAX)
        job->log_size = mib << 20;
    if (job->log_size < least)
        return REFUSE(why, job, log_size,
                      "%" PRIu64 " bytes; half of it must hold what stack %s may keep and have on "
                      "its way, %u records of %" PRIu64 " bytes; write %" PRIu64
                      "MiB or more, or lower job.size, params.instances or params.store_msgs",
                      job->log_size, job->stack, records, job->size, mib);
    return 0;
}

static int check_log(struct job *job, const struct why *why)
{
    for (size_t i = 0; i < KEYS && !logs(job->def); i++)
        if (strcmp(keys[i].section, "log") == 0 && job_given(job, keys[i].offset))
            return refuse(why, &job->place[i], &keys[i],
                          "stack %s keeps nothing in a log; leave [log] out, or choose lurb or luc",
                          job->stack);
    int err = job->restart > 0 ? check_restart(job, why) : 0;
    if (err != 0)
        return err;
    if (job->log_size < LOG_SIZE_MIN || job->log_size > LOG_SIZE_MAX)
        return REFUSE(why, job, log_size, "a log has %lluMiB to %lluGiB", LOG_SIZE_MIN >> 20,
                      LOG_SIZE_MAX >> 30);
    return logs(job->def) ? check_log_holds(job, why) : 0;
}

/* A sentence of co_check_wiring() begins with the parameter that it is about, or with the stack. */
static int refuse_wiring(const struct job *job, const char *sentence, const struct why *why)
{
    size_t word = strcspn(sentence, " ");
    for (size_t i = 0; i < KEYS; i++)
        if (strcmp(keys[i].section, "params") == 0 && strlen(keys[i].name) == word &&
            strncmp(keys[i].name, sentence, word) == 0)
            return refuse(why, &job->place[i], &keys[i], "%s", sentence);
    return REFUSE(why, job, stack, "%s", sentence);
}

int job_check(struct job *job, char *why, size_t why_size)
{
    const struct why w = {why, why_size};
    int err = check_stack(job, &w);
    if (err == 0)
        err = check_device(job, &w);
    if (err == 0)
        err = check_topology(job, &w);
    if (err == 0)
        err = check_proposer(job, &w);
    if (err == 0)
        err = check_load(job, &w);
    if (err == 0)
        err = check_sizes(job, &w);
    if (err == 0)
        err = check_params(job, &w);
    if (err == 0)
        err = check_placement(job, &w);
    if (err == 0)
        err = check_faults(job, &w);
    if (err == 0)
        err = check_log(job, &w);
    if (err != 0)
        return err;
    job->conf.n = (uint16_t)job->n;
    job->conf.self = 0;
    job->conf.seed = job->seed;
    job->conf.cluster = job->cluster;
    job->conf.one_life = !job_logs(job);
    job->conf.msg_copy_bytes = (uint32_t)job->msg_copy_bytes;
    job->conf.forward = job->top->shape == LOAD_ONE_VALUE;
    char sentence[512];
    if (co_check_wiring(job->def, &load_class, &job->conf, sentence, sizeof sentence) != 0)
        return refuse_wiring(job, sentence, &w);
    return 0;
}

bool job_checksum(const struct job *job)
{
    static const char *const memory[] = {"ring", "null", "memif"};
    if (job->checksum != JOB_CHECKSUM_AUTO)
        return job->checksum == JOB_CHECKSUM_ON;
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if (strcmp(memory[i], job->device) == 0)
            return false;
    return true;
}

/* ---- writing
 * -------------------------------------------------------------------------------------- */

/* Which of a stack's layers read a parameter, by what they implement; all others are read by all. */
#define BIT(abs) (1ull << ABS_##abs)
static const struct {
    size_t offset;
    uint64_t layers;
} readers[] = {
    {CONF(flight_msgs), BIT(PL)},
    {CONF(instances), BIT(C) | BIT(UC) | BIT(LUC) | BIT(EP) | BIT(LEP)},
    {CONF(store_msgs), BIT(RB) | BIT(URB) | BIT(LPL) | BIT(LBEB) | BIT(LURB) | BIT(LOG)},
    {CONF(rto_min_ns), BIT(SL) | BIT(PL) | BIT(HO)},
    {CONF(rto_max_ns), BIT(PL)},
    {CONF(ack_delay_ns), BIT(PL) | BIT(RB) | BIT(UC) | BIT(LUC) | BIT(EP) | BIT(LEP)},
    {CONF(give_up_ns), BIT(PL) | BIT(RB) | BIT(URB) | BIT(LURB)},
    {CONF(heartbeat_ns), BIT(P) | BIT(EPFD) | BIT(OMEGA) | BIT(EP) | BIT(LEP)},
    {CONF(detect_ns), BIT(P) | BIT(EPFD) | BIT(OMEGA)},
};
static_assert(ABSTRACTIONS <= 64, "a bit for each");

static bool read_by_a_layer(const struct job *job, const struct key *k)
{
    uint64_t layers = 0;
    for (const struct stack_layer *l = job->def->layers; l->name != NULL; l++)
        layers |= 1ull << l->cls->implements;
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
        if (readers[i].offset == k->offset)
            return (readers[i].layers & layers) != 0;
    return true;
}

const char *job_unread_next(const struct job *job, uint32_t *next, char *name, size_t size)
{
    while (*next < KEYS) {
        const struct key *k = &keys[(*next)++];
        const bool crash = k->offset == JOB(tolerate_crash) && job->tolerate_crash != 0;
        if (!job_given(job, k->offset) ||
            (crash ? job_apart(job) || job_logs(job) : read_by_a_layer(job, k)))
            continue;
        snprintf(name, size, "%s.%s", k->section, k->name);
        return name;
    }
    return NULL;
}

/* Whether a key says anything in this job; what does not is refused when it is given, but for a
 * parameter that no layer reads: of that a run warns. */
static bool applies(const struct job *job, const struct key *k)
{
    if (job->def != NULL && !read_by_a_layer(job, k))
        return false;
    if (k->offset == JOB(rate))
        return job->mode == JOB_OPEN || isinf(job->rate);
    if (k->offset == JOB(arrival))
        return job->mode == JOB_OPEN;
    if (k->offset == JOB(window))
        return job->mode == JOB_CLOSED;
    if (strcmp(k->section, "log") == 0)
        return job->def == NULL || logs(job->def);
    return true;
}

static void write_faults(const struct faults *f, FILE *out)
{
    for (uint32_t i = 0; i < f->count; i++) {
        char text[LINE_BYTES_MAX + 64];
        faults_text(&f->line[i], text, sizeof text);
        fprintf(out, "%s\n", text);
    }
}

void job_write(const struct job *job, FILE *out)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &keys[i];
        if (i == 0 || strcmp(k->section, keys[i - 1].section) != 0)
            fprintf(out, "%s[%s]\n", i == 0 ? "" : "\n", k->section);
        if (!applies(job, k))
            continue;
        fprintf(out, "%s = ", k->name);
        value_write(job, k, out);
        putc('\n', out);
        if (k->offset == JOB(faults_file))
            write_faults(&job->faults, out);
    }
}

void job_describe_keys(FILE *out)
{
    struct job job;
    char why[64];
    job_read(&job, NULL, NULL, 0, why, sizeof why);
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &keys[i];
        char value[JOB_TEXT_BYTES] = "";
        FILE *text = fmemopen(value, sizeof value, "w");
        if (text == NULL)
            return;
        value_write(&job, k, text);
        fclose(text);
        char name[64];
        snprintf(name, sizeof name, "%s.%s", k->section, k->name);
        fprintf(out, "  %-22s %-10s %s", name, value, k->help);
        fprintf(out, k->choices != NULL ? " (%s)\n" : "\n", k->choices);
    }
}
