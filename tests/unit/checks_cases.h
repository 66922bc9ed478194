/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Short executions for checkers, and what each violates. A scenario names exactly the properties
 * that it violates; all others of the checker must hold. Each is run twice, with a reset in
 * between, and once as an unfair run, in which liveness is "not yet".
 */
#ifndef UPON_CHECKS_CASES_H
#define UPON_CHECKS_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/checks/check.h"

#define SCENARIO_PORT 3 /* of the user, and of a checker's own layer */

enum act { END, REQUEST, INDICATION, CRASH, RECOVER, HEALED, HEARD };

/* REQUEST and INDICATION are one thing here: the type says which; two words read better. */
struct line {
    enum act act;
    uint16_t at;
    uint16_t type;
    uint16_t proc;
    uint64_t inst;
    uint64_t attr;
    const char *msg;
    uint8_t len; /* of the message; 0: one byte */
    bool same;   /* in the step of the line before */
};

#define LINES_MAX 24

struct scenario {
    const char *name;
    enum abstraction abstraction;
    uint16_t n;
    bool forwarded;
    const char *violates; /* codes, separated by a space */
    struct line line[LINES_MAX];
    bool again; /* ho: without a cursor */
};

#define CRASHED(p)                       \
    {                                    \
        CRASH, p, 0, 0, 0, 0, NULL, 0, 0 \
    }
#define RECOVERED(p)                       \
    {                                      \
        RECOVER, p, 0, 0, 0, 0, NULL, 0, 0 \
    }
#define NOW_HEALED                        \
    {                                     \
        HEALED, 0, 0, 0, 0, 0, NULL, 0, 0 \
    }
/* A frame of q's present life, or of a former one, has arrived at p. */
#define HEARS(p, q, present)                   \
    {                                          \
        HEARD, p, 0, q, present, 0, NULL, 0, 0 \
    }
#define SEND(L, p, q, m)                            \
    {                                               \
        REQUEST, p, EV_##L##_SEND, q, 0, 0, m, 0, 0 \
    }
#define GOT(L, p, q, m)                                   \
    {                                                     \
        INDICATION, p, EV_##L##_DELIVER, q, 0, 0, m, 0, 0 \
    }
#define CAST(B, p, m)                                    \
    {                                                    \
        REQUEST, p, EV_##B##_BROADCAST, 0, 0, 0, m, 0, 0 \
    }
#define SAID(E, p, q)                              \
    {                                              \
        INDICATION, p, EV_##E, q, 0, 0, NULL, 0, 0 \
    }
#define EPOCH(p, ts, l)                                        \
    {                                                          \
        INDICATION, p, EV_EC_START_EPOCH, l, 0, ts, NULL, 0, 0 \
    }
#define EP_IN(p, ts, l)                              \
    {                                                \
        REQUEST, p, EV_EP_INIT, l, 0, ts, NULL, 0, 0 \
    }
#define EP_OUT(p)                                    \
    {                                                \
        REQUEST, p, EV_EP_ABORT, 0, 0, 0, NULL, 0, 0 \
    }
#define EP_LEFT(p, ts)                                     \
    {                                                      \
        INDICATION, p, EV_EP_ABORTED, 0, 0, ts, NULL, 0, 0 \
    }
#define PROP(C, p, i, m)                               \
    {                                                  \
        REQUEST, p, EV_##C##_PROPOSE, 0, i, 0, m, 0, 0 \
    }
#define DEC(C, p, i, m)                                  \
    {                                                    \
        INDICATION, p, EV_##C##_DECIDE, 0, i, 0, m, 0, 0 \
    }
/* Decided by an epoch that p has not started. */
#define LEARN(C, p, i, m)                               \
    {                                                   \
        INDICATION, p, EV_##C##_LEARN, 0, i, 0, m, 0, 0 \
    }

static inline void play(struct check *c, const struct scenario *s, bool fair)
{
    uint64_t step = 0;
    for (const struct line *l = s->line; l < s->line + LINES_MAX && l->act != END; l++) {
        step += !l->same;
        if (l->act == CRASH)
            c->cls->crash(c, l->at, step);
        else if (l->act == RECOVER)
            check_recover(c, l->at, step);
        else if (l->act == HEALED)
            check_healed(c, step);
        else if (l->act == HEARD)
            c->cls->heard(c, l->at, l->proc, l->inst != 0);
        else
            check_observe(c, &(struct check_event){.step = step,
                                                   .at = l->at,
                                                   .type = l->type,
                                                   .proc = l->proc,
                                                   .port = SCENARIO_PORT,
                                                   .inst = l->inst,
                                                   .attr = l->attr,
                                                   .msg = (const uint8_t *)l->msg,
                                                   .len = l->msg == NULL ? 0
                                                          : l->len != 0  ? l->len
                                                                         : 1});
    }
    c->cls->end(c, fair, step + 1);
}

