//! A named pipe from this process to itself: whom it lets in, bytes both ways, time limits.
//!
//! Wine keeps a pipe's access list and enforces nothing, knows one user, and lets anybody add an instance: that part is tried on
//! Windows alone.

use std::path::PathBuf;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1, SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::{DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

use super::listener::Descriptor;
use super::*;

fn name(of: &str) -> PathBuf {
    PathBuf::from(format!(r"\\.\pipe\cred-helper-test-{of}-{}", std::process::id()))
}

#[tokio::test]
async fn bytes_go_both_ways_and_a_read_keeps_its_deadline() {
    let name = name("bytes");
    let mut socket = Socket::bind(&name).expect("a pipe");
    let client = std::thread::spawn(move || {
        let stream = connect(&name).expect("connects");
        let mut buffer = [0; 16];
        let soon = Instant::now() + Duration::from_millis(50);
        let late = stream.read(&mut buffer, Some(soon)).expect_err("nothing was sent yet");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        stream.write_all(b"ping").expect("written");
        let length = stream.read(&mut buffer, None).expect("an answer");
        assert_eq!(&buffer[..length], b"pong");
    });
    let server = socket.accept().await.and_then(Caller::let_in).expect("a caller");
    let peer = server.peer().expect("the system knows it").expect("trusted");
    assert_eq!(peer.pid, Some(std::process::id()));
    let mut buffer = [0; 16];
    assert_eq!(read(&server, &mut buffer).await.expect("a question"), 4);
    assert_eq!(&buffer[..4], b"ping");
    server.writable().await.expect("room");
    assert_eq!(server.try_write(b"pong").expect("written"), 4);
    client.join().expect("the client is content");
    assert!(matches!(
        read(&server, &mut buffer).await.map_err(|error| error.kind()),
        Ok(0) | Err(io::ErrorKind::BrokenPipe)
    ));
}

async fn read(server: &AgentStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        server.readable().await?;
        match server.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_noticed_while_nobody_reads() {
    let name = name("gone");
    let mut socket = Socket::bind(&name).expect("a pipe");
    let client = std::thread::spawn(move || connect(&name).expect("connects"));
    let server = socket.accept().await.and_then(Caller::let_in).expect("a caller");
    let client = client.join().expect("a client");
    let gone = server.gone();
    tokio::pin!(gone);
    assert!(tokio::time::timeout(Duration::ZERO, &mut gone).await.is_err(), "it is there");
    drop(client);
    assert!(tokio::time::timeout(Duration::from_secs(60), gone).await.is_ok());
}

#[test]
fn where_nobody_listens_no_agent_runs() {
    assert!(matches!(connect(&name("nobody")), Err(ConnectError::NotRunning)));
}

#[tokio::test]
async fn the_pipes_access_list_has_its_owner_alone() {
    let name = name("list");
    let _socket = Socket::bind(&name).expect("a pipe");
    let pipe = open(&name).expect("opens");
    let mut found = ptr::null_mut();
    let none = ptr::null_mut();
    // SAFETY: the handle is open, and the place for the descriptor is valid for writing; the others may be null.
    let error = unsafe {
        let (handle, list) = (pipe.as_raw_handle(), DACL_SECURITY_INFORMATION);
        GetSecurityInfo(handle, SE_KERNEL_OBJECT, list, none, none, ptr::null_mut(), ptr::null_mut(), &raw mut found)
    };
    assert_eq!(error, 0);
    let found = Descriptor(found);
    // "Everything" in general, or what that means for a file: the system may write either.
    let own = user::own_sid().expect("a user");
    let expected =
        ["GA", "FA"].map(|rights| Descriptor::new(&format!("D:P(A;;{rights};;;{own})")).expect("a descriptor"));
    assert!(expected.iter().any(|expected| text(expected.0) == text(found.0)), "{}", text(found.0));
}

fn text(descriptor: PSECURITY_DESCRIPTOR) -> String {
    let (mut text, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the descriptor is whole, and both places are valid for writing; the text is as long as the call says, and ours to free.
    unsafe {
        let list = DACL_SECURITY_INFORMATION;
        let done = ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor,
            SDDL_REVISION_1,
            list,
            &raw mut text,
            &raw mut length,
        );
        assert_ne!(done, 0, "{}", io::Error::last_os_error());
        let shown = String::from_utf16_lossy(std::slice::from_raw_parts(text, length as usize));
        LocalFree(text.cast());
        shown.trim_end_matches('\0').to_owned()
    }
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "says what was not tried")]
async fn a_pipe_that_exists_is_not_made_again() {
    if is_wine() {
        eprintln!("skipped: Wine lets anybody add an instance to a pipe");
        return;
    }
    let name = name("twice");
    let _first = Socket::bind(&name).expect("a pipe");
    assert!(Socket::bind(&name).is_err());
}

fn is_wine() -> bool {
    let library = wide(std::ffi::OsStr::new("ntdll.dll"));
    // SAFETY: both names end in a zero, and ntdll is part of every process.
    unsafe { GetProcAddress(GetModuleHandleW(library.as_ptr()), c"wine_get_version".as_ptr().cast()).is_some() }
}
