//! Figures for Prometheus, in its text format (0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use toubkal_daemon::{Phase, Stats};

use crate::api::Face;

pub(crate) async fn metrics(State(face): State<Face>) -> Response {
    let text = text(&face.client.stats(), &face.client.phases());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn text(stats: &Stats, phases: &BTreeMap<Phase, u64>) -> String {
    let mut text = String::new();
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = writeln!(
            text,
            "# HELP toubkal_{name} {help}\n# TYPE toubkal_{name} {kind}\ntoubkal_{name} {value}"
        );
    };
    let down = "Bytes of payload received in all lives.";
    one("downloaded_bytes_total", "counter", down, stats.downloaded_ever + stats.downloaded);
    let up = "Bytes of payload sent in all lives.";
    one("uploaded_bytes_total", "counter", up, stats.uploaded_ever + stats.uploaded);
    one("download_rate_bytes", "gauge", "Bytes a second that come in.", stats.down_rate);
    one("upload_rate_bytes", "gauge", "Bytes a second that go out.", stats.up_rate);
    one("peers", "gauge", "Connected peers.", stats.peers.into());
    one("dht_nodes", "gauge", "Nodes of the DHT that are known.", stats.dht_nodes.into());
    one("uptime_seconds", "gauge", "Seconds since the start.", stats.uptime);
    if let Some(free) = stats.free {
        one("free_bytes", "gauge", "Free bytes in the download folder.", free);
    }
    text += "# HELP toubkal_torrents Torrents by what they do.\n# TYPE toubkal_torrents gauge\n";
    for (phase, count) in phases {
        let phase = serde_json::to_value(phase).unwrap_or_default();
        let _ = writeln!(text, "toubkal_torrents{{phase={phase}}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_help_and_a_type() {
        let stats = Stats { downloaded: 5, downloaded_ever: 7, ..Stats::default() };
        let text = text(&stats, &BTreeMap::new());
        assert!(text.contains("toubkal_downloaded_bytes_total 12\n"));
        let named = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(named("# HELP"), named("# TYPE"));
        assert!(!text.contains("free_bytes"), "it is not known");
    }
}