static inline const struct property_info *property(const char *code)
{
    for (uint32_t i = 0; i < property_info_count; i++)
        if (strcmp(property_infos[i].code, code) == 0)
            return &property_infos[i];
    fail_msg("no property %s in modules.def", code);
    return NULL;
}

/* Whether `code` is one of the words of `codes`. */
static inline bool among(const char *codes, const char *code)
{
    size_t len = strlen(code);
    for (const char *p = codes; (p = strstr(p, code)) != NULL; p += len)
        if ((p == codes || p[-1] == ' ') && (p[len] == '\0' || p[len] == ' '))
            return true;
    return false;
}

static inline void judged(const struct check *c, const struct scenario *s, bool fair)
{
    for (uint16_t i = 0; i < c->results; i++) {
        const struct check_result *r = &c->result[i];
        enum check_state want = CHECK_HOLDS;
        bool safety = property(r->code)->kind == SAFETY || s->abstraction == ABS_FLL;
        if (among(s->violates, r->code))
            want = fair || safety ? CHECK_VIOLATED : CHECK_NOT_YET;
        if (s->abstraction == ABS_FLL && !fair)
            continue;
        /* These have a safe part: what they say of a run that is not fair depends on which it is. */
        if (!fair && (strcmp(r->code, "EP6") == 0 || strcmp(r->code, "LEP5") == 0))
            continue;
        if (r->state != want)
            fail_msg("%s: %s is %d, not %d: \"%s\"", s->name, r->code, r->state, want, r->witness);
        if (want != CHECK_HOLDS)
            assert_true(strlen(r->witness) > 20);
    }
}

static inline void test_scenario(void **state)
{
    const struct scenario *s = *state;
    struct check *c = check_find(s->abstraction)->open(s->n);
    c->forwarded = s->forwarded;
    c->port = SCENARIO_PORT;
    c->cursor = !s->again;
    play(c, s, true);
    judged(c, s, true);
    assert_int_equal(c->violations != 0, s->violates[0] != '\0');
    c->cls->reset(c);
    assert_int_equal(c->violations, 0);
    play(c, s, true);
    judged(c, s, true);
    c->cls->reset(c);
    play(c, s, false);
    judged(c, s, false);
    c->cls->close(c);
}

/* Those of the log-delivered model have a file of their own. */
static inline bool is_logged(uint8_t abstraction)
{
    static const uint8_t logged[] = {ABS_LOG, ABS_LPL, ABS_SBEB, ABS_LBEB, ABS_LURB,
                                     ABS_HO,  ABS_LEC, ABS_LEP,  ABS_LUC};
    return memchr(logged, abstraction, sizeof logged) != NULL;
}

/* Whether a scenario that violates nothing is named after the property: "PL1: …". */
static inline bool held(const struct scenario *s, size_t n, const char *code)
{
    size_t len = strlen(code);
    for (size_t k = 0; k < n; k++)
        if (s[k].violates[0] == '\0' && strncmp(s[k].name, code, len) == 0 && s[k].name[len] == ':')
            return true;
    return false;
}

/* Each property of these checkers is violated by a scenario, but `but`, and one shows what comes near to
 * that and is right. */
static inline void all_properties_shown(const struct scenario *s, size_t n, bool logged,
                                        const char *but)
{
    for (uint32_t i = 0; i < property_info_count; i++) {
        const struct property_info *p = &property_infos[i];
        bool violated = among(but, p->code);
        if (is_logged(p->abstraction) != logged ||
            check_find((enum abstraction)p->abstraction) == NULL)
            continue;
        for (size_t k = 0; k < n; k++)
            violated |= among(s[k].violates, p->code);
        if (!violated)
            fail_msg("no scenario violates %s", p->code);
        if (!held(s, n, p->code))
            fail_msg("no scenario named after %s violates nothing", p->code);
    }
}

#endif
