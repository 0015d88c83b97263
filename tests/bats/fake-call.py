# SPDX-License-Identifier: Apache-2.0
"""fake-call.py SOCKET VERB PATH [VALUE]: one call of the fake kernel, by the protocol of libcfg/kernel/kfs-fake.c.

Prints the name of the errno, or what came back. With VERB "raw", PATH is sent as it stands, as bytes in hexadecimal digits.
"""

import errno
import os
import socket
import struct
import sys

path, verb, *fields = sys.argv[1:]
if verb == "raw":
    packet = bytes.fromhex(fields[0])
else:
    fields = [os.fsencode(f) for f in (fields + [""])[:2]]
    packet = verb.encode() + b"".join(struct.pack("<I", len(f)) + f for f in fields)
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
    s.connect(path)
    s.send(packet)
    answer = s.recv(1 << 20)
code = struct.unpack("<I", answer[:4])[0]
print(errno.errorcode.get(code, code) if code else answer[4:].decode(errors="replace"))
