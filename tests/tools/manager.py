#!/usr/bin/python3 -IS
# SPDX-License-Identifier: GPL-2.0-or-later
"""manager DIRECTORY [ERROR]: stands in for systemd, PID 1 of an initramfs whose root is DIRECTORY.

It listens on run/systemd/private there and answers one call, with ERROR if that is given, or none where
it is REJECTED; what it was asked, and the states that it was notified of (run/notify, or the abstract
socket in NOTIFY_SOCKET), are appended to DIRECTORY/../manager.log.
"""
import os
import re
import signal
import socket
import struct
import sys

os.closerange(3, 4096)  # whoever waits for their end need not wait for this
os.chdir(sys.argv[1])
log = open("../manager.log", "a", buffering=1)
states = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
abstract = os.environ.get("NOTIFY_SOCKET", "").startswith("@")
states.bind("\0" + os.environ["NOTIFY_SOCKET"][1:] if abstract else "run/notify")
states.setblocking(False)
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
server.bind("run/systemd/new")
server.listen(1)
os.rename("run/systemd/new", "run/systemd/private")
print("ready", flush=True)  # who reads this may call
signal.alarm(int(os.environ.get("TMPFSROOT_TEST_SECONDS", 20)))  # where nobody calls
for descriptor in 1, 2:  # nor for its output
    os.close(descriptor)

header = b""
while not header:  # who has connected may have gone without a call
    client, _ = server.accept()
    hello = b""
    while not hello.endswith(b"BEGIN\r\n"):
        hello += client.recv(1)
    log.write("hello %r\n" % hello)
    if sys.argv[2:] == ["REJECTED"]:
        client.sendall(b"REJECTED EXTERNAL\r\n")
        sys.exit()
    client.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
    header = client.recv(16, socket.MSG_WAITALL)
kind, flags, version = header[1:4]
body_length, serial, fields_length = struct.unpack("<III", header[4:16])
fields = client.recv((fields_length + 7) // 8 * 8, socket.MSG_WAITALL)
body = client.recv(body_length, socket.MSG_WAITALL)
member = re.search(rb"SwitchRoot", fields)
strings, at = [], 0
while at < len(body):
    at = (at + 3) // 4 * 4
    (length,) = struct.unpack_from("<I", body, at)
    strings.append(body[at + 4 : at + 4 + length].decode())
    at += 4 + length + 1
log.write("%s %s\n" % (member.group().decode() if member else "?", strings))
try:
    while True:
        log.write("notified %s\n" % states.recv(4096).decode())
except BlockingIOError:
    pass


def message(kind, body=b""):
    # the one field: the serial that it answers
    field = struct.pack("=B1s1sBI", 5, b"\1", b"u", 0, serial)
    start = struct.pack("=cBBBIII", b"l" if sys.byteorder == "little" else b"B", kind, 0, 1,
                        len(body), 1, len(field))
    return start + field + body


def string(text):
    data = text.encode()
    return struct.pack("=I", len(data)) + data + b"\0"


client.sendall(message(4, string("a signal comes first")))
client.sendall(message(3, string(sys.argv[2])) if len(sys.argv) > 2 else message(2))
client.close()
