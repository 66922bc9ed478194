/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log beside the disk under it. The floors are bare io_uring loops over the same files, with
 * the same flags: direct writes, a flush linked behind each, into files filled with zeros before.
 *
 *   log_one    one durable record at a time                 floor: one 4 KiB write at a time
 *   log_many   64 B records as fast as they are taken       floor: the writes that the last round
 *                                                           made, at the same depth
 *                                                           floor2: the same, of bytes that were
 *                                                           put into their buffer just before
 *   log_cpu    append and seal, 32 records to a batch       floor: memcpy of the records
 *   log_read   recovery                                     floor: reading the same segments
 *                                                           without a look at them
 *                                                           floor2: and summing them
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bare_disk.h"
#include "bare_read.h"
#include "bench.h"
#include "dataplane/disk_uring.h"
#include "dataplane/log.h"
#include "dataplane/log_format.h"
#include "tsc.h"

#define SEGMENT_BYTES BARE_FILE_BYTES /* the floor writes as the log does */
#define BUFFERS       BARE_BUFFERS
#define BUFFER_BYTES  BARE_BUFFER_BYTES
#define RECORD_BYTES_ 64

struct log_bench {
    char dir[64];
    struct disk_uring_conf conf;
    struct disk *disk;
    struct log *log;
    struct bare_disk bare; /* the floor */
    uint8_t *super;        /* of log_cpu's disk */
    uint64_t records;      /* a round of log_many */
    uint32_t *sizes;       /* of the writes of its last round, in bytes and in order */
    uint64_t writes;
    struct bare_read read; /* log_read's floor */
    struct disk null;      /* of log_cpu: it is done at once */
    struct disk_done null_done[BUFFERS];
    uint32_t null_dones;
};

static const struct log_id id = {1, 0};

static void must(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "log bench: %s: %s\n", what, strerror(-err));
        exit(1);
    }
}

static void *log_open_files(const char **why)
{
    static char sentence[256];
    struct log_bench *b = calloc(1, sizeof *b);
    struct log_report report;
    strcpy(b->dir, "upon-bench-log-XXXXXX");
    *why = sentence;
    if (mkdtemp(b->dir) == NULL) {
        snprintf(sentence, sizeof sentence, "no folder can be made here");
        free(b);
        return NULL;
    }
    b->conf = (struct disk_uring_conf){.dir = b->dir,
                                       .shape = {4, SEGMENT_BYTES},
                                       .buffers = BUFFERS,
                                       .buffer_bytes = BUFFER_BYTES};
    if (disk_uring_create(&b->conf, sentence, sizeof sentence) != 0 ||
        disk_uring_open(&b->disk, &b->conf, false, sentence, sizeof sentence) != 0)
        return NULL;
    must(log_format(b->disk, id, b->conf.shape), "format");
    must(log_open(&b->log, b->disk, id, NULL, NULL, false, &report), "open");
    char path[128];
    snprintf(path, sizeof path, "%s/floor", b->dir);
    bare_disk_open(&b->bare, path);
    return b;
}

static void free_segments(struct log_bench *b)
{
    if (log_fill(b->log) > 0.5)
        must(log_checkpoint(b->log, log_durable(b->log)), "checkpoint");
}

static void log_close_files(void *ctx)
{
    struct log_bench *b = ctx;
    char command[128];
    log_close(b->log);
    if (b->disk != NULL)
        b->disk->ops->close(b->disk);
    bare_disk_close(&b->bare);
    snprintf(command, sizeof command, "rm -r %s", b->dir);
    if (system(command) != 0)
        fprintf(stderr, "log bench: %s is left behind\n", b->dir);
    free(b->sizes);
    free(b);
}

/* ---- one at a time --------------------------------------------------------------------------- */

static void *one_open(const int64_t *args, const char **why)
{
    (void)args;
    return log_open_files(why);
}

static double one_floor(void *ctx)
{
    struct log_bench *b = ctx;
    uint64_t start = tsc_now();
    bare_disk_write(&b->bare, 0, LOG_BLOCK_BYTES);
    bare_disk_reap(&b->bare);
    return tsc_ns(tsc_now() - start);
}

static double one_subject(void *ctx)
{
    struct log_bench *b = ctx;
    uint8_t data[RECORD_BYTES_] = {1};
    free_segments(b);
    uint64_t start = tsc_now();
    uint64_t seq = log_append(b->log, 1, NULL, 0, data, sizeof data);
    while (log_durable(b->log) <= seq)
        must(log_pump(b->log), "write");
    return tsc_ns(tsc_now() - start);
}

BENCH(log_one, .rounds = 401, .open = one_open, .floor = one_floor, .subject = one_subject,
      .close = log_close_files, .wanted = "at most 1.15 x one direct write and flush of 4 KiB")

