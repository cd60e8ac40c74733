# SPDX-License-Identifier: GPL-3.0-or-later
"""What both plain TS 24.322 peers of the tests need: envelopes (clause 7.1.2), IP
packets, DHCP and neighbour discovery, written from the standards alone, so that
they agree with our own code only where both are right."""
import base64
import configparser
import fcntl
import ipaddress
import os
import select
import ssl
import struct
import subprocess
import sys
import tempfile

IP_ENVELOPE = 1
UDP, ICMPV6 = 17, 58


def say(*words):
    print(*words, file=sys.stderr, flush=True)


# ---------------------------------------------------------------- envelopes


class Stream:
    """Envelopes over a TLS connection; every type that comes is counted."""

    def __init__(self, tls):
        self.tls, self.buffer, self.types = tls, b"", {}
        tls.setblocking(False)

    def send(self, packet, kind=IP_ENVELOPE):
        octets = struct.pack("!BH", kind, 3 + len(packet)) + packet
        while octets:
            try:
                octets = octets[self.tls.send(octets):]
            except ssl.SSLWantWriteError:
                select.select([], [self.tls], [])

    def receive(self):
        """The envelopes that one read completes; None when the peer has closed."""
        try:
            octets = self.tls.recv(65536)
        except ssl.SSLWantReadError:
            return []
        except (ConnectionError, ssl.SSLError):
            return None
        if not octets:
            return None
        self.buffer += octets
        found = []
        while len(self.buffer) >= 3:
            kind, length = struct.unpack("!BH", self.buffer[:3])
            if length < 3:
                raise ValueError("an envelope of length %d" % length)
            if len(self.buffer) < length:
                break
            self.types[kind] = self.types.get(kind, 0) + 1
            found.append((kind, self.buffer[3:length]))
            self.buffer = self.buffer[length:]
        return found


def credentials(context, profile):
    """CA, certificate and key of a profile that tscf-pki made."""
    parser = configparser.ConfigParser(strict=False)
    parser.read(profile)
    section = parser["tscf"]

    def der(key):
        return base64.b64decode("".join(section[key].removeprefix("base64:").split()))

    def pem(name, octets):
        text = base64.encodebytes(octets).decode()
        return "-----BEGIN %s-----\n%s-----END %s-----\n" % (name, text, name)

    context.load_verify_locations(cadata=der("ca"))
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pem("CERTIFICATE", der("cert")) + pem("EC PRIVATE KEY", der("key")))
        file.flush()
        context.load_cert_chain(file.name)


# ------------------------------------------------------------------ packets


def checksum(octets):
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(source, destination, protocol, length):
    """RFC 768, RFC 8200 8.1."""
    if source.version == 4:
        return source.packed + destination.packed + struct.pack("!BBH", 0, protocol, length)
    return source.packed + destination.packed + struct.pack("!IHBB", length, 0, 0, protocol)


def ip_packet(source, destination, protocol, payload, hops=64):
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + \
            source.packed + destination.packed + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, hops, protocol, 0,
                         source.packed, destination.packed)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp_packet(source, destination, source_port, destination_port, payload):
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    length = 8 + len(payload)
    header = struct.pack("!HHHH", source_port, destination_port, length, 0)
    value = checksum(pseudo(source, destination, UDP, length) + header + payload) or 0xffff
    return ip_packet(source, destination, UDP,
                     header[:6] + struct.pack("!H", value) + payload)


def icmpv6_packet(source, destination, message):
    """Neighbour discovery: hop limit 255."""
    source, destination = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    value = checksum(pseudo(source, destination, ICMPV6, len(message)) + message)
    message = message[:2] + struct.pack("!H", value) + message[4:]
    return ip_packet(source, destination, ICMPV6, message, 255)


class Packet:
    """An IP packet taken apart, with its checksums verified."""

    def __init__(self, octets):
        self.octets, self.version = octets, octets[0] >> 4
        if self.version == 4:
            header = (octets[0] & 15) * 4
            if struct.unpack("!H", octets[2:4])[0] != len(octets) or checksum(octets[:header]):
                raise ValueError("bad IPv4 header")
            self.protocol, self.hops = octets[9], octets[8]
            source, destination = octets[12:16], octets[16:20]
        elif self.version == 6:
            header = 40
            if struct.unpack("!H", octets[4:6])[0] + 40 != len(octets):
                raise ValueError("bad IPv6 header")
            self.protocol, self.hops = octets[6], octets[7]
            source, destination = octets[8:24], octets[24:40]
        else:
            raise ValueError("neither IPv4 nor IPv6")
        self.source = ipaddress.ip_address(source)
        self.destination = ipaddress.ip_address(destination)
        self.body = octets[header:]
        self.ports = (None, None)
        if self.protocol == UDP and len(self.body) >= 8:
            self.ports = struct.unpack("!HH", self.body[:4])

    def udp(self):
        length, value = struct.unpack("!HH", self.body[4:8])
        if length != len(self.body):
            raise ValueError("bad UDP length")
        if (value or self.version == 6) and checksum(
                pseudo(self.source, self.destination, UDP, length) + self.body):
            raise ValueError("bad UDP checksum")
        return self.body[8:]

    def icmpv6(self):
        if self.hops != 255:
            raise ValueError("hop limit %d" % self.hops)
        if checksum(pseudo(self.source, self.destination, ICMPV6, len(self.body)) + self.body):
            raise ValueError("bad ICMPv6 checksum")
        return self.body


