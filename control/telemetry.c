/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include "result.h"

/* The names of 22.11 were replaced in 23.03. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define add_count rte_tel_data_add_dict_uint
#else
#define add_count rte_tel_data_add_dict_u64
#endif

/* DPDK's callbacks carry no context. The lock keeps an answer from outliving the figures. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct figures *shown;
static uint64_t shown_ranks;

static bool lives_here(unsigned long rank)
{
    return rank < PSET_PROCS && (shown_ranks >> rank & 1) != 0;
}

/* "N": the rank of a process that lives here; moves on behind it. −EINVAL: it is none. */
static int read_rank(const char **params, unsigned long *rank)
{
    char *end;
    if (*params == NULL || **params < '0' || **params > '9')
        return -EINVAL;
    *rank = strtoul(*params, &end, 10);
    *params = *end == ',' ? end + 1 : end;
    return *rank < figures_board(shown)->n && (*end == '\0' || *end == ',') ? 0 : -EINVAL;
}

static void add_ns(struct rte_tel_data *d, const char *name, uint64_t ns)
{
    if (ns != UINT64_MAX) /* too few samples: left out */
        add_count(d, name, ns);
}

static void add_set(struct rte_tel_data *d, const char *name, uint64_t set)
{
    char text[FIGURES_TEXT_BYTES];
    rte_tel_data_add_dict_string(d, name, figures_set_text(text, sizeof text, set));
}

/* ---- the endpoints ---------------------------------------------------------------------------------- */

static int tell_info(const struct figures_page *page, const char *params, struct rte_tel_data *d)
{
    const struct job *job = figures_job(shown);
    (void)params;
    rte_tel_data_start_dict(d);
    rte_tel_data_add_dict_string(d, "revision", upon_revision);
    rte_tel_data_add_dict_string(d, "run", figures_run(shown));
    rte_tel_data_add_dict_string(d, "stack", job->stack);
    rte_tel_data_add_dict_string(d, "device", job->device);
    rte_tel_data_add_dict_string(d, "phase", figures_phases[page->phase]);
    add_count(d, "n", job->n);
    add_count(d, "run_ms", page->time_s > 0 ? (uint64_t)(page->time_s * 1e3) : 0);
    add_set(d, "here", shown_ranks);
    return 0;
}

static int tell_process(const struct figures_page *page, const char *params, struct rte_tel_data *d)
{
    unsigned long p;
    if (params == NULL || *params == '\0') {
        rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
        for (int q = 0; q < PSET_PROCS; q++)
            if (lives_here((unsigned long)q))
                rte_tel_data_add_array_int(d, q);
        return 0;
    }
    if (read_rank(&params, &p) != 0 || *params != '\0' || !lives_here(p))
        return -EINVAL;
    const struct figures_process *fp = &page->process[p];
    rte_tel_data_start_dict(d);
    rte_tel_data_add_dict_string(d, "state", figures_states[fp->state]);
    rte_tel_data_add_dict_string(d, "role", figures_roles[fp->role]);
    add_set(d, "suspects", fp->post.suspected | fp->post.crashed);
    add_set(d, "suspected_by", fp->suspected_by);
    add_count(d, "issued", fp->issued);
    add_count(d, "delivered", fp->delivered);
    add_count(d, "sent_per_s", (uint64_t)fp->sent_per_s);
    add_count(d, "delivered_per_s", (uint64_t)fp->delivered_per_s);
    add_ns(d, "p50_ns", fp->latency.p50_ns);
    add_ns(d, "p99_ns", fp->latency.p99_ns);
    add_count(d, "pending", fp->pending);
    add_count(d, "flight", fp->flight);
    add_count(d, "queued", fp->queued);
    for (uint32_t c = 0; c < COUNT_drop_first; c++)
        add_count(d, counter_texts[c].id, fp->counters[c]);
    return 0;
}

