/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `upon node`: the processes of a job that one processor runs, in an OS process of their own.
 *
 * It goes from step to step with the others, by words on the board (board.h). Its control thread
 * sleeps while the processes run. It ends when the board or a signal says so, and when its
 * launcher is gone.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "ledger.h"
#include "telemetry.h"
#include "verbs.h"

#define REST_NS      2000000   /* between two steps */
#define WATCH_NS     50000000  /* where peers may be killed and come back */
#define REST_LONG_NS 500000000 /* while the processes run: the end is told by a signal, too */

struct arguments {
    const char *job;
    const char *board;
    const char *ranks;
};

struct node {
    struct job job;
    struct host host;
    struct board *board;
    struct figures *figures; /* for DPDK's telemetry; NULL: the job does not ask for it */
    uint16_t index;          /* on the board: that of its lcore in the job's placement */
    pid_t launcher;
    sigset_t signals;
    char why[1024];
};

/* Sleep, at most so long. Whether there is a reason to end. */
static bool rest(struct node *n, long ns)
{
    const struct timespec t = {0, ns};
    return sigtimedwait(&n->signals, NULL, &t) > 0 || getppid() != n->launcher;
}

/* Wait until the word is as high. False: the node shall end instead. */
static bool await(struct node *n, const board_u64 *word, uint64_t value)
{
    while (atomic_load_explicit(word, memory_order_acquire) < value)
        if (rest(n, REST_NS))
            return false;
    return true;
}

/* "1,2" must be what the placement gives to one lcore: whose index is then known. */
static int find_index(struct node *n, const struct placement *place, const char *ranks)
{
    char *end;
    unsigned long rank = strtoul(ranks, &end, 10);
    if (end == ranks || rank >= n->job.n) {
        snprintf(n->why, sizeof n->why, "--rank %s: write the ranks of one processor, as 1,2",
                 ranks);
        return -EINVAL;
    }
    n->index = place->lcore[rank];
    char want[512] = "";
    size_t at = 0;
    for (uint16_t p = 0; p < n->job.n && at < sizeof want; p++)
        if (place->lcore[p] == n->index)
            at += (size_t)snprintf(want + at, sizeof want - at, "%s%u", at > 0 ? "," : "", p);
    if (strcmp(want, ranks) == 0)
        return 0;
    snprintf(n->why, sizeof n->why,
             "--rank %s: this processor runs %s, and two threads must not poll on one; give these, "
             "or change job.cores",
             ranks, want);
    return -EINVAL;
}

static int prepare(struct node *n, const struct arguments *a)
{
    struct placement place;
    int err = job_read(&n->job, a->job, NULL, 0, n->why, sizeof n->why);
    if (err == 0)
        err = job_check(&n->job, n->why, sizeof n->why);
    if (err != 0)
        return err;
    err = job_place(&n->job, &place, n->why, sizeof n->why);
    if (err == 0)
        err = find_index(n, &place, a->ranks);
    if (err != 0)
        return err;
    n->board = board_map(a->board, n->why, sizeof n->why);
    if (n->board == NULL)
        return -EINVAL;
    n->job.conf.log_cluster = n->board->log_cluster;
    if (n->board->ledger_kept && (err = ledger_join(&n->job, n->board, n->why, sizeof n->why)) != 0)
        return err;
    host_init_lcore(&n->host, &n->job, &place, n->index);
    n->host.board = n->board;
    return 0;
}

/* Start, and meet the others. 1: asked to end. */
static int open_host(struct node *n)
{
    struct host *h = &n->host;
    struct board_node *row = &n->board->node[n->index];
    int err = host_start(h, n->board->tsc_hz, n->why, sizeof n->why);
    if (err == 0)
        err = host_addresses(h, n->why, sizeof n->why);
    if (err != 0)
        return err;
    for (uint16_t i = 0; i < h->selves; i++)
        n->board->addr[h->self[i]] = h->addr[h->self[i]];
    board_step_put(n->board, n->index, BOARD_STEP_ADDRESSED);
    if (!await(n, &n->board->addressed, 1))
        return 1;
    err = host_open(h, n->board->addr, n->why, sizeof n->why);
    if (err != 0)
        return err;
    snprintf(row->device, sizeof row->device, "%s", fabric_describe(h->fabric));
    host_machine_text(row->machine, sizeof row->machine);
    board_step_put(n->board, n->index, BOARD_STEP_READY);
    return await(n, &n->board->start_ns, 1) ? 0 : 1;
}

