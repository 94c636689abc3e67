//! Torrents: listed, added, changed, removed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing;
use base64::Engine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toubkal_daemon::{
    AddError, Changes, Client, Cursor, Edit, FileView, Goals, How, Id, PeerView, Phase,
    TrackerView, View, What, WhyView, Wish,
};
use toubkal_session::Rates;

use super::Face;
use super::fields::{FIELDS, Fields};
use super::table::{Act, Route};
use crate::problem::Problem;

/// The kind of a torrent file.
const TORRENT: &str = "application/x-bittorrent";

pub(super) fn table() -> Vec<Route> {
    let list =
        Act::new("get", "All torrents, or what changed since a cursor", || routing::get(list))
            .query::<Option<String>>("since", "the cursor of an earlier answer")
            .query::<Option<usize>>(
                "limit",
                "this many at most, those with errors and new ones first",
            )
            .query::<Option<String>>("fields", FIELDS)
            .gives::<Changes>(200);
    let add =
        Act::new("post", "Adds a torrent; one that is there already stays", || routing::post(add))
            .body::<Addition>()
            .gives::<Added>(201);
    let bulk = Act::new("post", "Changes many torrents at once", || routing::post(bulk))
        .body::<Bulk>()
        .faults(&[404]);
    let show = Act::new("get", "One torrent", || routing::get(show)).gives::<View>(200);
    let edit = Act::new("patch", "Changes a torrent", || routing::patch(edit)).body::<Edit>();
    let remove = Act::new("delete", "Takes a torrent out of the list; its files stay", || {
        routing::delete(remove)
    });
    let files = Act::new("get", "The files of a torrent", || routing::get(files))
        .gives::<Vec<FileView>>(200);
    let peers = Act::new("get", "The connected peers of a torrent", || routing::get(peers))
        .gives::<Vec<PeerView>>(200);
    let trackers = Act::new("get", "The trackers of a torrent", || routing::get(trackers))
        .gives::<Vec<TrackerView>>(200);
    let why =
        Act::new("get", "Why a torrent is no faster, and what would help", || routing::get(why))
            .gives::<WhyView>(200);
    let pieces =
        Act::new("get", "Which pieces are there: a bit each, as base64", || routing::get(pieces))
            .gives::<Pieces>(200);
    let check =
        Act::new("post", "Checks everything that lies in its folder", || routing::post(check))
            .body::<Nothing>();
    let announce = Act::new("post", "Asks its trackers for peers now", || routing::post(announce))
        .body::<Nothing>();
    vec![
        Route::new("/torrents", [list, add]),
        Route::new("/bulk", [bulk]),
        Route::new("/torrents/{torrent}", [show, edit, remove]),
        Route::new("/torrents/{torrent}/files", [files]),
        Route::new("/torrents/{torrent}/peers", [peers]),
        Route::new("/torrents/{torrent}/trackers", [trackers]),
        Route::new("/torrents/{torrent}/why", [why]),
        Route::new("/torrents/{torrent}/pieces", [pieces]),
        Route::new("/torrents/{torrent}/check", [check]),
        Route::new("/torrents/{torrent}/announce", [announce]),
    ]
}

/// A torrent that is to be added: by its link, or by its file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Addition {
    /// A magnet link, or an info-hash.
    link: Option<String>,
    /// The torrent file, in base64.
    torrent: Option<String>,
    /// The download folder: a path from the root.
    dir: Option<PathBuf>,
    /// Its category, made when there is none of that name.
    category: String,
    /// Its tags.
    tags: Vec<String>,
    /// What it is to do.
    wish: Option<Wish>,
    /// What it is called in the list.
    name: Option<String>,
    /// One a file: 0 is not wanted, 1 low, 2 usual, 3 high.
    files: Option<Vec<u8>>,
    /// Pieces in order instead of rarest first.
    sequential: bool,
    /// Bytes a second.
    down: Option<u64>,
    /// Bytes a second.
    up: Option<u64>,
    /// When it has given enough.
    goals: Goals,
    /// Before all others in the queue.
    first: bool,
    /// Peers that are known, as `ADDRESS:PORT`.
    #[schemars(with = "Vec<String>")]
    peers: Vec<SocketAddr>,
}

