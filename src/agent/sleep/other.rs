//! Systems whose announcements of sleep are not listened to yet: macOS (IORegisterForSystemPower) and Windows
//! (WM_POWERBROADCAST) send them to a run loop or a window, and the agent has neither.

use super::News;

/// Nothing to listen to.
pub(super) struct Session(std::convert::Infallible);

impl Session {
    pub(super) async fn connect(_screen: bool) -> Result<Self, String> {
        Err("this version doesn't listen for them on this system".to_owned())
    }

    pub(super) async fn next(&mut self) -> Option<News> {
        match self.0 {}
    }

    pub(super) async fn delay_sleep(&mut self) {
        match self.0 {}
    }

    pub(super) fn let_sleep(&mut self) {
        match self.0 {}
    }
}
