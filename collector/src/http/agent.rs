//! The agents' side: hello, upload, commands. Bodies are protobuf messages of the crate `kouan-protocol`.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kouan_protocol::session::{CommandDelivery, CommandPoll, Hello, MEDIA_TYPE, PROTOCOL, Receipt, Welcome};
use kouan_protocol::{DecodeError, RecordKind, SessionId, Timestamp, frame, limits};
use tracing::{info, warn};

use super::extract::{AgentCaller, read_body};
use super::upload_slots::UploadSlots;
use super::{AppState, Problem};
use crate::ingest::{self, Greeted, Session};
use crate::state::SnapshotProblem;
use crate::{alarms, auth, commands};

/// Uploads that are no longer than this once they are opened are checked where they arrive: it takes less time than
/// another thread needs to wake up.
const SHORT_BYTES: usize = 16 * 1024;
/// How soon a poll looks again while the state catches up.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Begins a session and says where each lane goes on.
#[utoipa::path(post, path = "/agent/v1/hello", tag = "agent",
    request_body(content = Vec<u8>, content_type = "application/vnd.kouan.v1+protobuf", description = "Hello"),
    responses((status = 200, content_type = "application/vnd.kouan.v1+protobuf", description = "Welcome"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn hello(
    State(shared): State<AppState>,
    caller: AgentCaller,
    request: Request,
) -> Result<Response, Problem> {
    let hello = Hello::decode(&plain_body(request).await?)?;
    if hello.protocol > PROTOCOL {
        let detail = format!("this collector speaks protocol {PROTOCOL}, the agent {}", hello.protocol);
        return Err(Problem::new(StatusCode::BAD_REQUEST, "protocol", "The protocol is too new", detail));
    }
    let now = shared.clock.anchor();
    // A hello is small and often the quickest message.
    shared.sessions.delay_ms(&caller.id, &hello.now, &now);
    let session = Session {
        id: SessionId::random(),
        incarnation: hello.incarnation,
        journal: hello.journal,
        boot: hello.now.boot,
        seen: now.boot_time,
    };
    let (agent, noted) = (caller.id.clone(), hello.clone());
    let (fleet, current) = (Arc::clone(&shared.fleet), (caller.id.clone(), session.boot));
    let orphaned = shared.state.transact_then(
        move |transaction| {
            auth::note_hello(transaction, &agent, &noted, session.id, now.wall)?;
            commands::journal_changed(transaction, &agent, noted.journal, now.wall)
        },
        move |orphaned| {
            fleet.write().unwrap_or_else(PoisonError::into_inner).set_boot(&current.0, current.1);
            orphaned
        },
    );
    let orphaned = orphaned.await?;
    if orphaned > 0 {
        warn!(agent = %caller.id, commands = orphaned, "Commands of an earlier journal are now unknown.");
    }
    let greeted = shared.ingest.hello(caller.id.clone(), caller.site.clone(), hello.clone(), now.wall, session).await?;
    shared.bells.disturb(&caller.id);
    look_for_copies(&shared, &caller, &greeted, now.wall).await?;
    info!(agent = %caller.id, session = %session.id, software = hello.software, "Agent said hello.");
    let welcome = Welcome {
        session: session.id,
        incarnation: shared.ingest.incarnation(),
        time: shared.clock.wall(),
        kinds: RecordKind::KNOWN.to_vec(),
        lanes: greeted.reconciled.lanes,
        wanted_catalogues: greeted.reconciled.wanted_catalogues,
        agent: caller.id,
        site: caller.site,
    };
    Ok(message(welcome.encode()))
}

/// What a hello says about copies of disks, and about what either side has forgotten.
async fn look_for_copies(
    shared: &AppState,
    caller: &AgentCaller,
    greeted: &Greeted,
    now: Timestamp,
) -> Result<(), Problem> {
    let reconciled = &greeted.reconciled;
    if reconciled.lost_here {
        warn!(agent = %caller.id, "Records of the agent that had been confirmed are not here; its commands are held.");
        // The state's reader holds them; until it has come so far, nothing is handed out.
        shared.offers.wait_for(greeted.head);
    }
    let returned =
        reconciled.returned.map(|epoch| format!("the buffer {epoch}, which had been followed by another one, is back"));
    let duplicate = greeted.duplicate.clone().or(returned);
    if duplicate.is_none() && !reconciled.agent_restored {
        return Ok(());
    }
    if let Some(why) = &duplicate {
        warn!(agent = %caller.id, why, "Two machines seem to use one identity.");
    }
    let (agent, site) = (caller.id.clone(), caller.site.clone());
    let settled = shared.state.transact(move |transaction| {
        if let Some(why) = duplicate {
            alarms::raise_on_agent(transaction, &site, &agent, alarms::DUPLICATE_IDENTITY, &why, now)?;
        }
        commands::agent_restored(transaction, &agent, now)
    });
    let unknown = settled.await?;
    if unknown > 0 {
        warn!(agent = %caller.id, commands = unknown, "Commands that the agent may have forgotten are now unknown.");
    }
    Ok(())
}

/// Stores batches and takes snapshots. The answer says what is on disk.
#[utoipa::path(post, path = "/agent/v1/upload", tag = "agent",
    request_body(content = Vec<u8>, content_type = "application/vnd.kouan.v1+protobuf",
        description = "Upload, with Content-Encoding: zstd"),
    responses((status = 200, content_type = "application/vnd.kouan.v1+protobuf", description = "Receipt"),
        (status = 409, content_type = "application/problem+json", body = Problem, description = "hello-required"),
        (status = 429, content_type = "application/problem+json", body = Problem, description = "busy"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn upload(
    State(shared): State<AppState>,
    caller: AgentCaller,
    request: Request,
) -> Result<Response, Problem> {
    let small = UploadSlots::is_small(request.headers());
    let push_back = || {
        shared.counters.uploads_pushed_back.add(1);
        Problem::busy("too many uploads are being read")
    };
    let mut slot = if small { None } else { Some(shared.upload_slots.try_large().ok_or_else(push_back)?) };
    let (body, compressed) = raw_body(request).await?;
    if small {
        slot = shared.upload_slots.small().await;
    }
    let received = shared.clock.anchor();
    let (agent, site) = (caller.id.clone(), caller.site.clone());
    let short = if compressed { frame::decompress_within(&body, SHORT_BYTES)? } else { None };
    let checked = match short {
        Some(plain) => ingest::check(&shared.sessions, agent, site, &received, &plain)?,
        None => {
            let sessions = Arc::clone(&shared.sessions);
            let checked = tokio::task::spawn_blocking(move || {
                let plain = if compressed { frame::decompress(&body)? } else { body.to_vec() };
                ingest::check(&sessions, agent, site, &received, &plain)
            });
            checked.await.map_err(|_| Problem::internal())??
        }
    };
    drop(slot);
    shared.sessions.touch(&caller.id, checked.session, received.boot_time)?;
    let (sent, delay_ms) = (checked.arrival.sent, checked.delay_ms);
    let mut appended = if checked.arrival.batches.is_empty() && checked.arrival.catalogues.is_empty() {
        crate::store::log::Appended::default()
    } else {
        let appended = shared.ingest.append(checked.session, checked.arrival).await;
        if let Err(ingest::IngestError::Busy) = &appended {
            shared.counters.uploads_pushed_back.add(1);
        }
        appended?
    };
    if let Some(reason) = appended.hello_required {
        return Err(Problem::hello_required(reason));
    }
    for snapshot in checked.snapshots {
        match shared.snapshots.apply(&caller.id, &caller.site, (received.wall, delay_ms), sent, snapshot).await {
            Ok(()) => {}
            Err(SnapshotProblem::WantedCatalogue(hash)) => {
                if !appended.wanted_catalogues.contains(&hash) {
                    appended.wanted_catalogues.push(hash);
                }
            }
            Err(SnapshotProblem::Unreadable(problem)) => {
                warn!(agent = %caller.id, problem, "A snapshot was left out.");
            }
            Err(SnapshotProblem::Store(error)) => return Err(error.into()),
        }
    }
    let receipt = Receipt {
        stored: appended.stored,
        time: shared.clock.wall(),
        commands_wait: shared.bells.is_waiting(&caller.id),
        wanted_catalogues: appended.wanted_catalogues,
        quarantined: appended.quarantined,
        held_ms: shared.clock.boot_time().since_ms(received.boot_time),
    };
    Ok(message(receipt.encode()))
}

/// Waits for commands and hands them out.
#[utoipa::path(post, path = "/agent/v1/commands", tag = "agent",
    request_body(content = Vec<u8>, content_type = "application/vnd.kouan.v1+protobuf", description = "CommandPoll"),
    responses((status = 200, content_type = "application/vnd.kouan.v1+protobuf", description = "CommandDelivery"),
        (status = 409, content_type = "application/problem+json", body = Problem, description = "hello-required"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn poll(
    State(shared): State<AppState>,
    caller: AgentCaller,
    request: Request,
) -> Result<Response, Problem> {
    let arrived = shared.clock.boot_time();
    let poll = CommandPoll::decode(&plain_body(request).await?)?;
    // An agent that is well asks again long before it would count as silent.
    let wait = Duration::from_millis(poll.wait_ms.into()).min(shared.config.alarms.longest_hold());
    let deadline = tokio::time::Instant::now() + wait;
    let bell = shared.bells.listen(&caller.id);
    loop {
        // Enabled before the queue is read, so that a command queued in between is not missed.
        let mut rung = std::pin::pin!(bell.notified());
        rung.as_mut().enable();
        let session = shared.sessions.touch(&caller.id, poll.session, shared.clock.boot_time())?;
        let mut look_again = deadline;
        if !shared.offers.may_begin(shared.state_progress.caught_up_to()) {
            look_again = tokio::time::Instant::now() + CATCH_UP;
        } else if shared.bells.is_waiting(&caller.id) {
            let looking = shared.bells.look(&caller.id);
            let (agent, now) = (caller.id.clone(), shared.clock.anchor());
            let offered =
                shared.state.transact(move |transaction| commands::offer(transaction, &agent, &session, &now));
            let offered = offered.await.inspect_err(|_| shared.bells.ring(&caller.id))?;
            if !offered.pending {
                looking.settled();
            } else if offered.commands.is_empty() {
                looking.stays();
                look_again = tokio::time::Instant::now() + Duration::from_millis(commands::REOFFER_MS);
            }
            if !offered.commands.is_empty() {
                return Ok(delivery(&shared, arrived, offered.commands));
            }
        }
        if tokio::time::Instant::now() >= deadline || shared.shutdown.is_cancelled() {
            return Ok(delivery(&shared, arrived, Vec::new()));
        }
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep_until(look_again.min(deadline)) => {}
            () = shared.shutdown.cancelled() => {}
        }
    }
}

fn delivery(shared: &AppState, arrived: kouan_protocol::BootTime, commands: Vec<kouan_protocol::Command>) -> Response {
    let held_ms = shared.clock.boot_time().since_ms(arrived);
    message(CommandDelivery { held_ms, commands }.encode())
}

fn message(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], bytes).into_response()
}

fn is_compressed(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Ok(false),
        Some(b"zstd") => Ok(true),
        Some(_) => {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Problem::new(status, "encoding", "The content encoding is not known", "use zstd, or none"))
        }
    }
}

async fn raw_body(request: Request) -> Result<(Bytes, bool), Problem> {
    let compressed = is_compressed(request.headers())?;
    let limit = if compressed { limits::BODY_BYTES } else { limits::PLAIN_BYTES };
    Ok((read_body(request.into_body(), limit).await?, compressed))
}

/// The body of a small message.
async fn plain_body(request: Request) -> Result<Vec<u8>, Problem> {
    let compressed = is_compressed(request.headers())?;
    let body = read_body(request.into_body(), limits::BATCH_BYTES).await?;
    if compressed { frame::decompress(&body).map_err(|error: DecodeError| error.into()) } else { Ok(body.to_vec()) }
}
