//! Where one message ends and the next begins: lines, or LSP's base framing; chosen by a connection's first bytes.
//!
//! Pure functions over bytes that a stranger chose: no I/O, no runtime, and never more held than one message and its
//! headers. Errors say what is wrong, never what was sent.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroizing, optimization_barrier};

use super::message::MAX_MESSAGE;

/// The longest header block of LSP framing: two short headers are all it has.
const MAX_HEADERS: usize = 1024;
/// The longest word that has to be seen before the framing is known (`CONNECT `, `Content-`).
const LONGEST_WORD: usize = 8;
/// Room for one read; most requests fit.
const CHUNK: usize = 4096;

/// How a connection's messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// One JSON text per line.
    Lines,
    /// `Content-Length: N`, an empty line, N bytes (Language Server Protocol, base protocol).
    ContentLength,
}

/// What a connection's first bytes say it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// JSON-RPC in this framing.
    Framed(Framing),
    /// HTTP/1.1.
    Http,
    /// Nothing that is known.
    Unknown,
    /// Too few bytes to tell.
    Undecided,
}

/// Tells the protocol by the first bytes.
pub fn detect(bytes: &[u8]) -> Detected {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT "];
    let bytes = bytes.trim_ascii_start();
    let Some(first) = bytes.first() else { return Detected::Undecided };
    if matches!(first, b'{' | b'[') {
        return Detected::Framed(Framing::Lines);
    }
    let word = &bytes[..bytes.len().min(LONGEST_WORD)];
    let begins = |with: &[u8]| word.len() >= with.len() && word[..with.len()].eq_ignore_ascii_case(with);
    let may_begin = |with: &[u8]| word.len() < with.len() && word.eq_ignore_ascii_case(&with[..word.len()]);
    if begins(b"Content-") {
        Detected::Framed(Framing::ContentLength)
    } else if METHODS.iter().any(|method| begins(method)) {
        Detected::Http
    } else if may_begin(b"Content-") || METHODS.iter().any(|method| may_begin(method)) {
        Detected::Undecided
    } else {
        Detected::Unknown
    }
}

/// Why a stream of bytes is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than the limit.
    #[error("the message is longer than {0} bytes")]
    TooLong(usize),
    /// Headers without end.
    #[error("the headers are longer than {MAX_HEADERS} bytes")]
    HeadersTooLong,
    /// No usable `Content-Length`.
    #[error("the headers have no valid Content-Length")]
    NoLength,
}

/// What was read. Wiped at once, not byte by byte as [`Zeroizing`] does it: a quarter of a mebibyte would take the agent's
/// thread from everybody else for as long as two of their questions.
#[derive(Default)]
struct Unread(Vec<u8>);

impl Drop for Unread {
    fn drop(&mut self) {
        // It only ever grows, so nothing was written beyond its length.
        self.0.fill(0);
        optimization_barrier(self.0.as_slice());
    }
}

/// Splits a stream into messages. Holds no memory between messages.
pub struct Decoder {
    framing: Framing,
    limit: usize,
    /// It may hold a passphrase or a token: wiped whenever it is given back.
    buffer: Unread,
    /// Where the unread part begins.
    start: usize,
    /// How far a newline was looked for already, so that a slow sender costs no second look.
    scanned: usize,
}

impl Decoder {
    /// For requests: [`MAX_MESSAGE`] at most.
    pub fn new(framing: Framing) -> Self {
        Self::with_limit(framing, MAX_MESSAGE)
    }

    /// For messages of at most `limit` bytes.
    pub fn with_limit(framing: Framing, limit: usize) -> Self {
        Self { framing, limit, buffer: Unread::default(), start: 0, scanned: 0 }
    }

    /// Takes what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        let used = self.buffer.0.len() - self.start;
        if self.buffer.0.capacity() < self.buffer.0.len() + bytes.len() {
            // By hand, because a growing Vec leaves its old block unwiped.
            let room = (used + bytes.len()).max(2 * used).max(CHUNK);
            let mut larger = Unread(Vec::with_capacity(room));
            larger.0.extend_from_slice(&self.buffer.0[self.start..]);
            self.scanned -= self.start;
            self.start = 0;
            self.buffer = larger;
        }
        self.buffer.0.extend_from_slice(bytes);
    }

    /// No more comes: what is left of the last line is one, although no newline ends it.
    pub fn end(&mut self) {
        if self.framing == Framing::Lines && self.is_partial() {
            self.feed(b"\n");
        }
    }

    /// What was fed and is no whole message yet.
    pub fn rest(&self) -> &[u8] {
        &self.buffer.0[self.start..]
    }

    /// Whether part of a message is here and the rest is not.
    pub fn is_partial(&self) -> bool {
        self.start < self.buffer.0.len()
    }

    /// How many bytes of memory it holds.
    pub fn held(&self) -> usize {
        self.buffer.0.capacity()
    }

    /// The next whole message, without its framing. Empty lines are skipped.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let found = match self.framing {
            Framing::Lines => self.line()?,
            Framing::ContentLength => self.by_length()?,
        };
        let Some((from, to, next)) = found else {
            if !self.is_partial() {
                self.release();
            }
            return Ok(None);
        };
        self.start = next;
        self.scanned = next;
        Ok(Some(&self.buffer.0[from..to]))
    }

    /// Bounds of the next line, and where the one after it begins.
    fn line(&mut self) -> Result<Option<(usize, usize, usize)>, FrameError> {
        loop {
            let newline = self.buffer.0[self.scanned..].iter().position(|byte| *byte == b'\n');
            let end = newline.map_or(self.buffer.0.len(), |at| self.scanned + at);
            if end - self.start > self.limit {
                return Err(FrameError::TooLong(self.limit));
            }
            if newline.is_none() {
                self.scanned = end;
                return Ok(None);
            }
            let (from, next) = (self.start, end + 1);
            if !self.buffer.0[from..end].trim_ascii().is_empty() {
                return Ok(Some((from, end, next)));
            }
            self.start = next;
            self.scanned = next;
        }
    }

    /// Bounds of the next message behind its headers, and where the one after it begins.
    fn by_length(&mut self) -> Result<Option<(usize, usize, usize)>, FrameError> {
        let unread = &self.buffer.0[self.start..];
        let Some(headers) = headers_end(unread) else {
            return if unread.len() > MAX_HEADERS { Err(FrameError::HeadersTooLong) } else { Ok(None) };
        };
        if headers > MAX_HEADERS {
            return Err(FrameError::HeadersTooLong);
        }
        let length = content_length(&unread[..headers]).ok_or(FrameError::NoLength)?;
        if length > self.limit {
            return Err(FrameError::TooLong(self.limit));
        }
        let (from, to) = (self.start + headers, self.start + headers + length);
        Ok((to <= self.buffer.0.len()).then_some((from, to, to)))
    }

    fn release(&mut self) {
        self.buffer = Unread::default();
        (self.start, self.scanned) = (0, 0);
    }
}

