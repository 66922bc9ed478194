# SPDX-License-Identifier: BSD-3-Clause
"""Decode a HdrHistogram log (format 1.3, compressed V2 payloads), written from its specification
alone, so that what we export is checked by something that shares no code with it."""
import base64
import struct
import zlib

V2_COOKIE = 0x1C849303
V2_COMPRESSED_COOKIE = 0x1C849304


def zigzag_numbers(data):
    """ZigZag LEB128 of at most nine bytes; the ninth carries eight bits."""
    at = 0
    while at < len(data):
        value, shift = 0, 0
        for i in range(9):
            byte = data[at]
            at += 1
            if i == 8:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield (value >> 1) ^ -(value & 1)


def decode_v2(payload):
    """Return (header, {slot: count})."""
    cookie, length, offset, digits, low, high, ratio = struct.unpack(">iiiiqqd", payload[:40])
    if cookie & ~0xF0 != V2_COOKIE:
        raise ValueError("no V2 histogram: cookie %#x" % cookie)
    if length != len(payload) - 40:
        raise ValueError("%d bytes of counts, %d promised" % (len(payload) - 40, length))
    counts, slot = {}, 0
    for number in zigzag_numbers(payload[40:]):
        if number < 0:
            slot -= number
        else:
            if number > 0:
                counts[slot] = number
            slot += 1
    header = {"offset": offset, "digits": digits, "low": low, "high": high, "ratio": ratio}
    return header, counts


def decode_compressed(text):
    data = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack(">ii", data[:8])
    if cookie & ~0xF0 != V2_COMPRESSED_COOKIE:
        raise ValueError("no compressed V2 histogram: cookie %#x" % cookie)
    if length != len(data) - 8:
        raise ValueError("%d compressed bytes, %d promised" % (len(data) - 8, length))
    return decode_v2(zlib.decompress(data[8:]))


def value_range(slot, digits):
    """The lowest and highest value that count in a slot."""
    sub_buckets = 1 << (2 * 10**digits - 1).bit_length()
    half = sub_buckets // 2
    bucket = slot // half - 1
    sub = slot % half + half
    if bucket < 0:
        bucket, sub = 0, sub - half
    return sub << bucket, ((sub + 1) << bucket) - 1


def read_log(path):
    """Return {tag: (start, length, max, header, counts)}."""
    intervals, version = {}, None
    with open(path, encoding="ascii") as log:
        for line in log:
            line = line.rstrip("\n")
            if line.startswith("#[Histogram log format version "):
                version = line.split()[-1].rstrip("]")
            if line.startswith("#") or line.startswith('"'):
                continue
            tag, start, length, largest, payload = line.split(",")
            header, counts = decode_compressed(payload)
            intervals[tag[len("Tag="):]] = (float(start), float(length), float(largest), header,
                                            counts)
    if version != "1.3":
        raise ValueError("format version %s" % version)
    return intervals
