#!/usr/bin/env python3
"""A store with several leaders: every server takes writes, and sends them on to its peers.

    store.py NODE PORT B=127.0.0.1:4001,C=127.0.0.1:4002

Registers keep the value that is the latest by the clocks of the servers; sets keep every element that anybody added. A
counter is a register that holds the sum: of two additions at two servers at once, one is lost.
"""
import http.client
import json
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RETRY_SECONDS = 0.05

lock = threading.Lock()
registers = {}  # key: [time, node, value]
sets = {}  # key: elements
outboxes = []
node = sys.argv[1]


def merge(change):
    """Takes in a change, here or from elsewhere: in any order, and twice does no harm."""
    key = change["key"]
    if "element" in change:
        sets.setdefault(key, set()).add(change["element"])
    elif key not in registers or registers[key][:2] < change["entry"][:2]:
        registers[key] = change["entry"]


def write(change):
    with lock:
        merge(change)
    for outbox in outboxes:
        outbox.put(change)


def add(key, number):
    with lock:
        total = registers[key][2] if key in registers else 0
    write({"key": key, "entry": [time.time(), node, total + number]})


def send(address, outbox):
    """Sends changes to one peer, in order; what may not have arrived is sent again."""
    while True:
        changes = [outbox.get()]
        while not outbox.empty() and len(changes) < 100:
            changes.append(outbox.get())
        while not delivered(address, changes):
            time.sleep(RETRY_SECONDS)


def delivered(address, changes):
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("POST", "/changes", json.dumps(changes))
        return connection.getresponse().status == 204
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def held():
    with lock:
        shown = {key: entry[2] for key, entry in registers.items()}
        shown.update({key: sorted(elements) for key, elements in sets.items()})
        return shown


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, content=None):
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def do_GET(self):
        if self.path == "/records":
            return self.answer(200, {"records": held()})
        key = self.path.removeprefix("/records/")
        shown = held()
        return self.answer(200, {"value": shown[key]}) if key in shown else self.answer(404)

    def do_PUT(self):
        entry = [time.time(), node, self.body()["value"]]
        write({"key": self.path.removeprefix("/records/"), "entry": entry})
        self.answer(204)

    def do_POST(self):
        if self.path == "/changes":
            with lock:
                for change in self.body():
                    merge(change)
            return self.answer(204)
        content = self.body()
        if "add" in content:
            add(content["key"], content["add"])
        else:
            write({"key": content["key"], "element": content["element"]})
        return self.answer(204)

    def log_message(self, *_):
        pass


for peer in filter(None, sys.argv[3].split(",")):
    outboxes.append(queue.SimpleQueue())
    arguments = (peer.split("=")[1], outboxes[-1])
    threading.Thread(target=send, args=arguments, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
