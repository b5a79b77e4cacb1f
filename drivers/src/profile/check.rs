//! Checking one profile of any kind, more strictly than an agent that uses it.

use kouan_settings::{Document, Problems};

use super::about::Description;
use super::store::ProfileSource;
use super::vocabulary;
use crate::registry;

/// Reads a profile of any kind and checks it, its names against the common vocabulary too.
///
/// An agent only insists on what it needs to talk to the device; names outside the vocabulary are reported here alone.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(name: &str, source: &ProfileSource) -> Result<Description, Problems> {
    let document = Document::parse(&source.file, &source.text)?;
    let problems = Problems::new(&source.file, &source.text);
    let kind = {
        // Which kind it is must be known before its keys can be read, so the top is read twice.
        let aside = Problems::new(&source.file, &source.text);
        let mut root = document.root(&aside);
        let kinds: Vec<_> = registry::KINDS.iter().map(|kind| (kind.name(), *kind)).collect();
        root.require("kind", ("the protocol, such as kind = \"modbus\"", "协议，如 kind = \"modbus\""));
        let kind = root.choice("kind", &kinds);
        root.ignore_rest();
        drop(root);
        match kind {
            Some(kind) => kind,
            None => return Err(aside),
        }
    };
    let mut root = document.root(&problems);
    let description = kind.read_profile(name, &mut root);
    drop(root);
    let Some(description) = description else { return Err(problems) };
    vocabulary::check(&description, &problems);
    problems.into_result(description)
}
