//! TLS in front of a server that speaks none, with an authority of the test's own and certificates that can be wrong.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a client may keep silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// An authority that issues what it is told to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// What a front answers with.
#[derive(Clone)]
pub enum Manners {
    Tls(Arc<ServerConfig>),
    /// These bytes, and the end.
    Says(&'static [u8]),
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `name` that lasts through the end of `year`.
    pub fn issues(&self, name: &str, year: i32) -> Manners {
        let (certificate, key) = self.certificate(name, year);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Manners::Tls(Arc::new(config))
    }

    /// The same for a server that reads it from a file, and its key.
    pub fn certificate(&self, name: &str, year: i32) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// The front; it listens as long as the test lives.
pub struct Front {
    address: SocketAddr,
    manners: Arc<Mutex<Manners>>,
}

impl Front {
    /// Before the server with that issuer.
    pub fn of(issuer: &str, manners: Manners) -> Self {
        let upstream = issuer.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let manners = Arc::new(Mutex::new(manners));
        let shared = manners.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manners, upstream) = (shared.lock().unwrap().clone(), upstream.clone());
                // A client that doesn't like the certificate leaves: an error here, and what the test is about.
                std::thread::spawn(move || serve(stream, manners, &upstream));
            }
        });
        Self { address, manners }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// From the next connection on.
    pub fn now(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }
}

/// One request and its answer, which ends with the connection.
fn serve(mut stream: TcpStream, manners: Manners, upstream: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let config = match manners {
        Manners::Tls(config) => config,
        Manners::Says(bytes) => {
            let _ = stream.read(&mut [0; 1024])?;
            stream.write_all(bytes)?;
            return stream.shutdown(Shutdown::Write);
        }
    };
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    let request = request(&mut tls, upstream)?;
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(&request)?;
    io::copy(&mut server, &mut tls)?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// A whole request, for the server behind.
fn request(tls: &mut impl Read, upstream: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    loop {
        let length = tls.read(&mut block)?;
        bytes.extend_from_slice(&block[..length]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if length == 0 { return Err(io::ErrorKind::UnexpectedEof.into()) } else { continue }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let header = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        let body = head.lines().find(|line| header(line, "content-length"));
        let body: usize = body.and_then(|line| line[15..].trim().parse().ok()).unwrap_or(0);
        if bytes.len() < end + 4 + body && length > 0 {
            continue;
        }
        let lines = head.lines().map(|line| match header(line, "host") {
            true => format!("Host: {upstream}\r\n"),
            false => format!("{line}\r\n"),
        });
        return Ok([lines.collect::<String>().as_bytes(), b"\r\n", &bytes[end + 4..]].concat());
    }
}
