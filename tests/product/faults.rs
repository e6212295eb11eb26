//! A home whose agent has faults on purpose: armed while it runs, as `src/fault.rs` says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::home::Home;

impl Home {
    /// Its agents read plans from now on; one that runs already doesn't.
    pub(crate) fn with_faults(mut self) -> Self {
        let plan = self.plan();
        self.set("CRED_HELPER_FAULTS", plan.to_str().unwrap());
        self
    }

    /// What happens at which points from now on; counting begins anew.
    pub(crate) fn arm(&self, plan: &str) {
        static PLANS: AtomicUsize = AtomicUsize::new(0);
        let number = PLANS.fetch_add(1, Ordering::Relaxed);
        let _ = std::fs::remove_file(self.plan().with_extension("happened"));
        // Renamed, so that no half of it is read.
        let new = self.plan().with_extension("new");
        std::fs::write(&new, format!("# {number}\n{plan}\n")).unwrap();
        std::fs::rename(new, self.plan()).unwrap();
    }

    /// Nothing more happens.
    pub(crate) fn disarm(&self) {
        let _ = std::fs::remove_file(self.plan());
    }

    /// The points where something happened since [`Home::arm`], in order.
    pub(crate) fn happened(&self) -> Vec<String> {
        let happened = std::fs::read_to_string(self.plan().with_extension("happened")).unwrap_or_default();
        happened.lines().map(str::to_owned).collect()
    }

    fn plan(&self) -> PathBuf {
        self.path().join("faults.plan")
    }
}
