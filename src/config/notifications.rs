//! `[notifications]`: what a person hears of without asking.

use serde::Deserialize;

/// Notifications as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotificationSettings {
    /// Whether there are any, where there is a desktop to show them.
    pub enabled: bool,
    /// Whether a switch to an API key, and back, is worth one.
    pub source_changes: bool,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self { enabled: true, source_changes: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn notifications_are_on_unless_they_are_not_wished_for() {
        let parse = |text| Config::parse(text, "config.toml").map(|config| config.notifications);
        assert_eq!(parse(""), Ok(NotificationSettings { enabled: true, source_changes: false }));
        let other = "[notifications]\nenabled = false\nsource_changes = true\n";
        assert_eq!(parse(other), Ok(NotificationSettings { enabled: false, source_changes: true }));
        let error = parse("[notifications]\nsource_change = true\n").expect_err("refused").to_string();
        assert_eq!(error, "config.toml:2: unknown key `source_change`; did you mean `source_changes`?");
    }
}
