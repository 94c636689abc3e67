"""libtorrent as a seed, a leecher, and whatever else is measured of it.

libtorrent_peer.py seed|get TORRENT FOLDER ADDRESS:PORT COMPLETE UPLOAD_LIMIT [PEER:PORT]...
libtorrent_peer.py verify TORRENT FOLDER
libtorrent_peer.py create PATH TORRENT PIECE_LENGTH
libtorrent_peer.py many TORRENTS FOLDER RESUME ADDRESS:PORT COMPLETE
libtorrent_peer.py crowd TORRENT FOLDER ADDRESS:PORT COUNT
libtorrent_peer.py version

The first runs until it is told to end. When it has everything, and all of it is on disk, it
writes the file COMPLETE, which holds the seconds since the torrent was added. The limit is in
bytes a second, 0 for none. TORRENT may be a magnet link. `crowd` is that many seeds, on
the port and those above it, which believe that all is there. `many` seeds all torrents of a folder, whose files are in FOLDER; what
it remembered in the folder RESUME is believed, everything else is checked.
"""

import os
import signal
import sys
import time

import libtorrent as lt

from libtorrent_dht import dht_settings


# Whether it looks for peers on the local network.
LAN = "LOCAL_DISCOVERY" in os.environ
# Whether it takes part in peer exchange,
EXCHANGE = "PEER_EXCHANGE" in os.environ
# and in nothing else: then it knows others, and has neither metadata nor data.
GOSSIP = "ONLY_EXCHANGE" in os.environ
# The node of the DHT with which it begins; without one it takes no part.
DHT = os.environ.get("DHT_NODE", "")


def address(text):
    ip, port = text.rsplit(":", 1)
    return ip.strip("[]"), int(port)


def session(role, listen):
    settings = lt.high_performance_seed() if role == "seed" else lt.default_settings()
    settings.update(
        listen_interfaces=listen,
        outgoing_interfaces=address(listen)[0],
        enable_lsd=LAN,
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
    settings.update(dht_settings(DHT) if DHT else {"enable_dht": False})
    if not GOSSIP:
        return lt.session(settings)
    here = lt.session(settings, 0)
    here.add_extension("ut_pex")
    return here


def told_to_end():
    """A list that is no longer empty once this process is told to end."""
    ending = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.append(True))
    return ending


def params_of(torrent, folder):
    if torrent.startswith("magnet:"):
        params = lt.parse_magnet_uri(torrent)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.flags &= ~lt.torrent_flags.auto_managed
    params.flags &= ~lt.torrent_flags.paused
    if not (EXCHANGE or GOSSIP):
        params.flags |= lt.torrent_flags.disable_pex
    if not LAN:
        params.flags |= lt.torrent_flags.disable_lsd
    return params


def mark(complete, text):
    """Makes a file that is never seen half written."""
    with open(complete + ".new", "w") as out:
        out.write(text + "\n")
    os.rename(complete + ".new", complete)


def run(role, torrent, folder, listen, complete, upload_limit, *peers):
    ending = told_to_end()
    here = session(role, listen)
    params = params_of(torrent, folder)
    # The limit of a session does not hold for peers on its own network.
    params.upload_limit = int(upload_limit) or -1
    if role == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    start = time.monotonic()
    # For one that is added sooner the DHT is asked much later.
    while DHT and not here.is_dht_running():
        time.sleep(0.001)
    handle = here.add_torrent(params)
    for peer in peers:
        handle.connect_peer(address(peer))
    finished = None
    while not ending:
        here.wait_for_alert(100)
        for alert in here.pop_alerts():
            print(alert, flush=True)
            after = time.monotonic() - start
            if isinstance(alert, lt.metadata_received_alert):
                print(f"metadata-after {after:.6f}", flush=True)
            if isinstance(alert, lt.torrent_finished_alert):
                finished = after
                print(f"finished-after {after:.6f}", flush=True)
                handle.flush_cache()
            if isinstance(alert, lt.cache_flushed_alert) and finished is not None:
                mark(complete, f"{finished:.6f}")


def verify(torrent, folder):
    here = session("get", "127.0.0.1:0")
    handle = here.add_torrent(params_of(torrent, folder))
    while True:
        here.wait_for_alert(100)
        if any(isinstance(alert, lt.torrent_checked_alert) for alert in here.pop_alerts()):
            break
    sys.exit(0 if handle.status().is_seeding else "something is missing or wrong")


def create(path, torrent, piece_length):
    files = lt.file_storage()
    lt.add_files(files, path)
    made = lt.create_torrent(files, int(piece_length), lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, os.path.dirname(path))
    with open(torrent, "wb") as out:
        out.write(lt.bencode(made.generate()))


def many(torrents, folder, resume, listen, complete):
    ending = told_to_end()
    here = session("seed", listen)
    here.apply_settings({"active_checking": 4, "alert_queue_size": 1_000_000})
    names = sorted(os.listdir(torrents))
    for name in names:
        here.async_add_torrent(remembered(resume, name) or params_of(f"{torrents}/{name}", folder))
    while not ending:
        begun = time.monotonic()
        here.pop_alerts()
        if sum(status.is_seeding for status in here.get_torrent_status(any_status)) == len(names):
            break
        # To ask costs time; most of it is for the work.
        time.sleep(max(0.01, 4 * (time.monotonic() - begun)))
    mark(complete, str(len(names)))
    while not ending:
        here.wait_for_alert(500)
        here.pop_alerts()
    remember(here, resume)


def any_status(_):
    return True


def remembered(resume, name):
    try:
        with open(f"{resume}/{name}", "rb") as file:
            return lt.read_resume_data(file.read())
    except FileNotFoundError:
        return None


def remember(here, resume):
    left = set()
    for handle in here.get_torrents():
        handle.save_resume_data(lt.save_resume_flags_t.save_info_dict)
        left.add(str(handle.info_hash()))
    while left:
        here.wait_for_alert(1000)
        for alert in here.pop_alerts():
            if isinstance(alert, lt.save_resume_data_alert):
                with open(f"{resume}/{alert.params.ti.name()}.torrent", "wb") as out:
                    out.write(lt.write_resume_data_buf(alert.params))
                left.discard(str(alert.handle.info_hash()))
            elif isinstance(alert, lt.save_resume_data_failed_alert):
                left.discard(str(alert.handle.info_hash()))


def crowd(torrent, folder, listen, count):
    ending = told_to_end()
    ip, first = address(listen)
    seeds = []
    for port in range(first, first + int(count)):
        seed = session("seed", f"{ip}:{port}")
        # A hundred of them share a machine with one leecher.
        seed.apply_settings({"aio_threads": 1, "hashing_threads": 1})
        params = params_of(torrent, folder)
        params.flags |= lt.torrent_flags.seed_mode
        seed.add_torrent(params)
        seeds.append(seed)
    print("ready", flush=True)
    while not ending:
        time.sleep(0.1)


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "version":
        print(lt.version)
    elif role in ("verify", "create", "many", "crowd"):
        {"verify": verify, "create": create, "many": many, "crowd": crowd}[role](*rest)
    else:
        run(role, *rest)
