/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include "eal_words.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <rte_launch.h>

#include "dataplane/clock.h"
#include "dataplane/eal.h"
#include "dataplane/refuse.h"
#include "ledger.h"
#include "storage.h"

#define LOG_FILES 4 /* open ones of a process with a log */

/* ---- setting up --------------------------------------------------------------------------------- */

void host_init(struct host *h, const struct job *job, const struct placement *place)
{
    *h = (struct host){.job = job, .place = *place, .selves = (uint16_t)job->n};
    for (uint16_t p = 0; p < job->n; p++)
        h->self[p] = p;
}

void host_init_lcore(struct host *h, const struct job *job, const struct placement *place,
                     uint16_t k)
{
    *h = (struct host){.job = job, .place = *place};
    h->place.lcores = 1;
    h->place.cpu[0] = place->cpu[k];
    for (uint16_t p = 0; p < job->n; p++)
        if (place->lcore[p] == k) {
            h->self[h->selves++] = p;
            h->place.lcore[p] = 0;
        }
}

static struct fabric_conf fabric_conf_of(const struct host *h)
{
    return job_fabric(h->job, h->self, h->selves);
}

int host_allow_files(uint64_t files, char *why, size_t why_size)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= files)
        return 0;
    const uint64_t allowed = l.rlim_max;
    l.rlim_cur = l.rlim_max;
    if (allowed >= files && setrlimit(RLIMIT_NOFILE, &l) == 0)
        return 0;
    return refuse_as(why, why_size, -EMFILE,
                     "%llu files may have to be open at once, and %llu may be: raise the limit, as "
                     "with ulimit -n, or lower job.n",
                     (unsigned long long)files, (unsigned long long)allowed);
}

int host_start(struct host *h, uint64_t tsc_hz, char *why, size_t why_size)
{
    const struct fabric_conf conf = fabric_conf_of(h);
    const uint64_t files =
        HOST_FILES + fabric_files(&conf) + (job_logs(h->job) ? h->selves * LOG_FILES : 0);
    int err = host_allow_files(files, why, why_size);
    if (err != 0)
        return err;
    struct eal_words words;
    if (!eal_words_make(&words, h->job->eal_args, h->self, h->selves))
        rte_panic("device.eal: more words than the job was checked for\n");
    const uint64_t wanted = fabric_memory_wanted(&conf);
    /* A pool is one piece of memory: leave room for what lies between pieces. */
    const struct eal_conf eal = {.args = words.word,
                                 .cpu = h->place.cpu,
                                 .cpus = h->place.lcores,
                                 .memory_bytes = wanted * 3 / 2,
                                 .touched_bytes = wanted,
                                 .tsc_hz = tsc_hz,
                                 .telemetry = h->job->telemetry != 0};
    err = eal_start(&eal, why, why_size);
    h->eal = err == 0;
    return err;
}

int host_addresses(struct host *h, char *why, size_t why_size)
{
    const struct fabric_conf conf = fabric_conf_of(h);
    int err = 0;
    for (uint16_t i = 0; i < h->selves && err == 0; i++)
        err = fabric_address(&conf, h->self[i], &h->addr[h->self[i]], why, why_size);
    return err;
}

/* Frames may be held back in an eighth of the packets, before a source notices. */
static int init_process(struct host *h, uint16_t p)
{
    uint32_t pkts = h->st[p]->env->pool->size;
    const struct process_conf conf = {.host = h,
                                      .seed = h->job->seed,
                                      .held_max = pkts / 8 / h->selves};
    return process_init(&h->process[p], h->st[p], &h->board->orders[p], &conf);
}

/* Record what crosses the borders of process p, in all its lives. */
static int record(struct host *h, uint16_t p)
{
    struct record_area *area = record_area_of(h->board);
    if (area == NULL)
        return 0;
    h->recorder[p] = malloc(sizeof *h->recorder[p]);
    if (h->recorder[p] == NULL)
        return -ENOMEM;
    recorder_init(h->recorder[p], area, p);
    return 0;
}

/* ⟨log, Stored⟩ came after so long. */
static void store_waited(void *ctx, uint64_t waited_ns)
{
    hist_record(&((struct board_row *)ctx)->store, waited_ns);
}

/* Of what a log drops the ledger alone knows: no loss of power may take that. */
static void log_drops(void *ctx)
{
    struct process *x = ctx;
    ledger_sync(x->host->board, x->st->self);
}

