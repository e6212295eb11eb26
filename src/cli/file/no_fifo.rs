//! Other systems: no FIFOs.

use std::path::Path;

use crate::cli::exit::Failure;
use crate::secret::Secret;

/// Says so.
pub(super) fn serve(_: &Path, _: &dyn Fn() -> Result<Secret, Failure>) -> Result<(), Failure> {
    Err(Failure::Usage("FIFOs are served on Linux only: use --write".to_owned()))
}