/// The length of a header block with its empty line.
fn headers_end(bytes: &[u8]) -> Option<usize> {
    let within = &bytes[..bytes.len().min(MAX_HEADERS + 4)];
    within.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The one `Content-Length` of an LSP header block. Two of them, or a sign, are refused: parsers differ on those.
pub fn content_length(headers: &[u8]) -> Option<usize> {
    let mut length = None;
    for line in headers.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            if line.is_empty() { continue } else { return None }
        };
        if !line[..colon].eq_ignore_ascii_case(b"Content-Length") {
            continue;
        }
        let digits = line[colon + 1..].trim_ascii();
        if length.is_some() || digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        length = std::str::from_utf8(digits).ok()?.parse().ok();
    }
    length
}

/// One message as it goes out, from its parts, in one allocation that is wiped.
pub fn encode(framing: Framing, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let header = match framing {
        Framing::Lines => String::new(),
        Framing::ContentLength => format!("Content-Length: {length}\r\n\r\n"),
    };
    let mut out = Zeroizing::new(Vec::with_capacity(header.len() + length + 1));
    out.extend_from_slice(header.as_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    if framing == Framing::Lines {
        out.push(b'\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(framing: Framing, stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut decoder = Decoder::with_limit(framing, 100);
        let mut messages = Vec::new();
        for chunk in stream.chunks(step) {
            decoder.feed(chunk);
            while let Some(message) = decoder.next_message()? {
                messages.push(message.to_vec());
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_come_out_the_same_however_the_stream_is_cut() {
        let lines = b"{\"a\":1}\n\r\n  \n{\"b\":2}\r\n{\"c\":3}\nrest";
        let lsp = b"Content-Length: 2\r\n\r\n{}content-type: x\r\nCONTENT-LENGTH:3\r\n\r\n{1}Content-";
        for step in 1..lsp.len() {
            let found = all(Framing::Lines, lines, step).expect("lines");
            assert_eq!(found, [&b"{\"a\":1}"[..], b"{\"b\":2}\r", b"{\"c\":3}"], "step {step}");
            let found = all(Framing::ContentLength, lsp, step).expect("lengths");
            assert_eq!(found, [&b"{}"[..], b"{1}"], "step {step}");
        }
    }

    #[test]
    fn what_is_too_long_is_given_up() {
        for step in [1, 7, 4096] {
            assert_eq!(all(Framing::Lines, &[b'x'; 101], step), Err(FrameError::TooLong(100)));
            let long = b"Content-Length: 101\r\n\r\n";
            assert_eq!(all(Framing::ContentLength, long, step), Err(FrameError::TooLong(100)));
            assert_eq!(all(Framing::ContentLength, &[b'x'; 1100], step), Err(FrameError::HeadersTooLong));
        }
    }

    #[test]
    fn odd_lengths_are_refused() {
        for headers in ["Content-Length: -1", "Content-Length: 1\r\nContent-Length: 1", "Content-Length: ", "X: 1"] {
            assert_eq!(content_length(headers.as_bytes()), None, "{headers}");
        }
        assert_eq!(content_length(b"Content-Length: 99999999999"), None);
        assert_eq!(content_length(b"no colon\r\nContent-Length: 1"), None);
    }

    #[test]
    fn the_first_bytes_choose() {
        let cases: [(&[u8], Detected); 12] = [
            (b"", Detected::Undecided),
            (b" \r\n", Detected::Undecided),
            (b"{", Detected::Framed(Framing::Lines)),
            (b"\n [", Detected::Framed(Framing::Lines)),
            (b"Content", Detected::Undecided),
            (b"content-length: 1", Detected::Framed(Framing::ContentLength)),
            (b"C", Detected::Undecided),
            (b"CONNECT ", Detected::Http),
            (b"GE", Detected::Undecided),
            (b"POST /rpc", Detected::Http),
            (b"GETX", Detected::Unknown),
            (b"\x16\x03\x01", Detected::Unknown),
        ];
        for (bytes, expected) in cases {
            assert_eq!(detect(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_held_between_messages() {
        let mut decoder = Decoder::new(Framing::Lines);
        decoder.feed(b"{}\n");
        assert!(decoder.next_message().expect("frame").is_some());
        assert!(decoder.next_message().expect("frame").is_none());
        assert_eq!(decoder.buffer.0.capacity(), 0);
    }
}
