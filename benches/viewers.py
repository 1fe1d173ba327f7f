#!/usr/bin/env python3
"""Viewers of a film at a bit rate, and what they cost a server: for docs/SCALING.md.

viewers.py PORT PATH MBIT VIEWERS SECONDS PID...    the film must be long enough; the PIDs are the server's
"""
import os
import socket
import sys
import time

STEP = 0.1  # seconds between two reads of a viewer
READ = 4 << 20

port, path, mbit, viewers, seconds, *pids = sys.argv[1:]
mbit, viewers, seconds = float(mbit), int(viewers), float(seconds)


def cpu_seconds():
    fields = [open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")


def resident_kib():
    lines = [line for pid in pids for line in open(f"/proc/{pid}/status")]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def watch(until):
    """Lets a tenth of the viewers read at each hundredth of a second; returns the bytes of all."""
    received, at = 0, time.time()
    while at < until:
        for first in range(10):
            for number in range(first, viewers, 10):
                due[number] += per_step
                while due[number] > 0:
                    try:
                        # The kernel discards them, so that a viewer costs little.
                        read = sockets[number].recv_into(sink, min(due[number], READ), socket.MSG_TRUNC)
                    except BlockingIOError:
                        break
                    if read == 0:
                        sys.exit("a stream ended")
                    due[number] -= read
                    received += read
            at += STEP / 10
            time.sleep(max(0, at - time.time()))
    return received


before = resident_kib()
sockets = []
for number in range(viewers):
    viewer = socket.create_connection(("127.0.0.1", port))
    viewer.sendall(f"GET {path} HTTP/1.1\r\nHost: nas\r\nRange: bytes={number * 1000003 % 100000000}-\r\n\r\n".encode())
    viewer.setblocking(False)
    sockets.append(viewer)
per_step, due, sink = int(mbit * 1e6 / 8 * STEP), [0] * viewers, bytearray(READ)

watch(time.time() + 2)
cpu, begun = cpu_seconds(), time.time()
gigabytes = watch(begun + seconds) / 1e9
cpu, took, memory = cpu_seconds() - cpu, time.time() - begun, resident_kib() - before
print(f"{viewers} at {mbit:g} Mbit/s: {gigabytes / took:.3f} GB/s of {viewers * mbit / 8000:.3f}, "
      f"{cpu / gigabytes:.2f} CPU-s/GB, {memory / viewers:.0f} KiB each")
