//! Authorization servers as data: the presets in `presets/`, the user's own in the configuration, the same schema.

mod api;
mod check;
mod client;
mod derived;
mod grants;
mod presets;
pub mod schema;
pub mod target;
mod template;

pub use check::{CLIENT_ID_PLACE, ProviderError, is_secure_url};
pub use presets::{PRESETS, Preset};
pub use schema::Provider;
pub use template::{HOST, Template, TemplateError};

/// The name that is so near to what was asked for that it is worth asking back.
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, asked: &str) -> Option<&'a str> {
    let rated = names.map(|name| (strsim::jaro_winkler(name, asked), name));
    rated.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness > 0.8).map(|(_, name)| name)
}
