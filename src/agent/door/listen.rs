//! The door's connections: one request each, bounded in number, size and time. When it is full, whoever has not shown the
//! secret for the longest makes room, so that a crowd of strangers locks nobody out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::Open;
use super::answer::Visit;
use crate::agent::Agent;
use crate::grant::sockets::accept;

/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// How long a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a head: a redirect with a long code fits.
const MAX_HEAD: usize = 64 * 1024;
/// Far more than any client of a local service sends.
const MAX_HEADERS: usize = 64;
/// How long a connection may last: longer than a login takes to be saved once its redirect has come.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(240);
/// How long requests under way may take once the agent is to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// No descriptor is left, mostly: long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A connection.
struct Guest {
    task: AbortHandle,
    known: Arc<AtomicBool>,
}

/// Serves until the agent stops, or a successor serves.
pub(super) async fn serve(agent: &Arc<Agent>, open: &Arc<Open>, sockets: Vec<TcpListener>) {
    let mut tasks = JoinSet::new();
    let mut guests = VecDeque::new();
    loop {
        tokio::select! {
            () = agent.gate.stopping() => break,
            accepted = accept(&sockets) => match accepted {
                Ok((stream, remote)) if has_place(&mut guests).await => {
                    let known = Arc::<AtomicBool>::default();
                    let visit = Visit { agent: Arc::clone(agent), open: Arc::clone(open), remote, known: Arc::clone(&known) };
                    guests.push_back(Guest { task: tasks.spawn(converse(stream, visit)), known });
                }
                Ok(_) => {}
                Err(_) => {
                    make_place(&mut guests);
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            _ = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    drop(sockets);
    // What is left after that is dropped with the set.
    let _ = timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
}

async fn has_place(guests: &mut VecDeque<Guest>) -> bool {
    if guests.len() >= MAX_CONNECTIONS {
        // What has come already is read first: a crowd right behind somebody must not push it out.
        tokio::task::yield_now().await;
        guests.retain(|guest| !guest.task.is_finished());
    }
    guests.len() < MAX_CONNECTIONS || make_place(guests)
}

/// Ends the connection that has been a stranger's the longest; false if there is none.
fn make_place(guests: &mut VecDeque<Guest>) -> bool {
    let stranger = guests.iter().position(|guest| !guest.known.load(Ordering::Acquire));
    let stranger = stranger.and_then(|at| guests.remove(at));
    stranger.map(|guest| guest.task.abort()).is_some()
}

async fn converse(stream: TcpStream, visit: Visit) {
    let local: Option<SocketAddr> = stream.local_addr().ok();
    let serve = service_fn(move |request| {
        let visit = visit.clone();
        async move { Ok::<_, Infallible>(visit.answer(request, local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        // Its buffers hold tokens for as long as the connection lasts: they go with the answer.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), serve);
    // Whatever is wrong with a connection concerns nobody else.
    let _ = timeout(CONNECTION_TIMEOUT, connection).await;
}
