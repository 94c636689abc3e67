"""libtorrent as a seed or a leecher.

libtorrent_peer.py seed|get TORRENT FOLDER ADDRESS:PORT COMPLETE UPLOAD_LIMIT [PEER:PORT]...

It runs until it is told to end. When it has everything, and all of it is on disk, it writes
the file COMPLETE, which holds the seconds since the torrent was added. The limit is in bytes a
second, 0 for none.
"""

import os
import signal
import sys
import time

import libtorrent as lt


def address(text):
    ip, port = text.rsplit(":", 1)
    return ip.strip("[]"), int(port)


def session(role, listen):
    settings = lt.high_performance_seed() if role == "seed" else lt.default_settings()
    settings.update(
        listen_interfaces=listen,
        outgoing_interfaces=address(listen)[0],
        enable_dht=False,
        enable_lsd=False,
        enable_upnp=False,
        enable_natpmp=False,
        enable_incoming_utp=False,
        enable_outgoing_utp=False,
        in_enc_policy=2,
        out_enc_policy=2,
        aio_threads=4,
        max_allowed_in_request_queue=2000,
        max_out_request_queue=2000,
        send_buffer_watermark=8 << 20,
        allow_multiple_connections_per_ip=True,
        alert_mask=lt.alert.category_t.status_notification
        | lt.alert.category_t.error_notification
        | lt.alert.category_t.storage_notification,
    )
    return lt.session(settings)


def run(role, torrent, folder, listen, complete, upload_limit, *peers):
    ending = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.append(True))
    here = session(role, listen)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    # The limit of a session does not hold for peers on its own network.
    params.upload_limit = int(upload_limit) or -1
    if role == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    params.flags &= ~lt.torrent_flags.auto_managed
    params.flags &= ~lt.torrent_flags.paused
    params.flags |= lt.torrent_flags.disable_pex | lt.torrent_flags.disable_lsd
    start = time.monotonic()
    handle = here.add_torrent(params)
    for peer in peers:
        handle.connect_peer(address(peer))
    finished = None
    while not ending:
        here.wait_for_alert(100)
        for alert in here.pop_alerts():
            print(alert, flush=True)
            if isinstance(alert, lt.torrent_finished_alert):
                finished = time.monotonic() - start
                handle.flush_cache()
            if isinstance(alert, lt.cache_flushed_alert) and finished is not None:
                with open(complete + ".new", "w") as out:
                    out.write(f"{finished:.6f}\n")
                os.rename(complete + ".new", complete)


if __name__ == "__main__":
    run(*sys.argv[1:])
