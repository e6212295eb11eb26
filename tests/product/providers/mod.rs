//! Every preset at a server on this machine that behaves as its provider documents, quirks included, and checks what it is
//! sent. One file per provider.

mod anthropic;
mod anthropic_console;
mod anthropic_wif;
mod deepseek;
#[cfg(target_os = "linux")]
mod enterprise;
mod github;
mod github_copilot;
mod gitlab;
mod google;
mod huggingface;
mod inheritance;
mod microsoft;
mod openai;
mod openrouter;
mod play;
mod portals;
pub(crate) mod site;