/* What lies between the disk of process p and its log. */
static int open_disk(struct host *h, uint16_t p, struct env *env, char *why, size_t why_size)
{
    const struct job *job = h->job;
    struct board_row *row = board_row(h->board, p);
    int err = storage_open(job, p, &h->disk[p], why, why_size);
    if (err != 0)
        return err;
    struct disk *disk = h->disk[p];
    if (job->log_hold_ns > 0) { /* each life draws anew */
        uint64_t seed = job->seed + (board_get(&row->lives) << 8 | p);
        err = disk_held_init(&h->disk_held[p], disk, job->log_hold_ns, seed, env);
        disk = &h->disk_held[p].over.disk;
    }
    if (err == 0)
        err = disk_fault_init(&h->disk_fault[p], disk, &h->process[p].fault.engine, p, env);
    if (err != 0) {
        snprintf(why, why_size, "the log of p%u has more buffers than fit", p);
        return err;
    }
    env->disk = &h->disk_fault[p].over.disk;
    env->stored = store_waited;
    env->stored_ctx = row;
    env->dropping = h->board->ledger_kept ? log_drops : NULL;
    env->dropping_ctx = &h->process[p];
    return 0;
}

/* A life of process p: its stack, over its log if it has one. */
static int wire(struct host *h, uint16_t p, char *why, size_t why_size)
{
    const struct job *job = h->job;
    struct env *env = fabric_env(h->fabric, p);
    int err = job_logs(job) ? open_disk(h, p, env, why, why_size) : 0;
    if (err != 0)
        return err;
    struct stack_conf conf = job->conf;
    conf.self = p;
    h->st[p] = co_wire(h->mem[p], job->def, &load_class, &conf, env);
    if (h->recorder[p] != NULL)
        recorder_listen(h->recorder[p], h->st[p]);
    return 0;
}

