/* SPDX-License-Identifier: BSD-3-Clause */
#include "nodes.h"

#include "dataplane/refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/clock.h"

#define START_TIMEOUT_NS 60000000000ull /* EAL, ports, peers */
#define STOP_TIMEOUT_NS  5000000000ull
#define POLL_NS          2000000
#define WORDS_BYTES      16384 /* of what a node wrote, from the end: a backtrace and more */

static_assert(BOARD_NODES_MAX >= PSET_PROCS, "a node for each process, at most");

/* ---- what a node was ---------------------------------------------------------------------------- */

/* "1,2": the processes of the k-th lcore. */
static void ranks_text(const struct placement *p, uint16_t k, char *text, size_t size)
{
    size_t at = 0;
    for (uint16_t i = 0; i < p->n && at < size; i++)
        if (p->lcore[i] == k)
            at += (size_t)snprintf(text + at, size - at, "%s%u", at > 0 ? "," : "", i);
}

const char *nodes_words(char *said)
{
    static const char panic[] = "panic in ", own[] = "upon: "; /* DPDK writes PANIC */
    size_t len = strlen(said);
    while (len > 0 && said[len - 1] == '\n')
        said[--len] = '\0';
    char *line = strcasestr(said, panic);
    if (line != NULL && (line = strstr(line, "():")) != NULL) {
        line += 3;
        line += strspn(line, " \n");
        line[strcspn(line, "\n")] = '\0';
    } else {
        line = strrchr(said, '\n');
        line = line != NULL ? line + 1 : said;
    }
    return strncmp(line, own, strlen(own)) == 0 ? line + strlen(own) : line;
}

/* What it wrote last; "" if it wrote nothing. */
static void last_words(int fd, char *text, size_t size)
{
    char said[WORDS_BYTES];
    off_t end = lseek(fd, 0, SEEK_END), room = sizeof said - 1;
    ssize_t got = end > 0 ? pread(fd, said, sizeof said - 1, end > room ? end - room : 0) : 0;
    said[got > 0 ? got : 0] = '\0';
    snprintf(text, size, "%s", nodes_words(said));
}

/* Keep what the first one died of: it takes others along. */
static void note_death(struct nodes *n, uint16_t k, pid_t pid, int status)
{
    char words[320], how[96];
    uint64_t crashed = board_get(&n->board->crashed);
    for (uint16_t p = 0; p < n->place.n; p++)
        if (n->place.lcore[p] == k)
            crashed |= 1ull << p;
    board_put(&n->board->crashed, crashed);
    if (n->lost++ > 0)
        return;
    last_words(n->node[k].words, words, sizeof words);
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was ended by signal %d, %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended by itself with status %d", WEXITSTATUS(status));
    snprintf(n->why, sizeof n->why, "the node of p%s (OS process %d) %s%s%s", n->node[k].ranks,
             (int)pid, how, words[0] != '\0' ? "; it said: " : "", words);
}

static int launch(struct nodes *n, uint16_t k);

/* Let the processes of a node recover, in another OS process. They are not down for good. */
static bool start_again(struct nodes *n, uint16_t k)
{
    bool running = board_get(&n->board->start_ns) != 0 && !n->stopping;
    if (!running || n->restarts >= n->job->restart)
        return false;
    n->restarts++;
    board_step_put(n->board, k, BOARD_STEP_NONE);
    close(n->node[k].words);
    return launch(n, k) == 0;
}

bool nodes_reap(struct nodes *n)
{
    uint32_t before = n->lost;
    for (uint16_t k = 0; k < n->count; k++) {
        int status = 0;
        pid_t pid = n->node[k].pid;
        if (pid == 0 || waitpid(pid, &status, WNOHANG) != pid)
            continue;
        n->node[k].pid = 0;
        if ((board_step(n->board, k) != BOARD_STEP_CLOSED || status != 0) && !start_again(n, k))
            note_death(n, k, pid, status);
    }
    return n->lost > before && nodes_spoilt(n);
}

bool nodes_spoilt(const struct nodes *n)
{
    bool running = board_get(&n->board->start_ns) != 0;
    return n->lost > 0 && !(running && n->job->tolerate_crash && n->lost < n->count);
}

/* ---- starting ----------------------------------------------------------------------------------- */

/* The job as it was resolved, with what is this run's alone. */
static int put_job(struct nodes *n)
{
    struct job job = *n->job;
    char sockets[JOB_SOCKETS_BYTES];
    const char *args = job_device_args(n->job, sockets);
    memmove(job.device_args, args, strlen(args) + 1);
    job.cluster = job.conf.cluster; /* which was drawn, perhaps */
    n->job_fd = memfd_create("upon-job", 0);
    FILE *f = n->job_fd >= 0 ? fdopen(dup(n->job_fd), "w") : NULL;
    if (f == NULL)
        return -errno;
    job_write(&job, f);
    return fclose(f) == 0 ? 0 : -errno;
}

/* In the child: become a node. Out of the terminal's foreground, so that Ctrl-C reaches the
 * launcher alone, which ends the nodes in order. */
static void become_node(const struct nodes *n, uint16_t k, pid_t launcher)
{
    char job[64], board[64], ranks[sizeof n->node[k].ranks], verb[] = "node";
    char *argv[] = {"upon", verb, "--job", job, "--board", board, "--rank", ranks, NULL};
    snprintf(job, sizeof job, "/proc/self/fd/%d", n->job_fd);
    snprintf(board, sizeof board, "/proc/self/fd/%d", n->board_fd);
    snprintf(ranks, sizeof ranks, "%s", n->node[k].ranks);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher)
        _exit(2); /* it was gone before the kernel knew that we care */
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(n->node[k].words, STDOUT_FILENO);
    dup2(n->node[k].words, STDERR_FILENO);
    execv("/proc/self/exe", argv);
    dprintf(STDERR_FILENO, "the program cannot be run again: %s\n", strerror(errno));
    _exit(2);
}

