/* SPDX-License-Identifier: BSD-3-Clause */
/* A page of figures as JSON: the schema stands in looking.md. */
#include "figures.h"

#define PUT(object, key, value) json_object_set_new(object, key, value)

static json_t *count(uint64_t v)
{
    return json_integer((json_int_t)v);
}

/* Figures a second to one digit behind the point: nobody reads more. */
static json_t *rate(double v)
{
    return json_real((double)(int64_t)(v * 10 + 0.5) / 10);
}

static json_t *seconds(double v)
{
    return json_real((double)(int64_t)(v * 1e3 + (v < 0 ? -0.5 : 0.5)) / 1e3);
}

static json_t *latency_ns(uint64_t v)
{
    return v != UINT64_MAX ? count(v) : json_null();
}

static json_t *set(uint64_t ranks)
{
    json_t *a = json_array();
    for (; ranks != 0; ranks &= ranks - 1)
        json_array_append_new(a, json_integer(__builtin_ctzll(ranks)));
    return a;
}

static json_t *counters(const struct figures_process *fp, uint32_t first, uint32_t end)
{
    json_t *o = json_object();
    for (uint32_t c = first; c < end; c++)
        if (fp->counters[c] != 0)
            PUT(o, counter_texts[c].id, count(fp->counters[c]));
    return o;
}

static double drops_per_s(const struct figures_process *fp)
{
    double sum = 0;
    for (uint32_t c = COUNT_drop_first; c < COUNTERS; c++)
        sum += fp->counters_per_s[c];
    return sum;
}

static json_t *process(const struct figures_page *page, uint16_t p)
{
    const struct figures_process *fp = &page->process[p];
    const struct co_post *post = &fp->post;
    json_t *o = json_object();
    PUT(o, "rank", json_integer(p));
    PUT(o, "state", json_string(figures_states[fp->state]));
    PUT(o, "role", json_string(figures_roles[fp->role]));
    PUT(o, "trusts", post->have & POST_TRUSTED ? count(post->trusted) : json_null());
    PUT(o, "epoch", post->have & POST_EPOCH ? count(post->epoch) : json_null());
    PUT(o, "leader", post->have & POST_EPOCH ? count(post->leader) : json_null());
    PUT(o, "suspects", set(post->suspected | post->crashed));
    PUT(o, "suspected_by", set(fp->suspected_by));
    PUT(o, "issued", count(fp->issued));
    PUT(o, "delivered", count(fp->delivered));
    PUT(o, "sent_per_s", rate(fp->sent_per_s));
    PUT(o, "delivered_per_s", rate(fp->delivered_per_s));
    PUT(o, "p50_ns", latency_ns(fp->latency.p50_ns));
    PUT(o, "p99_ns", latency_ns(fp->latency.p99_ns));
    PUT(o, "pending", count(fp->pending));
    PUT(o, "flight", count(fp->flight));
    PUT(o, "window", count(fp->window));
    PUT(o, "queued", count(fp->queued));
    PUT(o, "resent_per_s", rate(fp->counters_per_s[COUNT_tx_retransmits]));
    PUT(o, "drops_per_s", rate(drops_per_s(fp)));
    PUT(o, "counters", counters(fp, 0, COUNT_drop_first));
    PUT(o, "drops", counters(fp, COUNT_drop_first, COUNTERS));
    PUT(o, "posted_s_ago",
        fp->posted ? seconds(((double)page->at_ns - (double)fp->post_ns) / 1e9) : json_null());
    return o;
}

static json_t *link(uint16_t from, uint16_t to, const struct post_link *l)
{
    json_t *o = json_object();
    PUT(o, "from", json_integer(from));
    PUT(o, "to", json_integer(to));
    PUT(o, "state", json_string(figures_link_states[l->state]));
    PUT(o, "flight", count(l->flight));
    PUT(o, "window", count(l->window));
    PUT(o, "credit", count(l->credit));
    PUT(o, "queued", count(l->queued));
    PUT(o, "rtt_ns", l->rtt_ns != 0 ? count(l->rtt_ns) : json_null());
    PUT(o, "stalled_s", seconds((double)l->stalled_ns / 1e9));
    PUT(o, "resent", count(l->resent));
    return o;
}

