//! Sockets that only this machine reaches: the loopback addresses, both where a name stands for both.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

/// Where any port will do: how many are tried until both addresses of `localhost` are free.
const ANY_PORT_TRIES: usize = 16;

/// A port that others have: Windows and hardened systems say "access denied" for reserved ones.
pub(crate) fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Binds the loopback addresses that `host` stands for, `[::1]`, `localhost` or `127.0.0.1`, at the same port; zero is any.
///
/// `localhost` is both addresses: which one a browser tries first is its own affair.
pub(crate) async fn bind(host: &str, port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let mut tries = if port == 0 { ANY_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let first = TcpListener::bind((if host == "[::1]" { v6 } else { v4 }, port)).await?;
        let port = first.local_addr()?.port();
        if host != "localhost" {
            return Ok((vec![first], port));
        }
        match TcpListener::bind((v6, port)).await {
            Ok(second) => return Ok((vec![first, second], port)),
            // Another program there would get our redirect; of any ports, another one will do.
            Err(error) if is_taken(&error) && tries == 0 => return Err(error),
            Err(error) if is_taken(&error) => {}
            // No IPv6 on this machine.
            Err(_) => return Ok((vec![first], port)),
        }
    }
}

/// The next connection at any of them, and who made it; none ever comes where there are none.
pub(crate) async fn accept(sockets: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|context| {
        for socket in sockets {
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}