/// What was added.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Added {
    /// Its number.
    id: Id,
    /// It was there before.
    known: bool,
    /// As it stands.
    torrent: Option<View>,
}

/// A change of many torrents.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bulk {
    /// Which, by number; none: all.
    ids: Option<Vec<Id>>,
    /// What is to be changed.
    #[serde(default)]
    edit: Edit,
    /// Check what lies in their folders.
    #[serde(default)]
    check: bool,
    /// Ask their trackers now.
    #[serde(default)]
    announce: bool,
    /// Take them out of the list.
    #[serde(default)]
    remove: bool,
}

/// Pieces that are there.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Pieces {
    /// How many there are in all.
    count: u32,
    /// A bit each, the first piece in the highest bit of the first byte, in base64.
    have: String,
}

/// An empty object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// What can stand behind the `?` of a list.
#[derive(Debug, Deserialize)]
struct Asked {
    since: Option<String>,
    limit: Option<usize>,
    fields: Option<String>,
}

/// Which torrent the path names.
fn find(client: &Client, text: &str) -> Result<Id, Problem> {
    let number = text.parse().ok().filter(|&id| client.has(id));
    number
        .or_else(|| client.find_text(text))
        .ok_or_else(|| Problem::missing(format!("there is no torrent {text:?}")))
}

/// Reads where a listener wants to go on.
pub(super) fn cursor(text: &str) -> Result<Cursor, Problem> {
    Cursor::parse(text).ok_or_else(|| Problem::request(format!("{text:?} is no cursor")))
}

/// Does something that may wait for the disk, on a thread that may wait.
async fn calmly<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Err(Problem::new(status, "bug", "this is a fault of toubkal's own: please report it"))
    })
}

/// Reads JSON, and says in one form what is wrong with it.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::value(error.to_string()),
        _ => Problem::request(error.to_string()),
    })
}

fn json<T: Serialize>(value: &T) -> Response {
    axum::Json(value).into_response()
}

async fn list(State(face): State<Face>, query: Query<Asked>) -> Result<Response, Problem> {
    let since = query.0.since.as_deref().map(cursor).transpose()?;
    let fields = query.0.fields.as_deref().map(Fields::parse).transpose()?;
    calmly(move || {
        let mut changes = face.client.changes(since);
        if let Some(limit) = query.0.limit {
            changes.full &= changes.torrents.len() <= limit;
            changes.torrents.sort_by_key(|it| (it.phase != Phase::Error, Reverse(it.id)));
            changes.torrents.truncate(limit);
        }
        Ok(fields.map_or_else(|| json(&changes), |it| json(&it.pick(&changes))))
    })
    .await
}

async fn add(
    State(face): State<Face>,
    headers: HeaderMap,
    query: Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_torrent = kind.is_some_and(|kind| kind.starts_with(TORRENT));
    let (what, how) = if is_torrent {
        let addition = beside(&query.0)?;
        (What::File(body.to_vec().into()), how(addition))
    } else {
        let mut addition: Addition = read(&body)?;
        (what(&mut addition)?, how(addition))
    };
    calmly(move || {
        let (id, known) = match face.client.add(what, &how) {
            Ok(id) => (id, false),
            Err(AddError::Duplicate(id)) => (id, true),
            Err(error) => return Err(error.into()),
        };
        let status = if known { StatusCode::OK } else { StatusCode::CREATED };
        let added = Added { id, known, torrent: face.client.view(id) };
        Ok((status, axum::Json(added)).into_response())
    })
    .await
}

/// What is said beside a torrent file that is sent as it is.
fn beside(query: &BTreeMap<String, String>) -> Result<Addition, Problem> {
    let mut addition = Addition::default();
    for (name, value) in query {
        match name.as_str() {
            "dir" => addition.dir = Some(value.into()),
            "category" => addition.category.clone_from(value),
            "tags" => addition.tags = value.split(',').map(|tag| tag.trim().to_owned()).collect(),
            "name" => addition.name = Some(value.clone()),
            "wish" => {
                let wish = serde_json::from_value(value.as_str().into());
                addition.wish = Some(wish.map_err(|error| Problem::value(error.to_string()))?);
            }
            _ => return Err(Problem::request(format!("{name:?} is not known here"))),
        }
    }
    Ok(addition)
}

