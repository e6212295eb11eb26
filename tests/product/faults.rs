//! A home whose agent has faults on purpose: armed while it runs, as `src/fault.rs` says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cred_helper::paths::Paths;

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

    /// Whether whoever was asked last had come to the end of it: asks once more, so that it is past the answer.
    pub(crate) fn is_done(&self) -> bool {
        let before = self.happened().len();
        self.run(&["agent", "status", "--no-start"]);
        self.happened()[before..].iter().any(|point| point == "answer.write")
    }

    /// No agent runs when this returns.
    pub(crate) fn bury_agent(&self) {
        let ended = self.run(&["agent", "status", "--json", "--no-start"]);
        if let Ok(status) = serde_json::from_str::<serde_json::Value>(&ended.stdout) {
            self.kill(status["pid"].as_i64().unwrap().try_into().unwrap());
        }
        self.agent_is_gone();
    }

    /// Until no agent runs, where one is about to end.
    pub(crate) fn agent_is_gone(&self) {
        let paths = Paths::from_variables(|_| None, Some(self.path().to_owned())).unwrap();
        assert!(cred_helper::ipc::start::wait_until_gone(&paths, Duration::from_secs(10)));
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
