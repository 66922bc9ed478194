/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/config_diff.h"
#include "control/diagram.h"
#include "control/script.h"
#include "control/shiviz.h"
#include "worlds.h"

static char why[512];
static char path[] = "/tmp/upon-spacetime-XXXXXX";

static const char scenario[] = "start urb n=3 ops=1\n"
                               "request p0 broadcast 17\n"
                               "deliver 0->1\n"
                               "drop 0->2\n"
                               "deliver 1->0\n"
                               "crash p0\n"
                               "settle\n"
                               "run 20ms\n";

static struct sim_world *obey(const char *text, struct spacetime *st)
{
    struct sim_world *w = sim_world_new(pool);
    struct script s = {.w = w};
    spacetime_attach(st, w);
    if (script_text(&s, text, why, sizeof why) != 0)
        fail_msg("%s", why);
    spacetime_detach(st);
    return w;
}

static char *read_all(void)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    assert_non_null(f);
    assert_true(getdelim(&text, &size, '\0', f) > 0);
    fclose(f);
    return text;
}

/* Elements nest, attributes are quoted, text has no bare '<' or '&'. */
static void assert_well_formed(const char *t)
{
    char open[32][16];
    int depth = 0;
    for (; *t != '\0'; t++) {
        if (*t == '&')
            assert_true(strchr(t, ';') != NULL && strchr(t, ';') - t <= 6);
        if (*t != '<')
            continue;
        const char *name = t + 1;
        bool closes = *name == '/', quoted = false;
        name += closes;
        size_t len = strcspn(name, " />?\n");
        while (*t != '>' || quoted) {
            assert_true(*t != '\0');
            quoted ^= *t == '"';
            t++;
            assert_true(*t != '<');
        }
        if (closes) {
            assert_true(depth > 0 && strncmp(open[--depth], name, len) == 0);
        } else if (t[-1] != '/' && t[-1] != '?') {
            assert_true(depth < 32 && len < 16);
            snprintf(open[depth++], 16, "%.*s", (int)len, name);
        }
    }
    assert_int_equal(depth, 0);
}

static void test_a_diagram_is_well_formed_and_says_what_happened(void **state)
{
    (void)state;
    struct spacetime st = {0};
    struct sim_world *w = obey(scenario, &st);
    struct diagram_conf conf = {.title = "urb <1> & \"2\"", .caption = "a\nb"};
    assert_int_equal(diagram_write(path, &st, &conf), 0);
    char *svg = read_all();
    assert_well_formed(svg);
    assert_non_null(strstr(svg, "⟨urb, Broadcast | 17⟩"));
    assert_non_null(strstr(svg, "⟨urb, Deliver | p0, 17⟩"));
    assert_non_null(strstr(svg, "[DATA p0 0 17]"));
    assert_non_null(strstr(svg, "class=\"cross\""));
    assert_non_null(strstr(svg, "class=\"loss\""));
    assert_non_null(strstr(svg, "urb &lt;1&gt; &amp;"));
    free(svg);
    spacetime_free(&st);
    world_free(w);
}

static void test_a_window_shows_its_choices_only(void **state)
{
    (void)state;
    struct spacetime st = {0};
    struct sim_world *w = obey(scenario, &st);
    struct diagram_conf conf = {.first = 2, .last = 4};
    assert_int_equal(diagram_write(path, &st, &conf), 0);
    char *svg = read_all();
    assert_well_formed(svg);
    assert_null(strstr(svg, "Broadcast"));
    assert_non_null(strstr(svg, "⟨urb, Deliver | p0, 17⟩"));
    free(svg);
    conf = (struct diagram_conf){.first = 100000, .last = 100001};
    assert_true(diagram_write(path, &st, &conf) < 0);
    spacetime_free(&st);
    world_free(w);
}

static void test_vector_clocks_order_a_receipt_after_its_sending(void **state)
{
    (void)state;
    struct spacetime st = {0};
    struct sim_world *w = obey(scenario, &st);
    assert_int_equal(shiviz_write(path, &st), 0);
    char *log = read_all();
    assert_non_null(strstr(log, "p0 {\"p0\": 1}\n⟨urb, Broadcast | 17⟩ (choice 1)\n"));
    assert_non_null(strstr(log, "p1 {\"p0\": 2, \"p1\": 1}\nreceive [DATA p0 0 17] from p0"));
    free(log);
    spacetime_free(&st);
    world_free(w);
}