/* ---- many ------------------------------------------------------------------------------------ */

static double many_subject(void *ctx)
{
    struct log_bench *b = ctx;
    uint8_t data[RECORD_BYTES_] = {1};
    free_segments(b);
    uint64_t blocks = log_stats(b->log).blocks;
    uint64_t start = tsc_now(), end = log_next(b->log) + b->records;
    b->writes = 0;
    while (log_durable(b->log) < end) {
        for (int i = 0; i < 32; i++) {
            if (log_next(b->log) == end || !log_room(b->log, sizeof data))
                break;
            log_append(b->log, 1, NULL, 0, data, sizeof data);
        }
        must(log_pump(b->log), "write");
        uint64_t now = log_stats(b->log).blocks;
        if (now != blocks)
            b->sizes[b->writes++] = (uint32_t)(now - blocks) * LOG_BLOCK_BYTES;
        blocks = now;
    }
    return tsc_ns(tsc_now() - start) / (double)b->records;
}

static void *many_open(const int64_t *args, const char **why)
{
    struct log_bench *b = log_open_files(why);
    if (b == NULL)
        return NULL;
    b->records = (uint64_t)args[0];
    b->sizes = calloc(b->records, sizeof b->sizes[0]);
    many_subject(b); /* its writes are the floor's */
    return b;
}

/* Write k of the last round again; `fresh`: with bytes that were put there just now. */
static void write_again(struct log_bench *b, uint32_t buffer, uint64_t k, bool fresh)
{
    if (fresh)
        memset(b->bare.block + (size_t)buffer * BUFFER_BYTES, (int)k, b->sizes[k]);
    bare_disk_write(&b->bare, buffer, b->sizes[k]);
}

static double all_again(struct log_bench *b, bool fresh)
{
    uint64_t begun = 0, done = 0;
    uint64_t start = tsc_now();
    for (; begun < BUFFERS - 1 && begun < b->writes; begun++)
        write_again(b, (uint32_t)begun, begun, fresh);
    for (; done < b->writes; done++) {
        uint32_t buffer = bare_disk_reap(&b->bare);
        if (begun < b->writes)
            write_again(b, buffer, begun++, fresh);
    }
    return tsc_ns(tsc_now() - start) / (double)b->records;
}

static double many_floor(void *ctx)
{
    return all_again(ctx, false);
}

static double many_floor_fresh(void *ctx)
{
    return all_again(ctx, true);
}

static void many_report(void *ctx, struct bench_out *out)
{
    struct log_bench *b = ctx;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < b->writes; i++)
        bytes += b->sizes[i];
    bench_put(out, "records_per_write", (double)b->records / (double)b->writes);
    bench_put(out, "bytes_per_write", (double)bytes / (double)b->writes);
}

BENCH(log_many, .arg_names = {"records"}, .cases = {{1000}, {100000}}, .case_count = 2,
      .rounds = 41, .open = many_open, .floor = many_floor, .floor2 = many_floor_fresh,
      .subject = many_subject, .report = many_report, .close = log_close_files,
      .wanted = "ratio at most 1.1; at most 1000 ns per record where group commit allows")

/* ---- the processor's part -------------------------------------------------------------------- */

static struct log_bench *of_null(struct disk *d)
{
    return (struct log_bench *)((uint8_t *)d - offsetof(struct log_bench, null));
}

static void null_write(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer,
                       uint32_t from, uint32_t bytes)
{
    (void)slot, (void)offset, (void)from;
    struct log_bench *b = of_null(d);
    b->null_done[b->null_dones++] = (struct disk_done){buffer, (int32_t)bytes};
}

static void null_submit(struct disk *d)
{
    (void)d;
}

static uint32_t null_reap(struct disk *d, struct disk_done *done, uint32_t n)
{
    struct log_bench *b = of_null(d);
    uint32_t got = b->null_dones < n ? b->null_dones : n;
    memcpy(done, b->null_done, got * sizeof done[0]);
    b->null_dones = 0;
    return got;
}

static int null_write_super(struct disk *d, const void *block)
{
    memcpy(of_null(d)->super, block, LOG_BLOCK_BYTES);
    return 0;
}

static int null_read_super(struct disk *d, int copy, void *block)
{
    (void)copy;
    memcpy(block, of_null(d)->super, LOG_BLOCK_BYTES);
    return 0;
}

static int64_t null_read(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes)
{
    (void)d, (void)slot, (void)offset;
    memset(to, 0, bytes);
    return bytes;
}

static const struct disk_ops null_ops = {.write = null_write,
                                         .submit = null_submit,
                                         .reap = null_reap,
                                         .read = null_read,
                                         .write_super = null_write_super,
                                         .read_super = null_read_super};