static int wire_stacks(struct host *h, char *why, size_t why_size)
{
    const struct job *job = h->job;
    if (h->board->spool_fd > 0)
        h->spools = spools_map(h->board->spool_fd, h->board->n);
    h->stack_bytes = co_wire_bytes(job->def, &load_class, &job->conf);
    for (uint16_t i = 0; i < h->selves; i++) {
        uint16_t p = h->self[i];
        void *mem = mmap(NULL, h->stack_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (mem == MAP_FAILED) {
            snprintf(why, why_size,
                     "no memory for %u stacks of %zu bytes; lower params.instances or job.n",
                     h->selves, h->stack_bytes);
            return -ENOMEM;
        }
        h->mem[p] = mem;
        if (record(h, p) != 0) {
            snprintf(why, why_size, "no memory for a recorder; write job.record = off");
            return -ENOMEM;
        }
        int err = wire(h, p, why, why_size);
        if (err != 0)
            return err;
        if (init_process(h, p) != 0) {
            snprintf(why, why_size, "no memory for frames that are held back; lower job.n");
            return -ENOMEM;
        }
        h->process[p].spool = h->spools != NULL ? &h->spools[p] : NULL;
        if (h->process[p].state == PROCESS_CRASHED) /* in an OS process that is gone */
            host_crash(h, p);
        struct host_worker *w = &h->worker[h->place.lcore[p]];
        w->process[w->count++] = &h->process[p];
    }
    return 0;
}

int host_open(struct host *h, const struct fabric_addr *addr, char *why, size_t why_size)
{
    struct fabric_conf conf = fabric_conf_of(h);
    if (addr != NULL)
        conf.addr = addr;
    int err = fabric_open(&h->fabric, &conf, why, why_size);
    return err != 0 ? err : wire_stacks(h, why, why_size);
}

void host_machine_text(char *text, size_t size)
{
    snprintf(text, size, "TSC at %.4g GHz, %s", (double)clock_start(0) / 1e9, eal_memory_text());
}

struct load_conf host_load_conf(const struct job *job, struct board *board, uint64_t start_ns)
{
    uint32_t sources =
        job->top->shape == LOAD_ONE_VALUE ? 1 : (uint32_t)__builtin_popcountll(job->sources);
    return (struct load_conf){.top = job->top,
                              .board = board,
                              .seed = job->seed,
                              .sources = job->sources,
                              .size = (uint32_t)job->size,
                              .closed = job->mode == JOB_CLOSED,
                              .window = job->window,
                              .interval_ns = 1e9 / job->rate * sources,
                              .start_ns = start_ns,
                              .arrival = job->arrival,
                              .plant = job->plant};
}

/* The load on process p, which goes on if it had lived. */
static int attach(struct host *h, uint16_t p, char *why, size_t why_size)
{
    bool lived = board_get(&board_row(h->board, p)->lives) > 0;
    if (lived && !load_can_recover(h->st[p], &h->load, why, why_size))
        return -ENOTSUP;
    load_attach(h->st[p], &h->load);
    return load_recover(h->st[p], why, why_size);
}

/* The instant at which everything begins is the same for all processes. */
int host_attach(struct host *h, uint64_t start_ns, char *why, size_t why_size)
{
    h->load = host_load_conf(h->job, h->board, start_ns);
    int err = 0;
    for (uint16_t i = 0; i < h->selves && err == 0; i++)
        if (!h->down[h->self[i]])
            err = attach(h, h->self[i], why, why_size);
    return err;
}

/* ---- running ------------------------------------------------------------------------------------- */

static int worker_run(void *arg)
{
    struct host_worker *w = arg;
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    while (board_get(&w->board->stop) == 0 && board_get(w->quit) == 0) {
        for (uint32_t i = 0; i < w->count; i++)
            process_step(w->process[i]);
        if (unlikely(board_get(&w->redial) != 0)) {
            fabric_redial(w->fabric);
            board_put(&w->redial, 0);
        }
    }
    getrusage(RUSAGE_THREAD, &after);
    w->preempted = (uint64_t)(after.ru_nivcsw - before.ru_nivcsw);
    return 0;
}

void host_launch(struct host *h)
{
    for (uint16_t k = 0; k < h->place.lcores; k++) {
        h->worker[k].board = h->board;
        h->worker[k].quit = &h->quit;
        h->worker[k].fabric = h->fabric;
        rte_eal_remote_launch(worker_run, &h->worker[k], eal_lcore(k));
    }
}

void host_watch_peers(struct host *h)
{
    if (fabric_lacks_peers(h->fabric))
        board_put(&h->worker[0].redial, 1); /* in a node there is one */
}

void host_wait(struct host *h)
{
    for (uint16_t k = 0; k < h->place.lcores; k++)
        rte_eal_wait_lcore(eal_lcore(k));
}

/* ---- crashing, recovering ------------------------------------------------------------------------ */

void host_crash(struct host *h, uint16_t p)
{
    if (h->down[p])
        return;
    h->down[p] = true;
    stack_fini(h->st[p]);
    storage_close(h->disk[p]);
    h->disk[p] = NULL;
    fabric_env(h->fabric, p)->disk = NULL;
}

void host_halted(struct host *h, uint16_t p, enum board_halt why)
{
    host_crash(h, p);
    board_put(&board_row(h->board, p)->halted, why);
}

int host_recover(struct host *h, uint16_t p, char *why, size_t why_size)
{
    struct trace *trace = h->st[p]->trace;
    if (!load_can_recover(h->st[p], &h->load, why, why_size))
        return -ENOTSUP;
    int err = wire(h, p, why, why_size);
    if (err != 0)
        return err;
    h->st[p]->trace = trace;
    h->down[p] = false;
    err = attach(h, p, why, why_size);
    if (err == 0)
        board_put(&board_row(h->board, p)->halted, BOARD_RUNS);
    else
        host_crash(h, p); /* as it was: of a disk that had failed the verdict still says so */
    return err;
}

/* ---- ending --------------------------------------------------------------------------------------- */

void host_detach(struct host *h)
{
    for (uint16_t i = 0; i < h->selves; i++)
        load_detach(h->st[h->self[i]]);
    for (uint16_t i = 0; i < h->selves; i++) {
        process_fini(&h->process[h->self[i]]);
        host_crash(h, h->self[i]);
    }
}

struct host_account host_close(struct host *h)
{
    struct host_account a = {.memory_bytes =
                                 fabric_memory_bytes(h->fabric) + h->selves * h->stack_bytes};
    for (uint16_t k = 0; k < h->place.lcores; k++)
        a.preempted += h->worker[k].preempted;
    a.leaked_pkts = fabric_close(h->fabric);
    h->fabric = NULL;
    return a;
}

void host_free(struct host *h)
{
    if (h->eal)
        eal_stop();
    for (uint32_t p = 0; p < PSET_PROCS; p++) {
        free(h->recorder[p]);
        if (h->mem[p] != NULL)
            munmap(h->mem[p], h->stack_bytes);
    }
    if (h->spools != NULL)
        spools_unmap(h->spools, h->job->n);
}
