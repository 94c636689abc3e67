"""Nodes of the DHT that are libtorrent's, many in one process.

libtorrent_dht.py BOOTSTRAP ADDRESS:PORT[,ADDRESS:PORT]... [WISH]...

Each address gets a node, which begins with the node BOOTSTRAP. Each wish is worked on by the next
node in turn, again and again until it comes true; then it is printed with what was found. The
process runs until it is told to end. What others ask it and tell it of torrents is printed, as
`asked HASH` and `told HASH`. Wishes:

announce:HASH          it is announced (which is printed at once)
find:HASH:ADDRESS:PORT a node says that this peer has it
put:SEED:KEY:TEXT      the text is stored under a key (which is printed at once)
get:KEY:TEXT           a node has the text under the key
"""

import hashlib
import signal
import sys
import time

import libtorrent as lt


def dht_settings(bootstrap=""):
    """What a node needs in a network where all addresses are alike."""
    return {
        "enable_dht": True,
        "dht_bootstrap_nodes": bootstrap,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        "dht_upload_rate_limit": 1_000_000,
    }


def node(listen, bootstrap):
    here = lt.session(
        {
            **dht_settings(),
            "listen_interfaces": listen,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "alert_mask": lt.alert.category_t.dht_notification
            | lt.alert.category_t.dht_operation_notification,
        }
    )
    ip, port = bootstrap.rsplit(":", 1)
    here.add_dht_node((ip, int(port)))
    return here


def secret(seed):
    """The form that libtorrent wants of the seed of a key."""
    digest = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
    digest[0] &= 248
    digest[31] &= 63
    digest[31] |= 64
    return bytes(digest)


def ask(here, kind, *rest):
    if kind == "announce":
        here.dht_announce(lt.sha1_hash(bytes.fromhex(rest[0])), 0, 0)
    elif kind == "find":
        here.dht_get_peers(lt.sha1_hash(bytes.fromhex(rest[0])))
    elif kind == "put":
        here.dht_put_mutable_item(secret(rest[0]), bytes.fromhex(rest[1]), rest[2].encode(), b"")
    elif kind == "get":
        here.dht_get_mutable_item(bytes.fromhex(rest[0]), b"")


def is_granted(alert, kind, *rest):
    if kind == "find" and isinstance(alert, lt.dht_get_peers_reply_alert):
        peers = {f"{ip}:{port}" for ip, port in alert.peers()}
        return str(alert.info_hash) == rest[0] and ":".join(rest[1:]) in peers
    if kind == "get" and isinstance(alert, lt.dht_mutable_item_alert):
        key = bytes(alert.key)
        return key.hex() == rest[0] and alert.item == rest[1].encode()
    return False


def main(bootstrap, addresses, *wishes):
    ending = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.append(True))
    nodes = [node(listen, bootstrap) for listen in addresses.split(",")]
    open_wishes = {wish: nodes[at % len(nodes)] for at, wish in enumerate(wishes)}
    next_at = 0
    while not ending:
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + 3
            for wish, here in open_wishes.items():
                ask(here, *wish.split(":"))
                if wish.startswith(("announce", "put")):
                    print(wish, flush=True)
        for here in nodes:
            for alert in here.pop_alerts():
                if isinstance(alert, lt.dht_get_peers_alert):
                    print("asked", alert.info_hash, flush=True)
                if isinstance(alert, lt.dht_announce_alert):
                    print("told", alert.info_hash, flush=True)
                for wish in [w for w, asked in open_wishes.items() if asked is here]:
                    if is_granted(alert, *wish.split(":")):
                        print("granted", wish, flush=True)
                        del open_wishes[wish]
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