# --------------------------------------------------------------------- DHCP


def dhcp4(op, kind, transaction, chaddr, options, ciaddr="0.0.0.0", yiaddr="0.0.0.0", flags=0):
    """RFC 2131 2; options: a list of (code, octets)."""
    head = struct.pack("!BBBBIHH4s4s4s4s16s64s128sI", op, 1, 6, 0, transaction, 0, flags,
                       ipaddress.ip_address(ciaddr).packed, ipaddress.ip_address(yiaddr).packed,
                       bytes(4), bytes(4), chaddr, b"", b"", 0x63825363)
    body = b"".join(bytes([code, len(value)]) + value
                    for code, value in [(53, bytes([kind]))] + options)
    return (head + body + b"\xff").ljust(300, b"\0")


def dhcp4_read(octets):
    fields = struct.unpack("!BBBBIHH4s4s4s4s16s64s128sI", octets[:240])
    if fields[14] != 0x63825363:
        raise ValueError("no magic cookie")
    options, at = {}, 240
    while octets[at] != 255:
        if octets[at] == 0:
            at += 1
            continue
        length = octets[at + 1]
        if at + 2 + length >= len(octets):
            raise ValueError("an option that overruns")
        options[octets[at]] = options.get(octets[at], b"") + octets[at + 2:at + 2 + length]
        at += 2 + length
    return {"op": fields[0], "xid": fields[4], "flags": fields[6],
            "ciaddr": str(ipaddress.ip_address(fields[7])),
            "yiaddr": str(ipaddress.ip_address(fields[8])), "chaddr": fields[11],
            "options": options, "type": options[53][0]}


def addresses(octets, size=4):
    return [str(ipaddress.ip_address(octets[i:i + size])) for i in range(0, len(octets), size)]


def packed(texts):
    return b"".join(ipaddress.ip_address(text).packed for text in texts)


def dns_names(octets):
    """RFC 1035 3.1, without compression."""
    names, labels, at = [], [], 0
    while at < len(octets):
        length = octets[at]
        if length == 0:
            names.append(".".join(labels))
            labels = []
        else:
            labels.append(octets[at + 1:at + 1 + length].decode("ascii"))
        at += 1 + length
    if labels:
        raise ValueError("a name without its root")
    return names


def dns_octets(names):
    return b"".join(b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
                    + b"\0" for name in names)


def sip_option(octets):
    """RFC 3361: addresses or names."""
    return addresses(octets[1:]) if octets[0] == 1 else dns_names(octets[1:])


def classless_routes(octets):
    """RFC 3442."""
    found, at = [], 0
    while at < len(octets):
        width = octets[at]
        count = (width + 7) // 8
        destination = octets[at + 1:at + 1 + count].ljust(4, b"\0")
        router = octets[at + 1 + count:at + 5 + count]
        found.append(("%s/%d" % (ipaddress.ip_address(destination), width),
                      str(ipaddress.ip_address(router))))
        at += 5 + count
    return found


def dhcp6(kind, transaction, options):
    return struct.pack("!I", kind << 24 | transaction) + b"".join(
        struct.pack("!HH", code, len(value)) + value for code, value in options)


def dhcp6_read(octets):
    options, at = {}, 4
    while at < len(octets):
        code, length = struct.unpack("!HH", octets[at:at + 4])
        if at + 4 + length > len(octets) or code in options:
            raise ValueError("an option that overruns, or comes twice")
        options[code] = octets[at + 4:at + 4 + length]
        at += 4 + length
    return octets[0], struct.unpack("!I", octets[:4])[0] & 0xffffff, options


def nd_options(octets):
    """RFC 4861 4.6: (type, whole option)."""
    found, at = [], 0
    while at < len(octets):
        length = octets[at + 1] * 8
        if length == 0 or at + length > len(octets):
            raise ValueError("an ND option of length %d" % length)
        found.append((octets[at], octets[at:at + length]))
        at += length
    return found


# ------------------------------------------------------------------ devices


def device(name, ethernet=False):
    """A TUN or TAP without packet information."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = (0x0002 if ethernet else 0x0001) | 0x1000
    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), flags))
    return fd


def run(*command):
    subprocess.run(command, check=True)
