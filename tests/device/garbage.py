#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Send garbage to process p0 of a running job, from an interface on its network.

    garbage.py INTERFACE          each kind of it, once around; then prints, for each counter, how
                                  many frames were sent that it must have counted at least
    garbage.py INTERFACE noise    the same, around and around, until killed
"""
import random
import socket
import struct
import sys

TO_MAC = bytes([2, 0x75, 0x70, 0x6E, 0, 1])
FROM_MAC = bytes([2, 0x75, 0x70, 0x6E, 0xEE, 1])  # our own: a switch is not led astray
TO_IP, FROM_IP = bytes([10, 117, 0, 1]), bytes([10, 117, 0, 2])
TO_PORT, FROM_PORT = 21000, 21001
CLUSTER = 0x55504F4E

counts = {}
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


def frame(version=0x55, kind=2, records=1, cluster=CLUSTER, sender=1, to=0, length=None, incarnation=1,
          to_incarnation=1, seq=0, ack=0, sack=0, credit=1024, reserved=0, body=b"\x04\0\x01\0abcd"):
    length = 56 + len(body) if length is None else length
    return struct.pack("<BBHIHHIIIQQQII", version, kind, records, cluster, sender, to, length, incarnation,
                       to_incarnation, seq, ack, sack, credit, reserved) + body


def once(raw):
    def send(data, cause, times=20):
        for _ in range(times):
            raw.send(data)
        counts[cause] = counts.get(cause, 0) + times

    future = 1 << 40
    stale = frame(seq=0, ack=0)
    send(TO_MAC + FROM_MAC + bytes(52), "drop_not_ip")
    send(TO_MAC + FROM_MAC + b"\x86\xdd" + bytes(60), "drop_not_ip")
    vlan = datagram(stale)
    send(vlan[:12] + b"\x81\x00\x00\x05" + vlan[12:], "drop_not_ip")
    send(datagram(stale, proto=6), "drop_not_udp")
    send(datagram(stale, version_ihl=0x46), "drop_not_udp")
    send(datagram(stale, fragment=0x2000), "drop_not_udp")
    send(datagram(stale, fragment=0x0007), "drop_not_udp")
    send(datagram(stale, spoil=0x0101), "drop_ip_checksum")
    send(datagram(stale, udp_sum=0x1234), "drop_udp_checksum")
    send(datagram(stale, port=TO_PORT + 7), "drop_wrong_port")
    send(datagram(stale, to_ip=bytes([10, 117, 0, 99])), "drop_wrong_port")
    send(datagram(stale, ip_len=1400, udp_len=1380), "drop_short")
    send(datagram(stale, udp_len=20), "drop_length")
    send(datagram(frame(version=2)), "drop_version")
    send(datagram(frame(kind=9)), "drop_version")
    send(datagram(bytes(80)), "drop_version")
    send(datagram(frame(cluster=77)), "drop_cluster")
    send(datagram(frame(to=1)), "drop_receiver")
    send(datagram(frame(sender=0)), "drop_sender")
    send(datagram(frame(sender=900)), "drop_sender")
    send(datagram(frame(length=4000)), "drop_length")
    send(datagram(frame(length=10)), "drop_length")
    send(datagram(frame(records=60)), "drop_length")
    send(datagram(frame(reserved=1)), "drop_length")
    send(datagram(frame(incarnation=0)), "drop_incarnation")
    send(datagram(frame(ack=future)), "drop_ack_future")
    for size in range(len(stale)):  # truncated at every byte, the headers below telling the truth
        raw.send(datagram(stale[:size]))
    for size in range(14, 42 + len(stale)):  # and below them
        raw.send(datagram(stale)[:size])
    for _ in range(2000):
        raw.send(datagram(rng.randbytes(rng.randrange(1400))))
        raw.send(TO_MAC + FROM_MAC + b"\x08\x00" + rng.randbytes(rng.randrange(1, 1400)))


def main():
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((sys.argv[1], 0))
    once(raw)
    while sys.argv[2:] == ["noise"]:
        once(raw)
    for cause, count in sorted(counts.items()):
        print(cause, count)


main()
