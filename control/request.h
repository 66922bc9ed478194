/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client of a run's socket may ask, and the form of questions and answers: a JSON object on
 * a line.
 *
 *   {"upon":1,"id":7,"do":"pause","process":1}
 *   {"upon":1,"id":7,"ok":true,…}        or {"upon":1,"id":7,"ok":false,"error":"one sentence"}
 *
 * "upon" is the version of this form; "id" a number or a short string of the client's, which the
 * answer repeats, and may be left out. Whatever is no such line is refused with one sentence; so
 * is a member that the verb does not take, since who misspells "process" must not pause all.
 */
#ifndef UPON_REQUEST_H
#define UPON_REQUEST_H

#include <stdint.h>

#include <jansson.h>

#define REQUEST_VERSION    1
#define REQUEST_RULE_BYTES 256
#define REQUEST_ID_BYTES   64
#define REQUEST_WHY_BYTES  512
#define REQUEST_ALL        UINT32_MAX /* no process, no rule is named */

enum request_verb {
    REQUEST_STATUS,
    REQUEST_STATS,
    REQUEST_FAULT_ADD,
    REQUEST_FAULT_LIST,
    REQUEST_FAULT_CLEAR,
    REQUEST_PAUSE,
    REQUEST_RESUME,
    REQUEST_CRASH,
    REQUEST_RECOVER,
    REQUEST_SNAPSHOT,
    REQUEST_TRACE_ON,
    REQUEST_TRACE_OFF,
    REQUEST_STOP,
    REQUEST_VERBS
};

/* What a verb takes. */
enum request_takes {
    TAKES_NOTHING,
    TAKES_PROCESS,     /* it must be named */
    TAKES_ANY_PROCESS, /* or all are meant */
    TAKES_RULE,        /* in the words of a script */
    TAKES_ANY_FAULT    /* its number, or all are meant */
};

struct request_form {
    const char *name; /* its "do", and the words of `upon ctl` */
    enum request_takes takes;
    const char *text;
};
extern const struct request_form request_forms[REQUEST_VERBS];

struct request {
    enum request_verb verb;
    uint32_t process;
    uint32_t fault;
    char rule[REQUEST_RULE_BYTES];
    char id[REQUEST_ID_BYTES + 2]; /* as JSON text */
};

/* Read a line, which may hold any bytes, of a run with n processes. 0, or −EINVAL and a sentence;
 * the id is kept if it could be read. */
int request_parse(struct request *r, const char *line, size_t len, uint32_t n, char *why,
                  size_t why_size);

/* ---- answers: a line with its newline, which the caller frees; NULL: no memory ----------------- */

/* The members of `body` (taken over; NULL: none) behind "ok":true. */
char *request_answer(const char *id, json_t *body);
char *request_error(const char *id, const char *sentence);

#endif
