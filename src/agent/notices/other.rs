//! Systems where nothing is shown yet: a toast on Windows needs an application that is registered for it. `status`, `doctor`
//! and the events say the same.

/// Nothing to show with.
pub(super) struct Desktop(std::convert::Infallible);

pub(super) fn is_there() -> bool {
    false
}

impl Desktop {
    pub(super) async fn connect() -> Result<Self, String> {
        Err("this version shows none on this system".to_owned())
    }

    pub(super) async fn is_ready(&self, _started: bool) -> Result<(), String> {
        match self.0 {}
    }

    pub(super) async fn appears(&mut self) -> Result<(), String> {
        match self.0 {}
    }

    pub(super) async fn show(&self, _summary: &str, _body: &str) -> Result<(), String> {
        match self.0 {}
    }
}
