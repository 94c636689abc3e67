"""What people do with the package transmission-rpc, on a server with nothing in it.

transmission_rpc_client.py PORT USER PASSWORD TORRENT MAGNET FOLDER

TORRENT has the files of a folder, MAGNET is a link of something else, FOLDER lies below the
download folder. An assertion that fails is told as Python does.
"""

import sys

from transmission_rpc import Client
from transmission_rpc.error import TransmissionAuthError, TransmissionError


def main(port, user, password, path, magnet, folder):
    try:
        Client(port=int(port), username=user, password="wrong")
        raise AssertionError("a wrong password is taken")
    except TransmissionAuthError:
        pass
    client = Client(port=int(port), username=user, password=password)
    settings(client)
    with open(path, "rb") as file:
        torrent = client.add_torrent(file, paused=True, download_dir=folder, labels=["linux"])
    with open(path, "rb") as file:
        assert client.add_torrent(file).id == torrent.id, "a duplicate is told as one"
    fields(client, torrent.id, folder)
    changes(client, torrent.id)
    trackers(client, torrent.id)
    other = client.add_torrent(magnet, paused=True)
    places(client, torrent.id, other.id)
    client.stop_torrent([torrent.id, other.id])
    client.start_torrent(torrent.hashString)
    client.start_torrent_now(torrent.id)
    client.verify_torrent(torrent.id)
    client.reannounce_torrent(torrent.id)
    client.remove_torrent(other.id)
    active, removed = client.get_recently_active_torrents()
    assert other.id in removed and torrent.id in [it.id for it in active]
    try:
        client.get_torrent(other.id)
        raise AssertionError("a torrent that was removed is there")
    except KeyError:
        pass
    client.remove_torrent(torrent.id)
    assert client.get_torrents() == []


def settings(client):
    session = client.get_session()
    assert session.rpc_version >= 17 and session.version.startswith("4.")
    for name in dir(type(session)):
        if isinstance(getattr(type(session), name), property):
            getattr(session, name)
    client.set_session(speed_limit_down=500, speed_limit_down_enabled=True, seed_ratio_limit=1.5,
                       seed_ratio_limited=True, alt_speed_up=7, start_added_torrents=False)
    session = client.get_session()
    assert session.speed_limit_down == 500 and session.speed_limit_down_enabled
    assert session.seed_ratio_limit == 1.5 and session.seed_ratio_limited
    assert session.alt_speed_up == 7 and not session.start_added_torrents
    client.set_session(speed_limit_down_enabled=False, seed_ratio_limited=False)
    assert not client.get_session().speed_limit_down_enabled
    stats = client.session_stats()
    assert stats.torrent_count == 0 and stats.current_stats.session_count == 1
    assert client.free_space(session.download_dir) > 0
    assert client.port_test() in (True, False) or client.port_test() is not None
    try:
        client.blocklist_update()
        raise AssertionError("there is a blocklist")
    except TransmissionError:
        pass


def fields(client, torrent, folder):
    torrent = client.get_torrent(torrent)
    for name in dir(type(torrent)):
        if isinstance(getattr(type(torrent), name), property):
            getattr(torrent, name)
    assert torrent.status == "stopped" and torrent.download_dir == folder
    assert torrent.labels == ["linux"] and torrent.percent_done == 0.0
    names = [file.name for file in torrent.get_files()]
    assert names and all(name.startswith(torrent.name + "/") for name in names), names
    assert all(file.selected for file in torrent.get_files())


def changes(client, torrent):
    client.change_torrent(torrent, files_unwanted=[1], priority_high=[2], download_limit=50,
                          download_limited=True, seed_ratio_limit=3.0, seed_ratio_mode=1,
                          seed_idle_limit=20, seed_idle_mode=1, labels=["a", "b"])
    shown = client.get_torrent(torrent)
    files = shown.get_files()
    assert not files[1].selected and files[2].priority == 1 and files[0].priority == 0
    assert shown.download_limit == 50 and shown.download_limited
    assert shown.seed_ratio_limit == 3.0 and shown.seed_ratio_mode == 1
    assert shown.seed_idle_limit == 20 and shown.labels == ["a", "b"]
    client.change_torrent(torrent, files_wanted=[1])
    assert client.get_torrent(torrent).get_files()[1].selected


def trackers(client, torrent):
    urls = [["http://10.77.0.200/announce"], ["udp://10.77.0.201:1"]]
    client.change_torrent(torrent, tracker_list=urls)
    shown = client.get_torrent(torrent)
    assert [it.announce for it in shown.trackers] == [urls[0][0], urls[1][0]]
    assert [it.tier for it in shown.tracker_stats] == [0, 1]
    client.change_torrent(torrent, tracker_remove=[1])
    assert len(client.get_torrent(torrent).trackers) == 1


def places(client, first, second):
    place = lambda torrent: client.get_torrent(torrent).queue_position
    assert (place(first), place(second)) == (0, 1)
    client.queue_top(second)
    assert (place(first), place(second)) == (1, 0)
    client.queue_down(second)
    client.queue_up(second)
    client.queue_bottom(second)
    assert (place(first), place(second)) == (0, 1)


main(*sys.argv[1:])
