#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Send garbage to process p0 of two, from an interface on its network.

    garbage.py INTERFACE noise CLUSTER            what can never be taken for a frame of p1, around and
                                                  around, until killed
    garbage.py INTERFACE judge PID FILE MESSAGES  each kind by itself, forgeries too, to p0 (process PID,
                                                  whose output goes to FILE) once it and p1 have each
                                                  delivered MESSAGES of both: what was dropped must be
                                                  what was sent, by its cause, and nothing else

A forgery has good headers and comes from "p1": an old message, one far ahead, records that do not fit.
"""
import os
import pathlib
import random
import re
import signal
import socket
import struct
import sys
import time

TO_MAC = bytes([2, 0x75, 0x70, 0x6E, 0, 1])
FROM_MAC = bytes([2, 0x75, 0x70, 0x6E, 0xEE, 1])  # our own: a switch is not led astray
TO_IP, FROM_IP = bytes([10, 117, 0, 1]), bytes([10, 117, 0, 2])
TO_PORT, FROM_PORT = 21000, 21001
FRAME_H = pathlib.Path(__file__).resolve().parents[2] / "dataplane" / "frame.h"
VERSION = int(re.search(r"#define FRAME_VERSION (\w+)", FRAME_H.read_text(encoding="utf-8"))[1], 0)

FRAMES = 20  # of each kind
MAY_BE_KEPT = "fragment"  # by the kernel, which waits for the others
FAR = 1 << 40

cluster = 0
rng = random.Random(1)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_header(length, proto=17, fragment=0x4000, version_ihl=0x45, to_ip=TO_IP, spoil=0):
    head = struct.pack("!BBHHHBBH4s4s", version_ihl, 0, length, 0, fragment, 64, proto, 0, FROM_IP, to_ip)
    return head[:10] + struct.pack("!H", checksum(head) ^ spoil) + head[12:]


def datagram(payload, udp_len=None, udp_sum=0, port=TO_PORT, ether_type=0x0800, ip_len=None, **ip):
    udp_len = 8 + len(payload) if udp_len is None else udp_len
    ip_len = 28 + len(payload) if ip_len is None else ip_len
    udp = struct.pack("!HHHH", FROM_PORT, port, udp_len, udp_sum)
    return (TO_MAC + FROM_MAC + struct.pack("!H", ether_type) + ip_header(ip_len, **ip) + udp + payload)


def record(message=b"abcd", user=1, length=None, reserved=0):
    return struct.pack("<HBB", len(message) if length is None else length, user, reserved) + message


def frame(version=VERSION, kind=2, records=1, cluster_id=None, sender=1, to=0, length=None, incarnation=1,
          to_incarnation=1, seq=0, ack=0, sack=0, credit=1024, reserved=0, body=None):
    body = record() if body is None else body
    length = 56 + len(body) if length is None else length
    return struct.pack("<BBHIHHIIIQQQII", version, kind, records, cluster if cluster_id is None else cluster_id,
                       sender, to, length, incarnation, to_incarnation, seq, ack, sack, credit, reserved) + body


def malformed():
    """(what it is, the packets, how many drops they are, by the cause)."""
    good = frame()
    vlan = datagram(good)
    ipv6 = struct.pack("!IHBB16s16s", 6 << 28, len(good), 59, 64, b"\xfe\x80" + bytes(14), b"\xfe\x80" + bytes(14))
    yield "no payload type", TO_MAC + FROM_MAC + bytes(52), {"drop_not_ip": 1}
    yield "IPv6", TO_MAC + FROM_MAC + b"\x86\xdd" + ipv6 + good, {"drop_not_ip": 1}
    yield "VLAN tag", vlan[:12] + b"\x81\x00\x00\x05" + vlan[12:], {"drop_not_ip": 1}
    yield "TCP", datagram(good, proto=6), {"drop_not_udp": 1}
    yield "IP options", datagram(good, version_ihl=0x46), {"drop_not_udp": 1}
    yield "first fragment", datagram(good, fragment=0x2000), {"drop_not_udp": 1}
    yield "later fragment", datagram(good, fragment=0x0007), {"drop_not_udp": 1}
    yield "IP checksum", datagram(good, spoil=0x0101), {"drop_ip_checksum": 1}
    yield "UDP checksum", datagram(good, udp_sum=0x1234), {"drop_udp_checksum": 1}
    yield "port", datagram(good, port=TO_PORT + 7), {"drop_wrong_port": 1}
    yield "address", datagram(good, to_ip=bytes([10, 117, 0, 99])), {"drop_wrong_port": 1}
    yield "IP length beyond", datagram(good, ip_len=1400, udp_len=1380), {"drop_short": 1}
    yield "UDP length", datagram(good, udp_len=20), {"drop_length": 1}
    yield "version above", datagram(frame(version=VERSION + 1)), {"drop_version": 1}
    yield "version below", datagram(frame(version=VERSION - 1)), {"drop_version": 1}
    yield "kind unknown", datagram(frame(kind=9)), {"drop_version": 1}
    yield "kind of no link here", datagram(frame(kind=1, credit=0)), {"drop_version": 1}
    yield "zeros", datagram(bytes(80)), {"drop_version": 1}
    yield "cluster", datagram(frame(cluster_id=cluster ^ 1)), {"drop_cluster": 1}
    yield "no cluster", datagram(frame(cluster_id=0)), {"drop_cluster": 1}
    yield "receiver", datagram(frame(to=1)), {"drop_receiver": 1}
    yield "sender is receiver", datagram(frame(sender=0)), {"drop_sender": 1}
    yield "sender of no process", datagram(frame(sender=900)), {"drop_sender": 1}
    yield "length beyond", datagram(frame(length=4000)), {"drop_length": 1}
    yield "length below", datagram(frame(length=10)), {"drop_length": 1}
    yield "records beyond", datagram(frame(records=60)), {"drop_length": 1}
    yield "bytes of no record", datagram(frame(records=0)), {"drop_length": 1}
    yield "reserved bits", datagram(frame(reserved=1)), {"drop_field": 1}
    yield "no incarnation", datagram(frame(incarnation=0)), {"drop_incarnation": 1}
    yield "a further life", datagram(frame(incarnation=2)), {"drop_incarnation": 1}
    # Truncated at every byte, the headers below telling the truth, and below them.
    yield "truncated header", [datagram(good[:size]) for size in range(56)], {"drop_short": 56}
    records = [datagram(good[:size]) for size in range(56, len(good))]
    yield "truncated records", records, {"drop_length": len(records)}
    packets = [datagram(good)[:size] for size in range(14, 42 + len(good))]
    yield "truncated packet", packets, {"drop_short": len(packets)}


def forged(messages):
    """p0 has got `messages` from p1, and sent it as many, all acknowledged."""
    def forgery(**fields):
        return datagram(frame(**fields))

    yield "for a former life", forgery(to_incarnation=7), {"drop_incarnation": 1}
    yield "acknowledges one too many", forgery(ack=messages + 1), {"drop_ack_future": 1}
    yield "acknowledges the far future", forgery(ack=FAR), {"drop_ack_future": 1}
    for seq in (messages + 100000, FAR, (1 << 63) + 1, (1 << 64) - 1):
        yield f"number {seq}", forgery(seq=seq), {"drop_seq_future": 1}
    yield "delivered before", forgery(), {"drop_duplicate": 1}
    yield "delivered just before", forgery(seq=messages - 1), {"drop_duplicate": 1}
    yield "sixty delivered before", forgery(records=60, body=60 * record()), {"drop_duplicate": 60}
    for seq in (0, messages):  # old, and what comes next: nothing of it counts as received
        overruns = {"drop_record": 1}
        yield f"record overruns, {seq}", forgery(seq=seq, body=record(length=400)), overruns
        yield f"record overruns by one, {seq}", forgery(seq=seq, body=record(length=5)), overruns
        yield f"record with a flag, {seq}", forgery(seq=seq, body=record(reserved=1)), overruns
    yield "second record overruns", forgery(records=2, body=record() + record(length=400)), \
        {"drop_duplicate": 1, "drop_record": 1}
    yield "bytes behind the last record", forgery(body=record() + b"xyz"), {"drop_duplicate": 1, "drop_record": 1}


class Node:
    """p0, which says how far it is when it is asked."""

    def __init__(self, pid, output):
        self.pid, self.output = pid, output

    def now(self):
        with self.output.open(encoding="utf-8") as output:
            output.seek(0, os.SEEK_END)
            os.kill(self.pid, signal.SIGUSR1)
            text, end = "", time.monotonic() + 10
            while not text.endswith("end\n"):
                if time.monotonic() > end:
                    sys.exit(f"p0 (process {self.pid}) does not say how far it is in {self.output}")
                time.sleep(0.002)
                text += output.read()
        return {name: int(value) for name, value in re.findall(r"(\w+) +(\d+)", text)}

    def quiet(self, messages):
        """When all is delivered, and the noise is over."""
        before, end = None, time.monotonic() + 60
        while (now := self.now()) != before or now["delivered"] != 2 * messages:
            if time.monotonic() > end:
                sys.exit(f"p0 has delivered {now['delivered']} of {2 * messages}, or hears noise still")
            before = now
            time.sleep(0.3)
        return now


def judged(now, before):
    """What must not change but by a cause; the kernel may send an IPv6 packet of its own."""
    names = [n for n in now.keys() | before.keys() if n.startswith("drop_")] + ["delivered", "wrong"]
    return {n: now.get(n, 0) - before.get(n, 0) for n in names if now.get(n, 0) != before.get(n, 0)}


def packets_of(kind):
    return kind[1] if isinstance(kind[1], list) else [kind[1]]


def judge(raw, node, kind, frames=FRAMES):
    what, packets, drops = kind[0], packets_of(kind), kind[2]
    rounds = max(1, frames // len(packets))
    want = {cause: n * rounds for cause, n in drops.items()}
    before = node.now()
    for packet in rounds * packets:
        raw.send(packet)
    end = time.monotonic() + 3
    while True:
        got = judged(node.now(), before)
        if "drop_not_ip" not in want:
            got.pop("drop_not_ip", None)
        elif got.get("drop_not_ip", 0) > want["drop_not_ip"]:
            got["drop_not_ip"] = want["drop_not_ip"]
        if got == want:
            return True
        if time.monotonic() > end:
            if not got and MAY_BE_KEPT in what:
                return True
            print(f"{what}, {rounds * len(packets)} frames: must change {want}, changed {got}")
            return False


def judge_flood(raw, node):
    """More than is taken off the device in time: of what came, all is dropped and counted."""
    before = node.now()
    packet = datagram(frame(records=30, body=30 * record()))
    for _ in range(5000):
        raw.send(packet)
    time.sleep(0.5)
    now = node.now()
    got, frames = judged(now, before), now["rx_frames"] - before["rx_frames"]
    got.pop("drop_not_ip", None)
    if frames == 0 or got != {"drop_duplicate": 30 * frames}:
        print(f"a flood of duplicates: {frames} frames of 30 records came, and changed {got}")
        return False
    return True


def noise(raw):
    for kind in malformed():
        for packet in packets_of(kind):
            raw.send(packet)
    for _ in range(200):
        raw.send(datagram(rng.randbytes(rng.randrange(1400))))
        raw.send(TO_MAC + FROM_MAC + b"\x08\x00" + rng.randbytes(rng.randrange(1, 1400)))


def main():
    global cluster
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((sys.argv[1], 0))
    if sys.argv[2] == "noise":
        cluster = int(sys.argv[3], 0)
        while True:
            noise(raw)
    node, messages = Node(int(sys.argv[3]), pathlib.Path(sys.argv[4])), int(sys.argv[5])
    cluster = node.quiet(messages)["cluster"]
    kinds = [*malformed(), *forged(messages)]
    good = [judge(raw, node, kind) for kind in kinds]
    good.append(judge_flood(raw, node))
    # Last, since it is taken for p1's next message, and dropped behind the link.
    next_one = datagram(frame(seq=messages, body=record(user=200)))
    good.append(judge(raw, node, ("a user that is not there", next_one, {"drop_user": 1}), frames=1))
    print(f"{good.count(True)} of {len(good)} kinds of garbage were dropped and counted by their causes")
    sys.exit(0 if all(good) else 1)


main()
