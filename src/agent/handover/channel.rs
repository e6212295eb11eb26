//! The private line between an agent and its successor: a socket pair that only these two hold. A frame is a length and
//! JSON; descriptors come with it (unix(7), SCM_RIGHTS).
//!
//! What goes over it may be the vault's key: it is in no file, argument or environment, and its buffers are wiped.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// Descriptors in one frame; the kernel takes 253.
pub(super) const MAX_DESCRIPTORS: usize = 100;
/// The longest frame: hundreds of logins of a vault without a disk.
const MAX_FRAME: usize = 64 * 1024 * 1024;
const HEADER: usize = 4;
const ROOM: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));

/// One end.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    /// Needs a runtime.
    pub(super) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream).map(Self)
    }

    /// Sends one frame and these descriptors with it.
    pub(super) async fn send<T: Serialize>(&self, message: &T, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let body = Zeroizing::new(serde_json::to_vec(message)?);
        let length = u32::try_from(body.len()).ok().filter(|length| *length as usize <= MAX_FRAME);
        let header = length.ok_or(io::ErrorKind::InvalidInput)?.to_le_bytes();
        // The descriptors belong to the frame's first byte.
        let sent = loop {
            self.0.writable().await?;
            match self.0.try_io(Interest::WRITABLE, || with_descriptors(self.0.as_fd(), &header, descriptors)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => break sent?,
            }
        };
        for mut left in [&header[sent..], &body[..]] {
            while !left.is_empty() {
                self.0.writable().await?;
                match self.0.try_write(left) {
                    Ok(length) => left = &left[length..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// The next frame and what came with it; `UnexpectedEof` when the other end is gone.
    pub(super) async fn receive<T: DeserializeOwned>(&self) -> io::Result<(T, Vec<OwnedFd>)> {
        let (mut header, mut descriptors) = ([0; HEADER], Vec::new());
        self.fill(&mut header, &mut descriptors).await?;
        let length = u32::from_le_bytes(header) as usize;
        if length > MAX_FRAME {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = Zeroizing::new(vec![0; length]);
        self.fill(&mut body, &mut descriptors).await?;
        // The parser's words may quote what it read.
        let message = serde_json::from_slice(&body).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok((message, descriptors))
    }

    async fn fill(&self, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            self.0.readable().await?;
            let rest = &mut buffer[filled..];
            match self.0.try_io(Interest::READABLE, || read(self.0.as_fd(), rest, descriptors)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn with_descriptors(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty())?)
}

fn read(socket: BorrowedFd<'_>, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RECEIVE)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(arrived) = message {
            descriptors.extend(arrived);
        }
    }
    #[cfg(not(target_os = "linux"))]
    for descriptor in &*descriptors {
        rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(received.bytes)
}

/// Nothing that arrives is for our children.
#[cfg(target_os = "linux")]
const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE: RecvFlags = RecvFlags::empty();

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn pair() -> (Channel, Channel) {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        (Channel::new(one).unwrap(), Channel::new(other).unwrap())
    }

    #[tokio::test]
    async fn frames_of_every_size_arrive_with_their_descriptors() {
        let (one, other) = pair();
        for (length, count) in [(0, 0), (1, 2), (1_000_000, MAX_DESCRIPTORS)] {
            let text = "x".repeat(length);
            let (mut reader, writer) = std::io::pipe().unwrap();
            let descriptors = vec![writer.as_fd(); count];
            let (sent, received) = tokio::join!(one.send(&text, &descriptors), other.receive::<String>());
            sent.unwrap();
            drop(writer);
            let (arrived, descriptors) = received.unwrap();
            assert_eq!((arrived.len(), descriptors.len()), (length, count));
            for descriptor in descriptors {
                let flags = rustix::io::fcntl_getfd(&descriptor).unwrap();
                assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
                std::fs::File::from(descriptor).write_all(b"y").unwrap();
            }
            let mut all = String::new();
            reader.read_to_string(&mut all).unwrap();
            assert_eq!(all.len(), count);
        }
    }

    #[tokio::test]
    async fn an_end_that_is_gone_is_told_from_one_that_says_nothing_and_nonsense_is_refused() {
        let (one, other) = pair();
        drop(one);
        assert_eq!(other.receive::<String>().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let (one, other) = pair();
        one.send(&7, &[]).await.unwrap();
        assert_eq!(other.receive::<String>().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        one.0.try_write(&u32::MAX.to_le_bytes()).unwrap();
        assert_eq!(other.receive::<String>().await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
