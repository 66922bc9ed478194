/* SPDX-License-Identifier: BSD-3-Clause */
#include "verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *verdict_name(enum verdict_state s)
{
    static const char *const names[] = {"valid", "invalid", "unknown"};
    return names[s];
}

int verdict_status(const struct verdict *v)
{
    return v->state == VERDICT_VALID ? 0 : v->state == VERDICT_INVALID ? 1 : 2;
}

static void add(struct verdict *v, const char *code)
{
    if (code != NULL)
        v->property[v->properties++] = (struct verdict_property){.code = code};
}

/* In the order of modules.def, which is that of their numbers. */
void verdict_open(struct verdict *v, const struct load_top *top)
{
    const struct load_properties *p = &top->property;
    *v = (struct verdict){.top = top};
    for (uint32_t i = 0; i < property_info_count; i++) {
        const char *code = property_infos[i].code;
        const char *const judged[] = {p->complete,    p->own,   p->creation,
                                      p->duplication, p->order, p->agreement};
        for (size_t k = 0; k < sizeof judged / sizeof judged[0]; k++)
            if (judged[k] != NULL && strcmp(code, judged[k]) == 0)
                add(v, judged[k]);
    }
}

/* The first finding about a property stays, unless a worse one comes. */
static void find(struct verdict *v, const char *code, enum verdict_state state, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

static void find(struct verdict *v, const char *code, enum verdict_state state, const char *format,
                 ...)
{
    for (uint32_t i = 0; code != NULL && i < v->properties; i++) {
        struct verdict_property *p = &v->property[i];
        if (strcmp(p->code, code) != 0 || p->state == VERDICT_INVALID || p->state == state)
            continue;
        p->state = state;
        va_list args;
        va_start(args, format);
        vsnprintf(p->witness, sizeof p->witness, format, args);
        va_end(args);
    }
}

struct verdict_property *verdict_property(struct verdict *v, const char *code)
{
    for (uint32_t i = 0; i < v->properties; i++)
        if (strcmp(v->property[i].code, code) == 0)
            return &v->property[i];
    if (v->properties == VERDICT_PROPERTIES_MAX)
        return NULL;
    add(v, code);
    struct verdict_property *p = &v->property[v->properties - 1];
    p->state = VERDICT_UNKNOWN;
    p->judged_by = JUDGED_BY_CHECKER;
    return p;
}

void verdict_settle(struct verdict *v)
{
    v->state = v->notes > 0 ? VERDICT_UNKNOWN : VERDICT_VALID;
    for (uint32_t i = 0; i < v->properties; i++) {
        const struct verdict_property *p = &v->property[i];
        if (p->state == VERDICT_INVALID)
            v->state = VERDICT_INVALID;
        else if (p->state == VERDICT_UNKNOWN && !p->aside && v->state == VERDICT_VALID)
            v->state = VERDICT_UNKNOWN;
    }
}

void verdict_note(struct verdict *v, const char *format, ...)
{
    if (v->state == VERDICT_VALID)
        v->state = VERDICT_UNKNOWN;
    if (v->notes == VERDICT_NOTES_MAX)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(v->note[v->notes++], VERDICT_TEXT_BYTES, format, args);
    va_end(args);
}

void verdict_break(struct verdict *v, const char *format, ...)
{
    char text[VERDICT_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    verdict_note(v, "%s", text);
    v->state = VERDICT_INVALID;
}

/* ---- consensus: blocks of decisions -----------------------------------------------------------
 */

struct block_view {
    uint64_t count;
    uint64_t digest;
    bool lapped; /* a later block stands in its place */
};

static struct block_view block_read(const struct board *b, uint32_t p, uint64_t block)
{
    const struct board_block *at = &board_blocks(b, p)[(block + 1) % b->blocks];
    uint64_t number = atomic_load_explicit(&at->number, memory_order_acquire);
    struct block_view v = {.lapped = number > block + 1};
    if (number != block + 1)
        return v;
    v.count = atomic_load_explicit(&at->count, memory_order_acquire);
    v.digest = board_get(&at->digest);
    atomic_thread_fence(memory_order_acquire);
    v.lapped = board_get(&at->number) != number; /* meanwhile: the digest may be the later one's */
    return v;
}

/* It decided other instances than the others, and was told so: what it decided counts block by block. */
static bool left_behind(const struct board *b, uint32_t p)
{
    return board_get(&board_row(b, p)->fault[BOARD_LEFT_BEHIND]) > 0;
}

/* It is to have decided all that is decided. */
static bool has_all(const struct board *b, uint32_t p)
{
    return board_correct(b, p) && !left_behind(b, p);
}

static uint32_t first_with_all(const struct board *b)
{
    uint32_t p = 0;
    while (p + 1 < b->n && !has_all(b, p))
        p++;
    return p;
}

/*
 * Compare a block that everybody has decided. False when somebody has not. Who crashed may lack it;
 * if it has it, it must have decided the same: agreement is uniform.
 */
static bool block_compare(struct verdict *v, const struct board *b, uint64_t block, uint64_t count)
{
    uint32_t one = first_with_all(b);
    if (!has_all(b, one))
        return false; /* nobody is left to compare with */
    struct block_view first = block_read(b, one, block);
    bool lapped = first.lapped;
    if (!lapped && first.count < count)
        return false;
    for (uint32_t p = 0; p < b->n && !lapped; p++) {
        struct block_view other = block_read(b, p, block);
        if (!has_all(b, p) && (other.count != count || count != BOARD_BLOCK_INSTANCES))
            continue; /* of a part it may have posted the digest and not the count */
        lapped = other.lapped;
        if (!lapped && other.count < count)
            return false;
        if (!lapped && other.digest != first.digest)
            find(v, v->top->property.agreement, VERDICT_INVALID,
                 "p%u and p%u decided differently among instances %" PRIu64 " to %" PRIu64, p, one,
                 block * BOARD_BLOCK_INSTANCES, block * BOARD_BLOCK_INSTANCES + count - 1);
    }
    if (lapped)
        v->lapped_blocks++;
    else
        v->compared_blocks++;
    return true;
}

void verdict_compare(struct verdict *v, const struct board *b)
{
    if (v->top->shape != LOAD_ONE_VALUE)
        return;
    while (block_compare(v, b, v->next_block, BOARD_BLOCK_INSTANCES))
        v->next_block++;
}

/* The last block ends where all processes end; then whole sequences are compared at once. */
static void compare_rest(struct verdict *v, const struct board *b)
{
    const char *code = v->top->property.agreement;
    verdict_compare(v, b);
    uint32_t one = first_with_all(b);
    uint64_t floor = board_get(&board_source(b, one, 0)->floor);
    uint64_t digest = board_get(&board_source(b, one, 0)->digest);
    bool level = true;
    for (uint32_t p = 0; p < b->n; p++) {
        const struct board_source *s = board_source(b, p, 0);
        if (has_all(b, p))
            level = level && board_get(&s->floor) == floor && board_get(&s->top) == floor;
    }
    if (!level) {
        find(v, code, VERDICT_UNKNOWN,
             "processes ended at different instances: compared up to instance %" PRIu64,
             v->next_block * BOARD_BLOCK_INSTANCES);
    } else {
        uint64_t rest = floor % BOARD_BLOCK_INSTANCES;
        if (rest > 0)
            block_compare(v, b, floor / BOARD_BLOCK_INSTANCES, rest);
        for (uint32_t p = 0; p < b->n; p++)
            if (has_all(b, p) && board_get(&board_source(b, p, 0)->digest) != digest)
                find(v, code, VERDICT_INVALID,
                     "p%u and p%u decided differently among instances 0 to %" PRIu64, p, one,
                     floor - 1);
    }
    if (v->lapped_blocks > 0 && !level)
        find(v, code, VERDICT_UNKNOWN, "%" PRIu64 " blocks were overwritten before a comparison",
             v->lapped_blocks);
}

/* ---- what arrived ------------------------------------------------------------------------------
 */

static uint64_t instances_issued(const struct board *b)
{
    uint64_t most = 0;
    for (uint32_t p = 0; p < b->n; p++)
        if (board_correct(b, p) && board_get(&board_row(b, p)->issued) > most)
            most = board_get(&board_row(b, p)->issued);
    return most;
}

static bool receives(const struct load_top *top, const struct board *b, uint32_t p, uint32_t source)
{
    return top->shape == LOAD_TO_ALL || p == (source + 1) % b->n;
}

/* How many operations of a source p is known to lack of those that q has; at least 1 if it may lack
 * some. Equal counts and digests are equal operations. */
static uint64_t behind(const struct board_source *p, const struct board_source *q)
{
    uint64_t have = board_get(&p->delivered), others = board_get(&q->delivered);
    if (board_get(&q->top) <= board_get(&p->floor) ||
        (others == have && board_get(&q->digest) == board_get(&p->digest)))
        return 0;
    return others > have ? others - have : 1;
}

/* … of what others have delivered of a source that crashed, or decided: no count says what is due. */
static uint64_t behind_others(const struct load_top *top, const struct board *b, uint32_t p,
                              uint32_t source)
{
    uint64_t most = 0;
    for (uint32_t q = 0; q < b->n && top->owed != LOAD_OWED_NOTHING; q++) {
        uint64_t lacks = behind(board_source(b, p, source), board_source(b, q, source));
        if ((board_correct(b, q) || top->owed == LOAD_OWED_OF_ANY) && lacks > most)
            most = lacks;
    }
    return most;
}

/* How many of the operations of `source` are due at p and have not arrived. To who crashed nothing
 * is owed. */
static uint64_t lacking(const struct load_top *top, const struct board *b, uint32_t p,
                        uint32_t source)
{
    const bool one_value = top->shape == LOAD_ONE_VALUE;
    if (!board_correct(b, p) || (one_value && source != 0))
        return 0;
    uint64_t due = 0, others = 0;
    if (one_value || !board_correct(b, source))
        others = behind_others(top, b, p, source);
    if (one_value)
        due = instances_issued(b);
    else if (board_correct(b, source) && receives(top, b, p, source))
        due = board_get(&board_row(b, source)->issued);
    uint64_t have = board_get(&board_source(b, p, source)->delivered);
    uint64_t lacks = due > have ? due - have : 0;
    return lacks > others ? lacks : others;
}

bool verdict_drained(const struct load_top *top, const struct board *b)
{
    for (uint32_t p = 0; p < b->n; p++) {
        if (board_correct(b, p) && board_get(&board_row(b, p)->done) == 0)
            return false;
        for (uint32_t source = 0; source < b->n && !top->lossy; source++)
            if (lacking(top, b, p, source) > 0)
                return false;
    }
    return true;
}

uint64_t verdict_lacking(const struct load_top *top, const struct board *b)
{
    uint64_t all = 0;
    for (uint32_t p = 0; p < b->n && !top->lossy; p++)
        for (uint32_t source = 0; source < b->n; source++)
            all += lacking(top, b, p, source);
    return all;
}

static void judge_arrival(struct verdict *v, const struct board *b)
{
    const struct load_properties *has = &v->top->property;
    const bool one_value = v->top->shape == LOAD_ONE_VALUE;
    for (uint32_t p = 0; p < b->n; p++)
        for (uint32_t source = 0; source < b->n; source++) {
            uint64_t lacks = lacking(v->top, b, p, source);
            uint64_t first = board_get(&board_source(b, p, source)->floor);
            const char *code = p == source && has->own != NULL ? has->own : has->complete;
            if (lacks > 0 && one_value)
                find(v, code, VERDICT_UNKNOWN,
                     "p%u lacks the decisions of %" PRIu64 " instances, from %" PRIu64 " on", p,
                     lacks, first);
            else if (lacks > 0 && !board_correct(b, source))
                find(v, code, VERDICT_UNKNOWN,
                     "p%u lacks what others delivered of p%u, which crashed, from message %" PRIu64
                     " on",
                     p, source, first);
            else if (lacks > 0)
                find(v, code, VERDICT_UNKNOWN,
                     "p%u has not delivered %" PRIu64
                     " messages of p%u, the first of them %" PRIu64,
                     p, lacks, source, first);
        }
}

/* Who crashed may have issued more than all have of it. Who has the same numbers has the same
 * messages, or some are not of that source. */
static void compare_receivers(struct verdict *v, const struct board *b, uint32_t source)
{
    for (uint32_t p = 0; p < b->n; p++)
        for (uint32_t q = 0; q < p; q++) {
            const struct board_source *at = board_source(b, p, source);
            const struct board_source *other = board_source(b, q, source);
            uint64_t have = board_get(&at->delivered);
            if (board_correct(b, p) && board_correct(b, q) && board_get(&at->top) == have &&
                board_get(&other->top) == have && board_get(&other->delivered) == have &&
                board_get(&at->digest) != board_get(&other->digest))
                find(v, v->top->property.creation, VERDICT_INVALID,
                     "p%u and p%u delivered %" PRIu64 " messages from p%u, the same numbers, and "
                     "not the same messages",
                     q, p, have, source);
        }
}

/* Who has as many as were issued must have what was issued. */
static void judge_content(struct verdict *v, const struct board *b)
{
    for (uint32_t source = 0; source < b->n; source++) {
        uint64_t issued = board_get(&board_row(b, source)->issued);
        uint64_t digest = board_get(&board_row(b, source)->issued_digest);
        /* Who is killed in a later life may leave the count of that one and the digest before. */
        bool known = board_correct(b, source) ||
                     (board_get(&board_row(b, source)->lives) <= 1 && b->run == 0);
        for (uint32_t p = 0; p < b->n && known; p++) {
            const struct board_source *s = board_source(b, p, source);
            if (receives(v->top, b, p, source) && board_get(&s->delivered) == issued &&
                board_get(&s->digest) != digest)
                find(v, v->top->property.creation, VERDICT_INVALID,
                     "among the %" PRIu64 " messages that p%u delivered from p%u is one that p%u "
                     "never issued",
                     issued, p, source, source);
        }
        if (!board_correct(b, source))
            compare_receivers(v, b, source);
    }
}

static void judge_faults(struct verdict *v, const struct board *b)
{
    const struct load_properties *has = &v->top->property;
    const char *const code[BOARD_FAULTS] =
        {[BOARD_CREATION] = has->creation, [BOARD_DUPLICATION] = has->duplication,
         [BOARD_ORDER] = has->order,       [BOARD_UNCHECKED] = has->duplication,
         [BOARD_SKIPPED] = has->complete,  [BOARD_LEFT_BEHIND] = has->complete,
         [BOARD_CHANGED] = has->agreement};
    for (uint32_t p = 0; p < b->n; p++) {
        const struct board_row *row = board_row(b, p);
        for (uint32_t f = 0; f < BOARD_FAULTS; f++) {
            uint64_t times = board_get(&row->fault[f]);
            if (times > 0)
                find(v, code[f],
                     f == BOARD_UNCHECKED || f == BOARD_LEFT_BEHIND ? VERDICT_UNKNOWN
                                                                    : VERDICT_INVALID,
                     "%s (%" PRIu64 " such)", row->witness[f], times);
        }
    }
}

void verdict_close(struct verdict *v, const struct board *b)
{
    uint64_t issued = 0;
    for (uint32_t p = 0; p < b->n; p++)
        issued += board_get(&board_row(b, p)->issued) - board_get(&board_row(b, p)->first);
    if (issued == 0)
        verdict_note(v, "nothing was issued: there is nothing to judge");
    judge_faults(v, b);
    if (!v->top->lossy)
        judge_arrival(v, b);
    if (v->top->shape == LOAD_ONE_VALUE)
        compare_rest(v, b);
    else if (!v->top->lossy)
        judge_content(v, b);
    verdict_settle(v);
}
