//! A thread of its own for one exchange, with a runtime of its own: what the server answers is read, judged and written
//! down there, without a change of threads from its last byte to the disk.
//!
//! A kill between the two costs a login, and a thread that has to be woken waits for a processor: on a busy machine for
//! longer than everything else takes. Nor does anybody else wait for a large answer to be read, or for a disk that hangs.
//! The thread is in hand before the request goes out, and a process that ends doesn't wait for it.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::residue;

type Work = Box<dyn FnOnce(&Runtime) + Send>;

/// A thread that waits for its work; without any, it ends.
pub(super) struct Apart(oneshot::Sender<Work>);

impl Apart {
    /// An error if there is no thread, or no descriptors for its runtime.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().on_thread_park(residue::clear).build()?;
        let (give, work) = oneshot::channel::<Work>();
        thread::Builder::new().name("exchange".to_owned()).spawn(move || {
            if let Ok(work) = work.blocking_recv() {
                work(&runtime);
            }
            residue::clear();
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self(give))
    }

    /// What comes of the work; `None` if it panicked. It goes on even if nobody waits any more.
    pub(super) async fn run<T, F>(self, work: impl FnOnce() -> F + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let (tell, done) = oneshot::channel();
        let work = move |runtime: &Runtime| {
            let _ = tell.send(runtime.block_on(work()));
            // Its connection takes leave of the server.
            runtime.block_on(tokio::task::yield_now());
        };
        // A thread that is not there any more is told by what doesn't come.
        let _ = self.0.send(Box::new(work));
        done.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use super::*;

    async fn here() -> ThreadId {
        tokio::task::yield_now().await;
        thread::current().id()
    }

    #[tokio::test]
    async fn work_is_done_on_one_thread_that_is_not_the_callers() {
        let ids = Apart::new().unwrap().run(|| async { (here().await, here().await) }).await.unwrap();
        assert_eq!(ids.0, ids.1);
        assert_ne!(ids.0, thread::current().id());
    }

    #[tokio::test]
    async fn work_that_panics_is_told_and_harms_nobody() {
        let panics = || async { assert_ne!(thread::current().name(), Some("exchange")) };
        assert_eq!(Apart::new().unwrap().run(panics).await, None);
    }

    #[tokio::test]
    async fn work_is_done_although_nobody_waits_for_it() {
        let (tell, told) = oneshot::channel();
        tokio::select! {
            biased;
            _ = Apart::new().unwrap().run(|| async { tell.send(()) }) => {}
            () = std::future::ready(()) => {}
        }
        told.await.unwrap();
    }
}
