//! Changes as they happen: Server-Sent Events, each with a cursor from which a connection that was
//! lost goes on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing;
use serde::Deserialize;
use tokio_stream::wrappers::ReceiverStream;
use toubkal_daemon::{Changes, Cursor};

use super::Face;
use super::fields::{Fields, Told};
use super::table::{Act, Route};
use super::torrents::cursor;
use crate::problem::Problem;

/// From one event to the next, at least.
const PACE: Duration = Duration::from_secs(1);
/// What the parameter is.
const FIELDS_HERE: &str = "as of a list, and of a torrent that was told before only those that \
    changed, without the cursor";
/// How often it is said that nothing happened: whoever hears nothing for longer knows that the
/// connection is lost.
const ALIVE: Duration = Duration::from_secs(1);

pub(super) fn table() -> Vec<Route> {
    let what = "All torrents, then what changes, as Server-Sent Events: the data of each is what \
        GET /torrents gives, its id is the cursor";
    let events = Act::new("get", what, || routing::get(events))
        .query::<Option<String>>("since", "the cursor to go on from, as Last-Event-ID is")
        .query::<Option<String>>("fields", FIELDS_HERE)
        .gives_as::<Changes>(200, "text/event-stream");
    vec![Route::new("/events", [events])]
}

#[derive(Debug, Deserialize)]
struct Asked {
    since: Option<String>,
    fields: Option<String>,
}

async fn events(
    State(face): State<Face>,
    headers: HeaderMap,
    query: Query<Asked>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    // A browser sends what it saw last; what was asked for at first is older then.
    let mut since = last.or(query.0.since).as_deref().map(cursor).transpose()?;
    let fields = query.0.fields.as_deref().map(Fields::parse).transpose()?;
    let mut told = fields.map(Told::new);
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Event, Infallible>>(1);
    let mut ended = face.ended.clone();
    tokio::spawn(async move {
        let mut turns = face.client.turns();
        let mut first = true;
        loop {
            turns.borrow_and_update();
            let client = face.client.clone();
            let ask = move || tell(&client.changes(since), told, first);
            let Ok((cursor, event, same)) = tokio::task::spawn_blocking(ask).await else { return };
            (since, told) = (Cursor::parse(&cursor), same);
            if let Some(event) = event
                && send.send(Ok(event.id(cursor))).await.is_err()
            {
                return;
            }
            first = false;
            tokio::select! {
                () = send.closed() => return,
                _ = ended.wait_for(|ended| *ended) => return,
                changed = async {
                    tokio::time::sleep(PACE).await;
                    turns.changed().await
                } => if changed.is_err() { return },
            }
        }
    });
    let alive = KeepAlive::new().interval(ALIVE).text("");
    Ok(Sse::new(ReceiverStream::new(receive)).keep_alive(alive).into_response())
}

/// The event of some changes, when there are any or it is the first; the cursor after them; and
/// what the listener has been told then.
fn tell(
    changes: &Changes,
    mut told: Option<Told>,
    first: bool,
) -> (String, Option<Event>, Option<Told>) {
    let Changes { full, torrents, removed, .. } = changes;
    let news = first || *full || !torrents.is_empty() || !removed.is_empty();
    let event = Event::default().event("changes");
    let event = match &mut told {
        Some(told) => told.news(changes, first).map(|news| event.json_data(news)),
        None => news.then(|| event.json_data(changes)),
    };
    (changes.cursor.clone(), event.and_then(Result::ok), told)
}