static int launch(struct nodes *n, uint16_t k)
{
    pid_t launcher = getpid();
    ranks_text(&n->place, k, n->node[k].ranks, sizeof n->node[k].ranks);
    n->node[k].words = memfd_create("upon-words", MFD_CLOEXEC);
    if (n->node[k].words < 0 || fcntl(n->node[k].words, F_SETFL, O_APPEND) != 0)
        return -errno;
    if (n->count <= k)
        n->count = (uint16_t)(k + 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become_node(n, k, launcher);
    n->node[k].pid = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : -errno;
}

/* Sleep a little. Whether a signal asks to end. */
static bool rest(struct nodes *n)
{
    const struct timespec t = {0, POLL_NS};
    int signal = sigtimedwait(&n->signals, NULL, &t);
    return signal == SIGINT || signal == SIGTERM || signal == SIGHUP;
}

/* Wait until node k has come so far. */
static int await(struct nodes *n, uint16_t k, enum board_step step, uint64_t until_ns, char *why,
                 size_t why_size)
{
    while (board_step(n->board, k) < step) {
        if (rest(n))
            return refuse_as(why, why_size, -EINTR, "interrupted before the start");
        if (nodes_reap(n))
            return refuse_as(why, why_size, -ECHILD, "%s", n->why);
        if (clock_now_ns() > until_ns)
            return refuse_as(why, why_size, -ETIMEDOUT, "the node of p%s is not ready after %llu s",
                             n->node[k].ranks, START_TIMEOUT_NS / 1000000000);
    }
    return 0;
}

int nodes_start(struct nodes *n, const struct job *job, const struct placement *place,
                struct board *board, int board_fd, const sigset_t *signals, char *why,
                size_t why_size)
{
    *n = (struct nodes){.job = job,
                        .place = *place,
                        .board = board,
                        .board_fd = board_fd,
                        .job_fd = -1,
                        .signals = *signals};
    uint64_t until = clock_now_ns() + START_TIMEOUT_NS;
    board->tsc_hz = clock_start(0);
    int err = put_job(n);
    if (err != 0)
        snprintf(why, why_size, "no file in memory for the job: %s", strerror(-err));
    /* One after another: each sees how many hugepages the others left. */
    for (uint16_t k = 0; k < place->lcores && err == 0; k++) {
        err = launch(n, k);
        if (err != 0)
            snprintf(why, why_size, "no OS process for a node: %s", strerror(-err));
        else
            err = await(n, k, BOARD_STEP_ADDRESSED, until, why, why_size);
    }
    atomic_store_explicit(&board->addressed, 1, memory_order_release);
    for (uint16_t k = 0; k < place->lcores && err == 0; k++)
        err = await(n, k, BOARD_STEP_READY, until, why, why_size);
    return err;
}

/* ---- ending -------------------------------------------------------------------------------------- */

static bool alive(const struct nodes *n, uint16_t k)
{
    return n->node[k].pid != 0;
}

/* Wait for node k to come so far, or to its end. Who takes too long is killed. */
static void await_end(struct nodes *n, uint16_t k, enum board_step step)
{
    uint64_t until = clock_now_ns() + STOP_TIMEOUT_NS;
    while (alive(n, k) && board_step(n->board, k) < step) {
        (void)rest(n);
        nodes_reap(n);
        if (alive(n, k) && clock_now_ns() > until) {
            if (n->lost++ == 0)
                snprintf(
                    n->why, sizeof n->why,
                    "the node of p%s (OS process %d) did not end within %llu s, and was killed",
                    n->node[k].ranks, (int)n->node[k].pid, STOP_TIMEOUT_NS / 1000000000);
            kill(n->node[k].pid, SIGKILL);
            waitpid(n->node[k].pid, NULL, 0);
            n->node[k].pid = 0;
        }
    }
}

/* No port is closed while a peer polls, and no two at a time: what a peer's going does to a port
 * is done before that one closes. */
struct host_account nodes_stop(struct nodes *n)
{
    struct host_account a = {0};
    n->stopping = true;
    board_put(&n->board->stop, 1);
    for (uint16_t k = 0; k < n->count; k++)
        if (alive(n, k))
            kill(n->node[k].pid, SIGTERM);
    for (uint16_t k = 0; k < n->count; k++)
        await_end(n, k, BOARD_STEP_RETURNED);
    for (uint16_t k = 0; k < n->count; k++) {
        atomic_store_explicit(&n->board->close_turn, k + 1, memory_order_release);
        await_end(n, k, BOARD_STEP_CLOSED);
        const struct board_node *row = &n->board->node[k];
        a.memory_bytes += board_get(&row->memory_bytes);
        a.leaked_pkts += board_get(&row->leaked_pkts);
        a.preempted += board_get(&row->preempted);
    }
    return a;
}

void nodes_end(struct nodes *n)
{
    for (uint16_t k = 0; k < n->count; k++) {
        /* It has nothing left to do but to leave; or there is no run for it. */
        if (alive(n, k)) {
            if (board_step(n->board, k) != BOARD_STEP_CLOSED)
                kill(n->node[k].pid, SIGKILL);
            waitpid(n->node[k].pid, NULL, 0);
            n->node[k].pid = 0;
        }
        close(n->node[k].words);
    }
    if (n->job_fd >= 0)
        close(n->job_fd);
    n->count = 0;
}
