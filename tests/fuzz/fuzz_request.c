/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to a run's socket. Input: a line, in a heap buffer of its exact size. */
#include "fuzz.h"

#include <stdbool.h>

#include "control/request.h"

#define N 3

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

/* An answer is a line that holds an object with that id; its member `key` is returned to be
 * released by the caller. */
static json_t *read_answer(char *line, const char *id)
{
    MUST(line != NULL);
    size_t len = strlen(line);
    MUST(len > 0 && strchr(line, '\n') == line + len - 1);
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    json_t *want = json_loads(id, JSON_DECODE_ANY, NULL);
    MUST(json_is_object(o) && want != NULL && json_equal(json_object_get(o, "id"), want));
    json_decref(want);
    free(line);
    return o;
}

static void check_request(const struct request *r)
{
    MUST(r->verb < REQUEST_VERBS);
    enum request_takes takes = request_forms[r->verb].takes;
    bool process = takes == TAKES_PROCESS || takes == TAKES_ANY_PROCESS;
    MUST(r->process < N || (r->process == REQUEST_ALL && takes != TAKES_PROCESS));
    MUST(process || r->process == REQUEST_ALL);
    MUST(takes == TAKES_ANY_FAULT || r->fault == REQUEST_ALL);
    MUST((takes == TAKES_RULE) == (r->rule[0] != '\0'));
    MUST(memchr(r->rule, '\0', sizeof r->rule) != NULL && strchr(r->rule, '\n') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *line = exact_copy(data, size);
    struct request r;
    char why[REQUEST_WHY_BYTES] = "";
    int err = request_parse(&r, (const char *)line, size, N, why, sizeof why);
    MUST(memchr(r.id, '\0', sizeof r.id) != NULL);
    if (err == 0) {
        check_request(&r);
        json_decref(read_answer(request_answer(r.id, json_pack("{s:i}", "x", 1)), r.id));
    } else {
        json_t *o = read_answer(request_error(r.id, why), r.id);
        MUST(why[0] != '\0' && strchr(why, '\n') == NULL);
        MUST(json_string_length(json_object_get(o, "error")) == strlen(why));
        json_decref(o);
    }
    free(line);
    return 0;
}
