//! The presets that come with the program: one TOML file each, and one line here.

/// A preset's name and its file.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name in account names.
    pub name: &'static str,
    /// The TOML text.
    pub text: &'static str,
}

/// Every preset, sorted by name.
pub const PRESETS: &[Preset] = &[
    Preset { name: "anthropic", text: include_str!("presets/anthropic.toml") },
    Preset { name: "anthropic-console", text: include_str!("presets/anthropic-console.toml") },
    Preset { name: "anthropic-wif", text: include_str!("presets/anthropic-wif.toml") },
    Preset { name: "deepseek", text: include_str!("presets/deepseek.toml") },
    Preset { name: "github", text: include_str!("presets/github.toml") },
    Preset { name: "github-copilot", text: include_str!("presets/github-copilot.toml") },
    Preset { name: "gitlab", text: include_str!("presets/gitlab.toml") },
    Preset { name: "google", text: include_str!("presets/google.toml") },
    Preset { name: "huggingface", text: include_str!("presets/huggingface.toml") },
    Preset { name: "microsoft", text: include_str!("presets/microsoft.toml") },
    Preset { name: "openai", text: include_str!("presets/openai.toml") },
    Preset { name: "openrouter", text: include_str!("presets/openrouter.toml") },
];

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;

    #[test]
    fn what_serves_git_knows_its_host_and_the_user_beside_whom_it_takes_a_token() {
        let of = |name: &str, host: Option<&str>| {
            let given = host.map(|host| ("host".to_owned(), host.to_owned())).into_iter().collect();
            let filled = Template::of_preset(Preset::named(name).expect(name)).and_then(|it| it.fill(&given));
            let targets = filled.expect(name).targets.into_iter();
            targets.map(|own| (own.url.expect(name).origin(), own.username)).collect::<Vec<_>>()
        };
        for (name, host, url, user) in [
            ("github", None, "https://github.com", "x-access-token"),
            ("github", Some("octo.ghe.com"), "https://octo.ghe.com", "x-access-token"),
            ("gitlab", None, "https://gitlab.com", "oauth2"),
            ("gitlab", Some("git.example.com:8443"), "https://git.example.com:8443", "oauth2"),
            ("huggingface", None, "https://huggingface.co", "hf_user"),
        ] {
            assert_eq!(of(name, host), [(url.to_owned(), Some(user.to_owned()))]);
        }
        // Copilot's token is for its API alone.
        assert_eq!(of("github-copilot", None), []);
    }

    #[test]
    fn every_preset_is_complete() {
        for preset in PRESETS {
            let provider = preset.provider().unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            provider.check().unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            assert!(!provider.title.is_empty(), "{}: a title", preset.name);
        }
        assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
    }
}