static int tell_link(const struct figures_page *page, const char *params, struct rte_tel_data *d)
{
    unsigned long p, q;
    char pair[32];
    if (params == NULL || *params == '\0') {
        rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
        for (unsigned i = 0; i < figures_board(shown)->n; i++)
            for (unsigned k = 0; k < figures_board(shown)->n && lives_here(i); k++) {
                snprintf(pair, sizeof pair, "%u,%u", i, k);
                if (page->process[i].post.link[k].state != POST_LINK_NONE)
                    rte_tel_data_add_array_string(d, pair);
            }
        return 0;
    }
    if (read_rank(&params, &p) != 0 || read_rank(&params, &q) != 0 || *params != '\0' ||
        !lives_here(p))
        return -EINVAL;
    const struct post_link *l = &page->process[p].post.link[q];
    rte_tel_data_start_dict(d);
    rte_tel_data_add_dict_string(d, "state", figures_link_states[l->state]);
    add_count(d, "window", l->window);
    add_count(d, "flight", l->flight);
    add_count(d, "credit", l->credit);
    add_count(d, "queued", l->queued);
    add_count(d, "rtt_ns", l->rtt_ns);
    add_count(d, "stalled_ns", l->stalled_ns);
    add_count(d, "resent", l->resent);
    return 0;
}

static int tell_drops(const struct figures_page *page, const char *params, struct rte_tel_data *d)
{
    unsigned long only = PSET_PROCS;
    if (params != NULL && *params != '\0' &&
        (read_rank(&params, &only) != 0 || *params != '\0' || !lives_here(only)))
        return -EINVAL;
    rte_tel_data_start_dict(d);
    for (uint32_t c = COUNT_drop_first; c < COUNTERS; c++) {
        uint64_t sum = 0;
        for (unsigned p = 0; p < figures_board(shown)->n; p++)
            if (lives_here(p) && (only == PSET_PROCS || only == p))
                sum += page->process[p].counters[c];
        add_count(d, counter_texts[c].id, sum);
    }
    return 0;
}

static int tell_wait(const struct figures_page *page, const char *params, struct rte_tel_data *d)
{
    (void)params;
    rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
    for (uint32_t i = 0; i < page->waits; i++) {
        const struct figures_wait *w = &page->wait[i];
        char text[FIGURES_TEXT_BYTES], line[RTE_TEL_MAX_STRING_LEN];
        if (!lives_here(w->process))
            continue;
        figures_wait_text(text, sizeof text, w, (uint16_t)figures_board(shown)->n);
        snprintf(line, sizeof line, "p%u %s %.1f s: %.80s", w->process, w->layer, w->age_s, text);
        if (rte_tel_data_add_array_string(d, line) != 0)
            break; /* as many as DPDK takes */
    }
    return 0;
}

/* ---- registering ------------------------------------------------------------------------------------ */

static const struct endpoint {
    const char *path;
    int (*tell)(const struct figures_page *page, const char *params, struct rte_tel_data *d);
    const char *help;
} endpoints[] = {
    {"/upon/info", tell_info, "What runs. Takes no parameters"},
    {"/upon/process", tell_process, "Ranks of the processes here; or one. Parameters: rank"},
    {"/upon/link", tell_link, "Links of the processes here; or one. Parameters: rank,peer"},
    {"/upon/drops", tell_drops, "Drops by cause, of all here or of one. Parameters: rank"},
    {"/upon/wait", tell_wait, "Whom the oldest operations wait for. Takes no parameters"},
};
#define ENDPOINTS (sizeof endpoints / sizeof endpoints[0])

static int answer(const char *cmd, const char *params, struct rte_tel_data *d)
{
    int err = -ENODEV;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; shown != NULL && i < ENDPOINTS; i++)
        if (strcmp(endpoints[i].path, cmd) == 0) {
            err = endpoints[i].tell(figures_lock(shown, 0), params, d);
            figures_unlock(shown);
        }
    pthread_mutex_unlock(&lock);
    return err;
}

int telemetry_open(struct figures *f, uint64_t ranks)
{
    pthread_mutex_lock(&lock);
    shown = f;
    shown_ranks = ranks;
    pthread_mutex_unlock(&lock);
    int err = 0;
    for (size_t i = 0; i < ENDPOINTS && err == 0; i++)
        err = rte_telemetry_register_cmd(endpoints[i].path, answer, endpoints[i].help);
    return err;
}

void telemetry_close(void)
{
    pthread_mutex_lock(&lock);
    shown = NULL;
    pthread_mutex_unlock(&lock);
}