static void *cpu_open(const int64_t *args, const char **why)
{
    (void)why;
    struct log_bench *b = calloc(1, sizeof *b);
    struct log_report report;
    b->records = (uint64_t)args[0];
    b->super = aligned_alloc(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
    b->null = (struct disk){.ops = &null_ops,
                            .buffer_count = BUFFERS,
                            .buffer_bytes = BUFFER_BYTES,
                            .slots = 2,
                            .slot_bytes = 1u << 30};
    b->null.buffers = aligned_alloc(LOG_BLOCK_BYTES, BUFFERS * BUFFER_BYTES);
    memset(b->null.buffers, 0, BUFFERS * BUFFER_BYTES);
    must(log_format(&b->null, id, (struct log_shape){2, 1u << 30}), "format");
    must(log_open(&b->log, &b->null, id, NULL, NULL, false, &report), "open");
    return b;
}

#define CPU_BATCHES 256

static double cpu_subject(void *ctx)
{
    struct log_bench *b = ctx;
    uint8_t data[RECORD_BYTES_] = {1};
    free_segments(b);
    uint64_t start = tsc_now();
    for (int i = 0; i < CPU_BATCHES; i++) {
        for (uint64_t k = 0; k < b->records; k++)
            log_append(b->log, 1, NULL, 0, data, sizeof data);
        must(log_pump(b->log), "write");
    }
    return tsc_ns(tsc_now() - start) / (double)(CPU_BATCHES * b->records);
}

static double cpu_floor(void *ctx)
{
    struct log_bench *b = ctx;
    uint8_t data[RECORD_BYTES_] = {1};
    keep(data);
    uint8_t *to = b->null.buffers + 7 * BUFFER_BYTES;
    uint64_t start = tsc_now();
    for (int i = 0; i < CPU_BATCHES; i++)
        for (uint64_t k = 0; k < b->records; k++) {
            memcpy(to + k * sizeof data, data, sizeof data);
            keep(to);
        }
    return tsc_ns(tsc_now() - start) / (double)(CPU_BATCHES * b->records);
}

static void cpu_close(void *ctx)
{
    struct log_bench *b = ctx;
    log_close(b->log);
    free(b->null.buffers);
    free(b->super);
    free(b);
}

BENCH(log_cpu, .arg_names = {"batch"}, .cases = {{1}, {8}, {32}, {256}}, .case_count = 4,
      .open = cpu_open, .floor = cpu_floor, .subject = cpu_subject, .close = cpu_close,
      .wanted = "at most 60 ns per record at batch 32")

/* ---- recovery -------------------------------------------------------------------------------- */

static void *read_open(const int64_t *args, const char **why)
{
    (void)args;
    struct log_bench *b = log_open_files(why);
    if (b == NULL)
        return NULL;
    uint8_t data[RECORD_BYTES_] = {1};
    while (log_fill(b->log) < 0.7) {
        while (log_room(b->log, sizeof data) && log_next(b->log) % 1000 != 999)
            log_append(b->log, 1, NULL, 0, data, sizeof data);
        if (log_room(b->log, sizeof data))
            log_append(b->log, 1, NULL, 0, data, sizeof data);
        must(log_pump(b->log), "write");
    }
    while (log_durable(b->log) < log_next(b->log))
        must(log_pump(b->log), "write");
    log_close(b->log);
    b->log = NULL;
    bare_read_open(&b->read, b->dir, b->conf.shape.slots, SEGMENT_BYTES);
    return b;
}

static double read_floor(void *ctx)
{
    struct log_bench *b = ctx;
    return bare_read_all(&b->read, b->read.best) / (4.0 * SEGMENT_BYTES / 4096);
}

static double read_floor_summed(void *ctx)
{
    struct log_bench *b = ctx;
    return bare_read_summed(&b->read) / (4.0 * SEGMENT_BYTES / 4096);
}

static double read_subject(void *ctx)
{
    struct log_bench *b = ctx;
    struct log *log;
    struct log_report report;
    uint64_t start = tsc_now();
    must(log_open(&log, b->disk, id, NULL, NULL, true, &report), "open");
    return tsc_ns(tsc_now() - start) / (4.0 * SEGMENT_BYTES / 4096);
}

static void read_report(void *ctx, struct bench_out *out)
{
    const struct bare_read *r = &((struct log_bench *)ctx)->read;
    bench_put(out, "floor_depth", r->best.depth);
    bench_put(out, "floor_bytes", r->best.bytes);
    bench_put(out, "floor_polls", r->best.polls);
}

static void read_close(void *ctx)
{
    bare_read_close(&((struct log_bench *)ctx)->read);
    log_close_files(ctx);
}

BENCH(log_read, .rounds = 101, .open = read_open, .floor = read_floor, .floor2 = read_floor_summed,
      .subject = read_subject, .report = read_report, .close = read_close,
      .wanted = "ratio at most 1.25: 0.8 of the sequential read rate")
