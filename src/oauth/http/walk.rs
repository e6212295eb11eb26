//! The way to a server step by step, for `doctor`: as a request goes it, and with what is met on it. It stops at the first
//! step that fails.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::passage::{Route, Through, proxy};
use super::trouble::{Bound, Hop, innermost};
use super::witness::Witness;
use super::{Http, HttpError, Request, Response, build, host, parsed, read, route};

/// How long an answer may take beyond the connection.
const ANSWER: Duration = Duration::from_secs(10);

/// A part of the way and what was met there; an error says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which part.
    pub hop: Hop,
    /// What was met.
    pub met: Result<String, String>,
}

/// The way as far as it went.
#[derive(Debug)]
pub struct Walked {
    /// In their order; the last is an error if there is no answer.
    pub steps: Vec<Step>,
    /// What the server said.
    pub answer: Option<Response>,
}

/// The other end of the connection: the server, or its proxy.
struct End {
    host: String,
    port: u16,
    /// For people.
    shown: String,
}

impl Http {
    /// Goes the way that a request goes, and sends it.
    pub async fn walk(&self, request: Request) -> Walked {
        let mut steps = Vec::new();
        let answer = self.go(request, &mut steps).await;
        let answer = match answer {
            Ok(answer) => Some(answer),
            Err(step) => {
                steps.push(step);
                None
            }
        };
        Walked { steps, answer }
    }

    async fn go(&self, mut request: Request, steps: &mut Vec<Step>) -> Result<Response, Step> {
        let refused = |error: HttpError| failed(Hop::Here, error.to_string());
        let url = parsed(&request.url).map_err(refused)?;
        let route = route(&url).map_err(refused)?;
        let through = self.passage.through(&url).map_err(|why| failed(Hop::Proxy, why))?;
        let end =
            End::of(&url, through.as_ref()).ok_or_else(|| failed(Hop::Here, "that URL has no host".to_owned()))?;
        let addresses = self.resolve(&end, through.as_ref()).await?;
        steps.push(met(Hop::Name, end.is_at(&addresses)));
        self.knock(&end, through.as_ref(), &addresses).await?;
        if through.is_none() {
            steps.push(met(Hop::Connection, format!("{} is reached without a proxy", end.shown)));
        }
        let asked = host(&request.url);
        let limit = self.options.connect_timeout + ANSWER;
        request.timeout = Some(limit);
        let (client, witness) = self.watched(route).map_err(|why| failed(Hop::Here, why))?;
        let bound = Bound { host: &asked, through: through.as_ref(), connect_timeout: self.options.connect_timeout };
        let sent = timeout(limit, exchange(&client, request, url.clone(), &bound)).await;
        let sent = sent.unwrap_or_else(|_| {
            let late =
                format!("{asked} did not answer within {} seconds: it is there, and busy or broken", limit.as_secs());
            Err((Hop::Answer, HttpError::AnswerLost(late)))
        });
        let reached = sent.as_ref().map_or_else(|(hop, _)| *hop, |_| Hop::Answer);
        if let (Some(through), Hop::Tls | Hop::Answer) = (&through, reached) {
            steps.push(met(Hop::Proxy, format!("{} leads to {asked} ({})", through.address, through.origin)));
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let shown = witness.as_ref().and_then(|witness| witness.of(name));
        if let (Some(shown), Hop::Answer) = (&shown, reached) {
            steps.push(met(Hop::Tls, format!("{asked} shows {shown}")));
        }
        sent.map_err(|(hop, error)| match (hop, shown) {
            (Hop::Tls, Some(shown)) => failed(hop, format!("{error}; it shows {shown}")),
            _ => failed(hop, error.to_string()),
        })
    }

    async fn resolve(&self, end: &End, through: Option<&Through>) -> Result<Vec<SocketAddr>, Step> {
        let found = timeout(self.options.connect_timeout, tokio::net::lookup_host((end.host.as_str(), end.port))).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(Vec::from_iter);
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(failed(Hop::Name, format!("{} has no address", end.shown))),
            Err(error) => {
                let or = match through {
                    Some(through) => format!("{} names it", through.origin),
                    None => "does this network need a proxy (`proxy` in [network] of the configuration)?".to_owned(),
                };
                let message = format!(
                    "no address was found for {}: {error}; is the name right, and is there a network? {or}",
                    end.shown
                );
                Err(failed(Hop::Name, message))
            }
        }
    }