static uint32_t count(const char *text, const char *what)
{
    uint32_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* A life that ends while its super block is written, and a log that is refused, are no life. */
static void test_who_recovers_in_vain_is_drawn_down(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } vain[] = {{"recover p1 super 0", "recovers in vain"},
                {"flip p1 segment 0 byte 9 bit 1\nrecover p1", "stays down: its log is refused"}};
    for (size_t i = 0; i < RTE_DIM(vain); i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "start lpl n=2 ops=2\nrequest p1 send p0 17\nsettle\nrun 50ms\ncrash p1\n%s\n",
                 vain[i].line);
        struct spacetime st = {0};
        struct sim_world *w = obey(text, &st);
        assert_int_equal(w->alive, 1);
        struct choice c = {.kind = CHOICE_RECOVER, .p = 1};
        spacetime_attach(&st, w); /* a choice that comes to nothing is no happening */
        assert_true(sim_world_apply(w, &c) == (i == 0));
        assert_false(sim_world_apply(w, &c));
        spacetime_detach(&st);
        assert_int_equal(diagram_write(path, &st, &(struct diagram_conf){0}), 0);
        char *svg = read_all();
        assert_int_equal(count(svg, vain[i].says), 1);
        assert_int_equal(count(svg, ">recovers<"), i == 0);
        assert_int_equal(count(svg, "class=\"tip\""), 1 + (i == 0)); /* who is up at the end */
        assert_int_equal(count(svg, "class=\"dead\""), 1);
        free(svg);
        assert_int_equal(shiviz_write(path, &st), 0);
        svg = read_all();
        assert_int_equal(count(svg, vain[i].says), 1);
        free(svg);
        spacetime_free(&st);
        world_free(w);
    }
}

struct found {
    const char *want;
    uint32_t times;
};

static void look(void *ctx, const char *line)
{
    struct found *f = ctx;
    f->times += strstr(line, f->want) != NULL;
}

static void test_a_difference_names_the_field_that_changed(void **state)
{
    (void)state;
    struct spacetime st = {0};
    struct sim_world *w = obey("start beb n=3 ops=1\nrequest p0 broadcast 17\n", &st);
    struct config before = {0}, after = {0};
    struct choice c = choice_frame(CHOICE_DELIVER, &w->sim, 0);
    config_take(&before, w);
    assert_int_equal(config_diff(&before, &before, look, &(struct found){"", 0}), 0);
    assert_true(sim_world_apply(w, &c));
    config_take(&after, w);
    struct found rcv = {"p1 pl.peer[0].rcv = 1, was 0", 0}, gone = {"- flight 0->1 #0", 0};
    struct found other = {"p2 ", 0};
    assert_true(config_diff(&before, &after, look, &rcv) > 0);
    config_diff(&before, &after, look, &gone);
    config_diff(&before, &after, look, &other);
    assert_int_equal(rcv.times, 1);
    assert_int_equal(gone.times, 1);
    assert_int_equal(other.times, 0);
    config_free(&before);
    config_free(&after);
    spacetime_free(&st);
    world_free(w);
}

static void test_a_difference_names_rules_and_what_they_hold_back(void **state)
{
    (void)state;
    struct spacetime st = {0};
    struct sim_world *w = obey("start epfd n=2\nfault delay constant 50ms class=heartbeat\n", &st);
    struct config before = {0}, after = {0}, disarmed = {0};
    struct choice c;
    while (w->edge[1].lates == 0) {
        config_free(&before);
        config_take(&before, w);
        assert_true(sim_world_timed(w, &c) && sim_world_apply(w, &c));
    }
    config_take(&after, w);
    struct found held = {"+ p1 held back from p0 port ", 0};
    config_diff(&before, &after, look, &held);
    assert_int_equal(held.times, 1);
    c = (struct choice){.kind = CHOICE_DISARM};
    assert_true(sim_world_apply(w, &c));
    config_take(&disarmed, w);
    struct found rule = {"- armed 0: delay constant 50ms", 0};
    config_diff(&after, &disarmed, look, &rule);
    assert_int_equal(rule.times, 1);
    config_free(&before);
    config_free(&after);
    config_free(&disarmed);
    spacetime_free(&st);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_diagram_is_well_formed_and_says_what_happened),
        cmocka_unit_test(test_a_window_shows_its_choices_only),
        cmocka_unit_test(test_vector_clocks_order_a_receipt_after_its_sending),
        cmocka_unit_test(test_who_recovers_in_vain_is_drawn_down),
        cmocka_unit_test(test_a_difference_names_the_field_that_changed),
        cmocka_unit_test(test_a_difference_names_rules_and_what_they_hold_back),
    };
    int fd = mkstemp(path);
    if (fd < 0 || !worlds_start())
        return 2;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
