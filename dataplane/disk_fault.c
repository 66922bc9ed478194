/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_fault.h"

#include <errno.h>
#include <time.h>

#include "env.h"

static struct disk_fault *fault_disk_of(struct disk *d)
{
    return (struct disk_fault *)d;
}

static uint64_t now_ns(const struct disk_fault *d)
{
    return d->clock->ops->now(d->clock);
}

static void tell_later(struct disk_fault *d, struct disk_done done, uint64_t due_ns)
{
    d->late[d->lates++] = (struct disk_late){done, due_ns};
}

static void fault_write(struct disk *disk, uint32_t slot, uint64_t offset, uint32_t buffer,
                        uint32_t from, uint32_t bytes)
{
    struct disk_fault *d = fault_disk_of(disk);
    struct fault_disk_fate fate = {0};
    uint64_t now = 0, ordinal = d->writes++;
    if (unlikely(d->engine->armed != 0)) {
        now = now_ns(d);
        fate = fault_disk(d->engine, d->self, ordinal, now);
    }
    d->slow_ns[buffer] = fate.delay_ns;
    if (fate.fails)
        tell_later(d, (struct disk_done){buffer, -EIO}, now + fate.delay_ns);
    else
        d->below->ops->write(d->below, slot, offset, buffer, from, bytes);
}

static void fault_submit(struct disk *disk)
{
    struct disk *below = fault_disk_of(disk)->below;
    below->ops->submit(below);
}

/* What is due of what is late, in the order in which it finished. */
static uint32_t take_late(struct disk_fault *d, struct disk_done *done, uint32_t n)
{
    uint32_t taken = 0, left = 0;
    uint64_t now = now_ns(d);
    for (uint32_t i = 0; i < d->lates; i++)
        if (taken < n && d->late[i].due_ns <= now)
            done[taken++] = d->late[i].done;
        else
            d->late[left++] = d->late[i];
    d->lates = left;
    return taken;
}

static uint32_t fault_reap(struct disk *disk, struct disk_done *done, uint32_t n)
{
    struct disk_fault *d = fault_disk_of(disk);
    uint32_t told = d->lates > 0 ? take_late(d, done, n) : 0;
    uint32_t got = told < n ? d->below->ops->reap(d->below, done + told, n - told) : 0;
    for (uint32_t i = told, end = told + got; i < end; i++) {
        if (d->slow_ns[done[i].buffer] > 0)
            tell_later(d, done[i], now_ns(d) + d->slow_ns[done[i].buffer]);
        else
            done[told++] = done[i];
    }
    return told;
}

static int64_t fault_read(struct disk *disk, uint32_t slot, uint64_t offset, void *to,
                          uint32_t bytes)
{
    struct disk *below = fault_disk_of(disk)->below;
    return below->ops->read(below, slot, offset, to, bytes);
}

static void fault_read_begin(struct disk *disk, uint32_t slot, uint64_t offset, void *to,
                             uint32_t bytes)
{
    struct disk *below = fault_disk_of(disk)->below;
    below->ops->read_begin(below, slot, offset, to, bytes);
}

static int64_t fault_read_end(struct disk *disk)
{
    struct disk *below = fault_disk_of(disk)->below;
    return below->ops->read_end(below);
}

/* What is waited for: 0 when it may begin, or −EIO. */
static int wait_for_fate(struct disk_fault *d)
{
    uint64_t ordinal = FAULT_DISK_WAITED | d->waited++;
    if (likely(d->engine->armed == 0))
        return 0;
    struct fault_disk_fate fate = fault_disk(d->engine, d->self, ordinal, now_ns(d));
    struct timespec left = {(time_t)(fate.delay_ns / 1000000000),
                            (long)(fate.delay_ns % 1000000000)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return fate.fails ? -EIO : 0;
}

static int fault_flush(struct disk *disk)
{
    struct disk_fault *d = fault_disk_of(disk);
    int err = wait_for_fate(d);
    return err != 0 ? err : d->below->ops->flush(d->below);
}

static int fault_write_super(struct disk *disk, const void *block)
{
    struct disk_fault *d = fault_disk_of(disk);
    int err = wait_for_fate(d);
    return err != 0 ? err : d->below->ops->write_super(d->below, block);
}

static int fault_read_super(struct disk *disk, int copy, void *block)
{
    struct disk *below = fault_disk_of(disk)->below;
    return below->ops->read_super(below, copy, block);
}

static void fault_close(struct disk *disk)
{
    struct disk *below = fault_disk_of(disk)->below;
    below->ops->close(below);
}

static const struct disk_ops fault_ops = {.write = fault_write,
                                          .submit = fault_submit,
                                          .reap = fault_reap,
                                          .read = fault_read,
                                          .write_super = fault_write_super,
                                          .read_super = fault_read_super,
                                          .close = fault_close};

int disk_fault_init(struct disk_fault *d, struct disk *below, const struct fault_engine *engine,
                    uint16_t self, struct env *clock)
{
    if (below->buffer_count > DISK_FAULT_BUFFERS_MAX)
        return -E2BIG;
    *d = (struct disk_fault){.disk = *below,
                             .below = below,
                             .engine = engine,
                             .clock = clock,
                             .self = self,
                             .ops = fault_ops};
    if (below->ops->read_begin != NULL) {
        d->ops.read_begin = fault_read_begin;
        d->ops.read_end = fault_read_end;
    }
    if (below->ops->flush != NULL)
        d->ops.flush = fault_flush;
    d->disk.ops = &d->ops;
    return 0;
}