    /// Whether anybody listens there.
    async fn knock(&self, end: &End, through: Option<&Through>, addresses: &[SocketAddr]) -> Result<(), Step> {
        let opened = timeout(self.options.connect_timeout, first_of(addresses)).await;
        let why = match opened {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("nothing answers within {} s", self.options.connect_timeout.as_secs()),
        };
        let shown = &end.shown;
        Err(match through {
            Some(Through { origin, .. }) => failed(
                Hop::Proxy,
                format!("{shown} could not be reached: {why}; {origin} names it: is it right, and does it run?"),
            ),
            None => {
                let what = "a wrong port, a firewall, or a network that needs a proxy (`proxy` in [network] of the \
                            configuration)";
                failed(Hop::Connection, format!("{shown} could not be reached: {why}; {what}"))
            }
        })
    }

    /// The client of a route, and who takes down what it is shown.
    fn watched(&self, route: Route) -> Result<(reqwest::Client, Option<Arc<Witness>>), String> {
        if route == Route::Local {
            return Ok((self.client(route).map_err(|error| error.to_string())?.clone(), None));
        }
        let witness = Witness::new(&self.authorities).map_err(|error| no_https(&error))?;
        let builder = match route {
            Route::Local | Route::LocalTls => self.common().no_proxy(),
            Route::Remote => self.common().proxy(proxy(&self.passage)),
        };
        let tls = witness.config().map_err(|error| no_https(&error))?;
        let client = builder.tls_backend_preconfigured(tls).build().map_err(|error| innermost(&error))?;
        Ok((client, Some(witness)))
    }
}

impl End {
    fn of(url: &url::Url, through: Option<&Through>) -> Option<Self> {
        let (url, name) = match through {
            Some(through) => (&url::Url::parse(&through.address).ok()?, "the proxy "),
            None => (url, ""),
        };
        let (written, port) = (url.host_str()?, url.port_or_known_default()?);
        let host = written.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port, shown: format!("{name}{written}:{port}") })
    }

    fn is_at(&self, addresses: &[SocketAddr]) -> String {
        let mut ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        ips.dedup();
        match ips.as_slice() {
            [only] if *only == self.host => format!("{} is an address already", self.shown),
            ips => format!("{} is {}", self.shown, ips.join(", ")),
        }
    }
}

/// Whether one of them answers; all are asked at once. A request, too, waits for none that is silent (RFC 8305).
async fn first_of(addresses: &[SocketAddr]) -> io::Result<()> {
    let mut opening: JoinSet<_> = addresses.iter().copied().map(TcpStream::connect).collect();
    let mut failed = io::ErrorKind::NotFound.into();
    while let Some(opened) = opening.join_next().await {
        match opened.map_err(io::Error::from).flatten() {
            Ok(_) => return Ok(()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn exchange(
    client: &reqwest::Client,
    request: Request,
    url: url::Url,
    bound: &Bound<'_>,
) -> Result<Response, (Hop, HttpError)> {
    let built = build(client, request, url).map_err(|error| (Hop::Here, error))?;
    let sent = built.send().await.map_err(|error| bound.ended(&error))?;
    read(sent, bound).await.map_err(|error| (Hop::Answer, error))
}

fn met(hop: Hop, what: String) -> Step {
    Step { hop, met: Ok(what) }
}

fn failed(hop: Hop, why: String) -> Step {
    Step { hop, met: Err(why) }
}

fn no_https(error: &rustls::Error) -> String {
    format!("no HTTPS on this machine: {error}")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener as Listener;

    use super::*;
    use crate::oauth::http::HttpOptions;

    /// An address at which nothing is said, as behind a broken IPv6; it lasts as long as what comes with it.
    fn silence() -> (SocketAddr, impl Sized) {
        use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("bound");
        listen(&listener, 0).expect("listens");
        let listener = Listener::from(listener);
        let address = listener.local_addr().expect("an address");
        let come = |_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let held: Vec<_> = (0..16).map_while(come).collect();
        assert!(held.len() < 16, "its line is full");
        (address, (listener, held))
    }

    #[tokio::test]
    async fn an_address_that_is_silent_hides_no_other() {
        let with =
            |connect_timeout| Http::new(HttpOptions { connect_timeout, ..HttpOptions::default() }).expect("HTTP");
        let http = with(Duration::from_secs(10));
        let end = End { host: "h".to_owned(), port: 1, shown: "h:1".to_owned() };
        let (silent, _held) = silence();
        let well = Listener::bind("127.0.0.1:0").expect("bound");
        let answers = well.local_addr().expect("an address");
        assert_eq!(http.knock(&end, None, &[silent, answers]).await, Ok(()));
        let alone = with(Duration::from_millis(50)).knock(&end, None, &[silent]).await.expect_err("silent");
        assert!(alone.met.is_err_and(|why| why.contains("nothing answers")));
        drop(well);
        let refused = http.knock(&end, None, &[answers]).await.expect_err("refused");
        assert!(refused.met.is_err_and(|why| why.contains("Connection refused")));
    }
}
