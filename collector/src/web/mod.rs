//! The console: the files that `console/` was built into, part of this program.

mod console;

pub(crate) use console::serve;