fn what(addition: &mut Addition) -> Result<What, Problem> {
    match (addition.link.take(), addition.torrent.take()) {
        (Some(link), None) => Ok(What::Link(link)),
        (None, Some(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim());
            let bytes = bytes.map_err(|error| Problem::value(format!("torrent: {error}")))?;
            Ok(What::File(bytes.into()))
        }
        _ => Err(Problem::value("give either a link or a torrent")),
    }
}

fn how(addition: Addition) -> How {
    let (down, up) = (addition.down, addition.up);
    How {
        dir: addition.dir,
        category: addition.category,
        tags: addition.tags,
        wish: addition.wish,
        name: addition.name,
        files: addition.files,
        sequential: addition.sequential,
        rates: Rates { down, up },
        goals: addition.goals,
        first: addition.first,
        peers: addition.peers,
    }
}

async fn bulk(State(face): State<Face>, body: Bytes) -> Result<StatusCode, Problem> {
    let Bulk { ids, edit, check, announce, remove } = read(&body)?;
    calmly(move || {
        let client = face.client;
        let ids = ids.unwrap_or_else(|| client.ids());
        if edit != Edit::default() {
            client.edit(&ids, &edit)?;
        }
        if check {
            client.check(&ids)?;
        }
        if announce {
            client.announce(&ids)?;
        }
        if remove {
            client.remove(&ids)?;
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// What is asked about one torrent.
async fn about<T: Serialize + Send + 'static>(
    face: Face,
    torrent: String,
    ask: fn(&Client, Id) -> Option<T>,
) -> Result<Response, Problem> {
    calmly(move || {
        let id = find(&face.client, &torrent)?;
        let answer = ask(&face.client, id);
        let answer = answer.ok_or_else(|| Problem::missing("it is not there any more"))?;
        Ok(json(&answer))
    })
    .await
}

async fn show(State(face): State<Face>, torrent: Path<String>) -> Result<Response, Problem> {
    about(face, torrent.0, Client::view).await
}

async fn files(State(face): State<Face>, torrent: Path<String>) -> Result<Response, Problem> {
    about(face, torrent.0, Client::files).await
}

async fn peers(State(face): State<Face>, torrent: Path<String>) -> Result<Response, Problem> {
    about(face, torrent.0, |client, id| Some(client.peers(id).unwrap_or_default())).await
}

async fn trackers(State(face): State<Face>, torrent: Path<String>) -> Result<Response, Problem> {
    about(face, torrent.0, |client, id| Some(client.trackers(id).unwrap_or_default())).await
}

async fn why(State(face): State<Face>, torrent: Path<String>) -> Result<Response, Problem> {
    about(face, torrent.0, Client::explain).await
}

async fn pieces(State(face): State<Face>, torrent: Path<String>) -> Result<Response, Problem> {
    let ask = |client: &Client, id| {
        let have = client.pieces(id).unwrap_or_default();
        let have = base64::engine::general_purpose::STANDARD.encode(have);
        Some(Pieces { count: client.view(id)?.pieces, have })
    };
    about(face, torrent.0, ask).await
}

async fn edit(
    State(face): State<Face>,
    torrent: Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let edit: Edit = read(&body)?;
    act(face, torrent.0, move |client, id| Ok(client.edit(&[id], &edit)?)).await
}

async fn remove(State(face): State<Face>, torrent: Path<String>) -> Result<StatusCode, Problem> {
    act(face, torrent.0, |client, id| Ok(client.remove(&[id])?)).await
}

async fn check(
    State(face): State<Face>,
    torrent: Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Nothing {} = read(&body)?;
    act(face, torrent.0, |client, id| Ok(client.check(&[id])?)).await
}

async fn announce(
    State(face): State<Face>,
    torrent: Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Nothing {} = read(&body)?;
    act(face, torrent.0, |client, id| Ok(client.announce(&[id])?)).await
}

async fn act(
    face: Face,
    torrent: String,
    act: impl FnOnce(&Client, Id) -> Result<(), Problem> + Send + 'static,
) -> Result<StatusCode, Problem> {
    calmly(move || {
        let id = find(&face.client, &torrent)?;
        act(&face.client, id).map(|()| StatusCode::NO_CONTENT)
    })
    .await
}
