/* SPDX-License-Identifier: BSD-3-Clause */
#include "spool.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocols/view.h"

static_assert((SPOOL_TRACE_BYTES & (SPOOL_TRACE_BYTES - 1)) == 0, "a place is found by a mask");

/* ---- memory ------------------------------------------------------------------------------------- */

int spools_make(uint32_t n)
{
    int fd = memfd_create("upon-spool", 0); /* without CLOEXEC: nodes inherit it */
    if (fd < 0 || ftruncate(fd, (off_t)(n * sizeof(struct spool))) != 0)
        return -errno;
    return fd;
}

struct spool *spools_map(int fd, uint32_t n)
{
    void *at = mmap(NULL, n * sizeof(struct spool), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at != MAP_FAILED ? at : NULL;
}

void spools_unmap(struct spool *s, uint32_t n)
{
    if (s != NULL)
        munmap(s, n * sizeof *s);
}

/* ---- a snapshot --------------------------------------------------------------------------------- */

static void put_line(void *ctx, const char *line)
{
    struct spool *s = ctx;
    size_t len = strlen(line), room = SPOOL_SNAPSHOT_BYTES - s->snapshot_bytes;
    s->snapshot_cut |= len + 1 > room;
    if (s->snapshot_cut)
        return;
    memcpy(s->snapshot + s->snapshot_bytes, line, len);
    s->snapshot[s->snapshot_bytes + len] = '\n';
    s->snapshot_bytes += len + 1;
}

void spool_snapshot(struct spool *s, struct stack *st)
{
    char line[128];
    s->snapshot_bytes = 0;
    s->snapshot_cut = false;
    snprintf(line, sizeof line, "p%u of %u, stack %s, after %" PRIu64 " breaths", st->self, st->n,
             st->def->name, st->steps);
    put_line(s, line);
    snprintf(line, sizeof line, "hash %016" PRIx64, stack_hash(st));
    put_line(s, line);
    stack_dump(st, put_line, s);
}

int spool_snapshot_write(struct spool *s, FILE *out)
{
    uint64_t bytes =
        s->snapshot_bytes < SPOOL_SNAPSHOT_BYTES ? s->snapshot_bytes : SPOOL_SNAPSHOT_BYTES;
    fwrite(s->snapshot, 1, bytes, out);
    if (s->snapshot_cut)
        fprintf(out, "… cut short: it is longer than %u bytes\n", SPOOL_SNAPSHOT_BYTES);
    uintptr_t from = ((uintptr_t)s->snapshot + 4095) & ~(uintptr_t)4095;
    uintptr_t to = ((uintptr_t)s->snapshot + SPOOL_SNAPSHOT_BYTES) & ~(uintptr_t)4095;
    (void)madvise((void *)from, to - from, MADV_REMOVE);
    return fflush(out) == 0 ? 0 : -errno;
}

/* ---- a trace ------------------------------------------------------------------------------------ */

/* The line whole, or not at all. */
static bool write_line(struct spool *s, const char *line, size_t len)
{
    uint64_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
    uint64_t used = head - atomic_load_explicit(&s->tail, memory_order_acquire);
    if (used > SPOOL_TRACE_BYTES - len)
        return false;
    size_t at = head % SPOOL_TRACE_BYTES,
           first = len < SPOOL_TRACE_BYTES - at ? len : SPOOL_TRACE_BYTES - at;
    memcpy(s->trace + at, line, first);
    memcpy(s->trace, line + first, len - first);
    atomic_store_explicit(&s->head, head + len, memory_order_release);
    return true;
}

/* Behind a gap a line says how wide it is. */
static bool close_gap(struct spool *s)
{
    char line[96];
    if (s->dropped == 0)
        return true;
    int len = snprintf(line, sizeof line, "… %" PRIu64 " events for which there was no room\n",
                       s->dropped);
    if (!write_line(s, line, (size_t)len))
        return false;
    s->dropped = 0;
    return true;
}

/* An event that crosses a border, as a line. Alarms, frames and what a component tells itself are
 * left out. */
static void write_event(struct spool *s, const struct stack *st, const struct co *to,
                        const struct ev *ev)
{
    char line[SPOOL_LINE_BYTES];
    if (ev_border(to, ev) == NULL)
        return;
    uint64_t t = st->now > s->start_ns ? st->now - s->start_ns : 0;
    int at =
        snprintf(line, sizeof line, "%" PRIu64 ".%09" PRIu64 " ", t / 1000000000, t % 1000000000);
    at += ev_text(st, to, ev, line + at, sizeof line - (size_t)at - 1);
    line[at++] = '\n';
    if (!close_gap(s) || !write_line(s, line, (size_t)at))
        s->dropped++;
}

static bool handled(struct trace *trace, struct stack *st, struct co *to, const struct ev *ev,
                    uint32_t n)
{
    struct spool_trace *t = (struct spool_trace *)trace;
    for (uint32_t i = 0; i < n; i++)
        write_event(t->spool, st, to, &ev[i]);
    return t->next == NULL || t->next->handled(t->next, st, to, ev, n);
}

void spool_trace_on(struct spool_trace *t, struct spool *s, struct stack *st)
{
    if (st->trace == &t->trace)
        return;
    *t = (struct spool_trace){.trace = {handled}, .next = st->trace, .spool = s};
    st->trace = &t->trace;
}

void spool_trace_off(struct spool_trace *t, struct stack *st)
{
    if (st->trace != &t->trace)
        return;
    st->trace = t->next;
    (void)close_gap(t->spool);
}

uint64_t spool_trace_drain(struct spool *s, FILE *out)
{
    uint64_t head = atomic_load_explicit(&s->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed), count = head - tail;
    if (count == 0 || count > SPOOL_TRACE_BYTES)
        return 0;
    size_t at = tail % SPOOL_TRACE_BYTES,
           first = count < SPOOL_TRACE_BYTES - at ? count : SPOOL_TRACE_BYTES - at;
    fwrite(s->trace + at, 1, first, out);
    fwrite(s->trace, 1, count - first, out);
    atomic_store_explicit(&s->tail, head, memory_order_release);
    return count;
}

void spool_trace_end(struct spool *s, FILE *out)
{
    (void)spool_trace_drain(s, out);
    if (close_gap(s))
        (void)spool_trace_drain(s, out);
}