/* With many processes only what is worth a look: who holds something up. */
static json_t *links(const struct figures_page *page, uint16_t n)
{
    json_t *a = json_array();
    for (uint16_t p = 0; p < n; p++)
        for (uint16_t q = 0; q < n; q++) {
            const struct post_link *l = &page->process[p].post.link[q];
            bool plain = l->stalled_ns < FIGURES_STALLED_NS && l->state != POST_LINK_LOST;
            if (l->state == POST_LINK_NONE || (n > FIGURES_LINKS_ALL_N && plain) ||
                json_array_size(a) >= FIGURES_LINKS_ALL_N * FIGURES_LINKS_ALL_N)
                continue;
            json_array_append_new(a, link(p, q, l));
        }
    return a;
}

static json_t *wait(const struct figures_wait *w, uint16_t n)
{
    char text[FIGURES_TEXT_BYTES];
    json_t *o = json_object();
    PUT(o, "process", json_integer(w->process));
    PUT(o, "layer", json_string(w->layer));
    PUT(o, "for", json_string(figures_wait_kinds[w->wait.kind]));
    PUT(o, "open", count(w->wait.open));
    PUT(o, "oldest", w->wait.kind == FIGURES_LINK ? json_null() : count(w->wait.oldest));
    PUT(o, "origin", w->wait.origin == NOBODY_POSTED ? json_null() : count(w->wait.origin));
    PUT(o, "need", count(w->wait.need));
    PUT(o, "have", set(w->wait.have));
    PUT(o, "missing", set(w->wait.missing));
    PUT(o, "age_s", seconds(w->age_s));
    PUT(o, "text", json_string(figures_wait_text(text, sizeof text, w, n)));
    return o;
}

static json_t *total(const struct figures_page *page)
{
    json_t *o = json_object();
    PUT(o, "offered_per_s", page->offered_per_s > 0 ? rate(page->offered_per_s) : json_null());
    PUT(o, "sent_per_s", rate(page->sent_per_s));
    PUT(o, "delivered_per_s", rate(page->delivered_per_s));
    PUT(o, "p50_ns", latency_ns(page->latency.p50_ns));
    PUT(o, "p99_ns", latency_ns(page->latency.p99_ns));
    PUT(o, "resent_per_s", rate(page->resent_per_s));
    PUT(o, "drops", count(page->drops));
    PUT(o, "drops_per_s", rate(page->drops_per_s));
    return o;
}

json_t *figures_page_json(const struct figures *f, const struct figures_page *page)
{
    const struct job *job = figures_job(f);
    uint16_t n = (uint16_t)job->n;
    json_t *o = json_object(), *processes = json_array(), *waits = json_array();
    for (uint16_t p = 0; p < n; p++)
        json_array_append_new(processes, process(page, p));
    for (uint32_t i = 0; i < page->waits; i++)
        json_array_append_new(waits, wait(&page->wait[i], n));
    PUT(o, "schema", json_string(FIGURES_SCHEMA));
    PUT(o, "run", json_string(figures_run(f)));
    PUT(o, "stack", json_string(job->stack));
    PUT(o, "device", json_string(job->device));
    PUT(o, "n", json_integer(n));
    PUT(o, "size", count(job->size));
    PUT(o, "phase", json_string(figures_phases[page->phase]));
    PUT(o, "time_s", seconds(page->time_s));
    PUT(o, "duration_s", seconds((double)job->duration_ns / 1e9));
    PUT(o, "interval_s", seconds(page->interval_s));
    PUT(o, "total", total(page));
    PUT(o, "process", processes);
    PUT(o, "link", links(page, n));
    PUT(o, "wait", waits);
    return o;
}

json_t *figures_json(struct figures *f)
{
    json_t *o = figures_page_json(f, figures_lock(f, 0));
    figures_unlock(f);
    return o;
}
