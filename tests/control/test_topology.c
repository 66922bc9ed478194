/* SPDX-License-Identifier: BSD-3-Clause */
/* A topology file: what it says is taken, what it leaves out is as by default, the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/topology.h"
#include "dataplane/wire_headers.h"

#define N 3

static char why[512];

static int read_text(const char *text, struct fabric_addr addr[N])
{
    char path[] = "/tmp/upon-topology-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    why[0] = '\0';
    int err = topology_read(path, N, addr, why, sizeof why);
    unlink(path);
    return err;
}

static void test_what_is_said_is_taken(void **state)
{
    (void)state;
    struct fabric_addr a[N];
    static const struct ether_addr mac = {{2, 0, 0, 0, 0, 10}}, none;
    assert_int_equal(
        read_text("# hosts\n\np2 192.0.2.12\np0 192.0.2.10 02:00:00:00:00:0a 31000 # x\n"
                  "p1\t192.0.2.10\t02:00:00:00:00:0a",
                  a),
        0);
    assert_int_equal(ntohl(a[0].ip.s_addr), 0xc000020a);
    assert_memory_equal(&a[0].mac, &mac, sizeof mac);
    assert_int_equal(a[0].udp_port, 31000);
    assert_memory_equal(&a[1].mac, &mac, sizeof mac);
    assert_int_equal(a[1].udp_port, wire_addr_default(1).udp_port);
    assert_memory_equal(&a[2].mac, &none, sizeof none);
    assert_int_equal(ntohl(a[2].ip.s_addr), 0xc000020c);
    assert_int_equal(read_text("", a), 0);
    assert_int_equal(a[1].ip.s_addr, wire_addr_default(1).ip.s_addr);
}

static void test_the_rest_is_refused_with_its_line(void **state)
{
    (void)state;
    struct fabric_addr a[N];
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"\np3 192.0.2.1", "line 2: \"p3\" is none of the processes p0 to p2"},
        {"0 192.0.2.1", "\"0\" is none"},
        {"p0x 192.0.2.1", "\"p0x\" is none"},
        {"p0", "no IPv4 address"},
        {"p0 1.2.3", "no IPv4 address"},
        {"p0 0.0.0.1", "no address of one host"},
        {"p0 224.0.0.1", "no address of one host"},
        {"p0 192.0.2.1 xx", "no MAC address"},
        {"p0 192.0.2.1 01:00:00:00:00:01", "no MAC address"},
        {"p0 192.0.2.1 00:00:00:00:00:00", "no MAC address"},
        {"p0 192.0.2.1 02:00:00:00:00:01 0", "no UDP port"},
        {"p0 192.0.2.1 02:00:00:00:00:01 65536", "no UDP port"},
        {"p0 192.0.2.1 02:00:00:00:00:01 7 more", "\"more\" is too much"},
        {"p0 192.0.2.1\np0 192.0.2.2", "line 2: p0 stands in line 1 already"},
        {"p0 192.0.2.1 02:00:00:00:00:01 7\np1 192.0.2.1 02:00:00:00:00:02 7", "p0 and p1 have"},
        {"p0 10.117.0.2 02:00:00:00:00:01 21001", "p0 and p1 have the same address and port"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(read_text(bad[i].text, a) < 0);
        if (strstr(why, bad[i].sentence) == NULL)
            fail_msg("\"%s\": %s", bad[i].text, why);
    }
    char line[400];
    memset(line, ' ', sizeof line);
    line[sizeof line - 1] = '\0';
    assert_true(read_text(line, a) < 0);
    assert_non_null(strstr(why, "longer"));
    assert_true(topology_read("/nonesuch/topology", N, a, why, sizeof why) < 0);
    assert_non_null(strstr(why, "/nonesuch/topology"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_is_taken),
        cmocka_unit_test(test_the_rest_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
