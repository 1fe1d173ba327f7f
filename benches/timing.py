#!/usr/bin/env python3
"""Whether the time of a 401 tells how much of a password is right: for docs/HTTP.md.

timing.py FILMSTRIP    compares 10,000 passwords whose first letter is right with 10,000 whose first letter is wrong
"""
import base64
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

TRIES = 10_000
# The wrong passwords of one address that aren't slowed down. Each connection is from an address of its own.
PER_ADDRESS = 10


def request(password):
    credentials = base64.b64encode(f"user:{password}".encode()).decode()
    return f"GET / HTTP/1.1\r\nHost: nas\r\nAuthorization: Basic {credentials}\r\n\r\n".encode()


def microseconds(connection, kind):
    begun = time.perf_counter_ns()
    connection.sendall(REQUESTS[kind])
    response = connection.recv(4096)
    took = time.perf_counter_ns() - begun
    assert response.startswith(b"HTTP/1.1 401 "), response
    return took / 1000


REQUESTS = request("sXXXXXXXXXXXXX"), request("tXXXXXXXXXXXXX")
environment = {**os.environ, "FILMSTRIP_AUTH": "user:secretpassword", "RUST_LOG": "off"}
with tempfile.TemporaryDirectory() as folder:
    command = [sys.argv[1], "--port", "0", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        port = int(server.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
        times = [], []
        for number in range(2 * TRIES // PER_ADDRESS):
            source = f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"
            with socket.create_connection(("127.0.0.1", port), source_address=(source, 0)) as connection:
                for kind in random.sample([0, 1] * (PER_ADDRESS // 2), PER_ADDRESS):
                    times[kind].append(microseconds(connection, kind))
        server.terminate()

for name, of in zip(("right", "wrong"), map(sorted, times)):
    quartiles = ", ".join(f"{of[TRIES * part // 4]:.1f}" for part in (1, 2, 3))
    print(f"first letter {name}: quartiles {quartiles} µs")
# The Mann-Whitney U test, by its normal approximation.
order = sorted((took, kind) for kind in (0, 1) for took in times[kind])
ranks = sum(rank for rank, (_, kind) in enumerate(order, 1) if kind == 0)
mean, deviation = TRIES * (2 * TRIES + 1) / 2, (TRIES * TRIES * (2 * TRIES + 1) / 12) ** 0.5
z = (ranks - mean) / deviation
print(f"z = {z:.2f}: {'the same' if abs(z) < 1.96 else 'different'}, at a level of 5 %")
