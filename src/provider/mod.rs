//! Authorization servers as data: the presets in `presets/`, the user's own in the configuration, the same schema.

mod check;
mod presets;
pub mod schema;

pub use check::{ProviderError, is_secure_url};
pub use presets::{PRESETS, Preset};
pub use schema::Provider;
