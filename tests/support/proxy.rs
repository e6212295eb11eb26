//! A proxy as networks have them: CONNECT and SOCKS 5, with or without a name and password. It leads every host that it lets
//! through to one address on this machine, and remembers whom it was asked for.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;

/// How long anybody may keep silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// How it answers.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    /// Lets everybody through who has the password, if there is one.
    #[default]
    Leads,
    /// These bytes, and the end.
    Says(&'static [u8]),
    /// Nothing, for as long as the other end waits.
    Silent,
}

#[derive(Default)]
struct State {
    mood: Mood,
    credentials: Option<(String, String)>,
    upstreams: BTreeMap<String, SocketAddr>,
    asked: Vec<String>,
}

/// The proxy; it listens as long as the test lives.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, state }
    }

    /// Leads `host:port` to `address`; to any other it says 502.
    pub fn leads(self, authority: &str, address: SocketAddr) -> Self {
        self.state.lock().unwrap().upstreams.insert(authority.to_owned(), address);
        self
    }

    pub fn wants(self, name: &str, password: &str) -> Self {
        self.state.lock().unwrap().credentials = Some((name.to_owned(), password.to_owned()));
        self
    }

    pub fn now(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whom it was asked for, since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

/// An address that is taken, and where nobody listens.
pub struct Nobody {
    pub address: SocketAddr,
    _taken: tokio::net::TcpSocket,
}

impl Nobody {
    pub fn new() -> Self {
        let taken = tokio::net::TcpSocket::new_v4().unwrap();
        taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: taken.local_addr().unwrap(), _taken: taken }
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mood = state.lock().unwrap().mood.clone();
    match mood {
        Mood::Leads => {}
        Mood::Says(bytes) => {
            let _ = stream.read(&mut [0; 4096])?;
            stream.write_all(bytes)?;
            return stream.shutdown(Shutdown::Write);
        }
        Mood::Silent => return io::copy(&mut stream, &mut io::sink()).map(|_| ()),
    }
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let upstream = match first[0] {
        5 => socks(&mut stream, state)?,
        first => connect(&mut stream, first, state)?,
    };
    let Some(upstream) = upstream else { return stream.shutdown(Shutdown::Write) };
    let server = TcpStream::connect(upstream)?;
    let (mut down, mut up) = (stream.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut down, &mut up);
        up.shutdown(Shutdown::Write)
    });
    let _ = io::copy(&mut &server, &mut stream);
    stream.shutdown(Shutdown::Write)
}

/// RFC 9110 section 9.3.6.
fn connect(stream: &mut TcpStream, first: u8, state: &Mutex<State>) -> io::Result<Option<SocketAddr>> {
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        let mut next = [0];
        stream.read_exact(&mut next)?;
        head.extend(next);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let words: Vec<_> = head.lines().next().unwrap_or_default().split(' ').collect();
    let ["CONNECT", authority, "HTTP/1.1"] = words[..] else {
        stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")?;
        return Ok(None);
    };
    let given = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
    });
    let mut state = state.lock().unwrap();
    let wanted = state.credentials.as_ref().map(|(name, password)| {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}")))
    });
    if wanted.is_some() && given != wanted {
        stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")?;
        return Ok(None);
    }
    state.asked.push(authority.to_owned());
    let upstream = state.upstreams.get(authority).copied();
    let answer: &[u8] =
        if upstream.is_some() { b"HTTP/1.1 200 OK\r\n\r\n" } else { b"HTTP/1.1 502 Bad Gateway\r\n\r\n" };
    stream.write_all(answer)?;
    Ok(upstream)
}

/// RFC 1928 and RFC 1929, a domain name as the address.
fn socks(stream: &mut TcpStream, state: &Mutex<State>) -> io::Result<Option<SocketAddr>> {
    let methods = field(stream)?;
    let wanted = state.lock().unwrap().credentials.clone();
    let method = if wanted.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        stream.write_all(&[5, 0xff])?;
        return Ok(None);
    }
    stream.write_all(&[5, method])?;
    if let Some((name, password)) = wanted {
        stream.read_exact(&mut [0])?;
        let given = (field(stream)?, field(stream)?);
        let right = given == (name.into_bytes(), password.into_bytes());
        stream.write_all(&[1, u8::from(!right)])?;
        if !right {
            return Ok(None);
        }
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request)?;
    assert_eq!(request, [5, 1, 0, 3], "a connection to a name");
    let host = String::from_utf8_lossy(&field(stream)?).into_owned();
    let mut port = [0; 2];
    stream.read_exact(&mut port)?;
    let authority = format!("{host}:{}", u16::from_be_bytes(port));
    let mut state = state.lock().unwrap();
    let upstream = state.upstreams.get(&authority).copied();
    state.asked.push(authority);
    stream.write_all(&[5, if upstream.is_some() { 0 } else { 4 }, 0, 1, 0, 0, 0, 0, 0, 0])?;
    Ok(upstream)
}

/// A length and so many bytes.
fn field(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; length[0].into()];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