/* What lives here answers to DPDK's telemetry. */
static void open_telemetry(struct node *n)
{
    uint64_t ranks = 0;
    for (uint16_t i = 0; i < n->host.selves; i++)
        ranks |= 1ull << n->host.self[i];
    n->figures = n->job.telemetry ? figures_open(&n->job, n->board, "-") : NULL;
    if (n->figures != NULL)
        telemetry_open(n->figures, ranks);
}

static int run_host(struct node *n)
{
    int err = host_attach(&n->host, board_get(&n->board->start_ns), n->why, sizeof n->why);
    if (err != 0)
        return err;
    host_launch(&n->host);
    open_telemetry(n);
    while (board_get(&n->board->stop) == 0 &&
           !rest(n, n->job.restart > 0 ? WATCH_NS : REST_LONG_NS))
        if (n->job.restart > 0)
            host_watch_peers(&n->host);
    board_put(&n->host.quit, 1);
    telemetry_close();
    figures_close(n->figures);
    host_wait(&n->host);
    host_detach(&n->host);
    return 0;
}

static void close_host(struct node *n)
{
    struct board_node *row = &n->board->node[n->index];
    board_step_put(n->board, n->index, BOARD_STEP_RETURNED);
    if (board_get(&n->board->stop) != 0)
        (void)await(n, &n->board->close_turn, n->index + 1u);
    const struct host_account a = host_close(&n->host);
    board_put(&row->memory_bytes, a.memory_bytes);
    board_put(&row->leaked_pkts, a.leaked_pkts);
    board_put(&row->preempted, a.preempted);
    if (board_get(&n->board->stop) != 0) /* or it went before its time, which its launcher says */
        board_step_put(n->board, n->index, BOARD_STEP_CLOSED);
}

static int node(struct node *n, const struct arguments *a)
{
    int err = prepare(n, a);
    if (err == 0)
        err = open_host(n);
    if (err < 0) {
        fprintf(stderr, "upon: %s\n", n->why);
        return STATUS_FAILED;
    }
    if (err > 0)
        return STATUS_FAILED;
    if (run_host(n) != 0) {
        fprintf(stderr, "upon: %s\n", n->why);
        return STATUS_FAILED;
    }
    close_host(n);
    return STATUS_VALID;
}

/* ---- arguments -------------------------------------------------------------------------------------- */

static const struct argp_option options[] = {
    {"job", 'f', "FILE", 0, "The job, as `upon run` resolved it", 0},
    {"board", 'b', "FILE", 0, "The board that the run shares", 0},
    {"rank", 'r', "R,…", 0, "The processes to run: all that the placement gives to a processor", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'f':
        a->job = arg;
        return 0;
    case 'b':
        a->board = arg;
        return 0;
    case 'r':
        a->ranks = arg;
        return 0;
    case ARGP_KEY_END:
        if (a->job == NULL || a->board == NULL || a->ranks == NULL)
            argp_error(state, "give --job, --board and --rank; `upon run` does");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int node_main(int argc, char **argv)
{
    static const struct argp argp =
        {.options = options,
         .parser = parse,
         .doc = "Run some processes of a job in an OS process of their own.\v"
                "`upon run` starts a node for each processor when the device reaches from one OS "
                "process to another: memif, af_packet, tap."};
    struct arguments args = {0};
    argp_err_exit_status = STATUS_FAILED;
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
        return STATUS_FAILED;
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL) {
        fprintf(stderr, "upon: no memory\n");
        return STATUS_FAILED;
    }
    n->launcher = getppid();
    sigemptyset(&n->signals);
    sigaddset(&n->signals, SIGINT);
    sigaddset(&n->signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &n->signals, NULL); /* before EAL makes threads, which inherit it */
    int status = node(n, &args);
    host_free(&n->host);
    board_close(n->board);
    free(n);
    return status;
}
