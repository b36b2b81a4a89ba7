#!/usr/bin/env python3
"""A node of Maelstrom's workload g-set: a set that only grows.

Every node tells every other one all that it holds, again and again, so that no lost message matters.
"""
import json
import sys
import threading
import time

PAUSE_SECONDS = 0.02

lock = threading.Lock()
node = {"id": None, "others": []}
elements = set()


def send(dest, body):
    line = json.dumps({"src": node["id"], "dest": dest, "body": body})
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def gossip():
    while True:
        time.sleep(PAUSE_SECONDS)
        with lock:
            held = sorted(elements)
        for other in node["others"]:
            send(other, {"type": "gossip", "elements": held})


def answer(request):
    body = request["body"]
    kind = body["type"]
    if kind == "init":
        node["id"] = body["node_id"]
        node["others"] = [other for other in body["node_ids"] if other != node["id"]]
        threading.Thread(target=gossip, daemon=True).start()
        return {"type": "init_ok"}
    if kind == "gossip":
        with lock:
            elements.update(body["elements"])
        return None
    if kind == "add":
        with lock:
            elements.add(body["element"])
        return {"type": "add_ok"}
    if kind == "read":
        with lock:
            return {"type": "read_ok", "value": sorted(elements)}
    return {"type": "error", "code": 10, "text": f"a g-set knows no {kind}"}


for line in sys.stdin:
    request = json.loads(line)
    reply = answer(request)
    if reply is not None:
        reply["in_reply_to"] = request["body"].get("msg_id")
        send(request["src"], reply)
