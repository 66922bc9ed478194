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
        d->over.below->ops->write(d->over.below, slot, offset, buffer, from, bytes);
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
    uint32_t got = told < n ? d->over.below->ops->reap(d->over.below, done + told, n - told) : 0;
    for (uint32_t i = told, end = told + got; i < end; i++) {
        if (d->slow_ns[done[i].buffer] > 0)
            tell_later(d, done[i], now_ns(d) + d->slow_ns[done[i].buffer]);
        else
            done[told++] = done[i];
    }
    return told;
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
    return err != 0 ? err : d->over.below->ops->flush(d->over.below);
}

static int fault_write_super(struct disk *disk, const void *block)
{
    struct disk_fault *d = fault_disk_of(disk);
    int err = wait_for_fate(d);
    return err != 0 ? err : d->over.below->ops->write_super(d->over.below, block);
}

static const struct disk_ops fault_ops = {.write = fault_write,
                                          .reap = fault_reap,
                                          .flush = fault_flush,
                                          .write_super = fault_write_super};

int disk_fault_init(struct disk_fault *d, struct disk *below, const struct fault_engine *engine,
                    uint16_t self, struct env *clock)
{
    if (below->buffer_count > DISK_FAULT_BUFFERS_MAX)
        return -E2BIG;
    *d = (struct disk_fault){.engine = engine, .clock = clock, .self = self};
    disk_over_init(&d->over, below, &fault_ops);
    return 0;
}
