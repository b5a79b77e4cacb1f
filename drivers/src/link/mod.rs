//! Links: one thing that must be used by one talker at a time, and the engine that sees to it.
//!
//! A protocol implements [`Talker`]: open, close, read one group, carry out one action. [`run_link`] does the rest:
//! whose turn it is, back-off, retries of reads, the permit of an action, health, reopening, stopping.
//!
//! | room | holds |
//! |---|---|
//! | [`endpoint`] | where a link ends: a serial port or a TCP address, and how it is opened |
//! | [`line`](mod@line) | an open byte stream that never leaves a stale frame for the next request |
//! | [`timing`] | pauses, time-outs and retries: site beats profile beats default |
//! | [`backoff`], [`schedule`] | who waits how long, who is next; pure |
//! | [`talker`] | the trait a protocol implements |
//! | [`ask`] | request and answer where an answer does not say what it answers |
//! | [`trace`] | the bytes of a conversation, for a person |
//! | [`watch`] | points that show, beside the polls, that an action was done |
//! | [`health`] | what polls say about a device's health |
//! | [`engine`] | the loop |

pub mod ask;
pub mod backoff;
pub mod endpoint;
pub mod engine;
pub mod health;
mod late;
pub mod line;
pub mod schedule;
pub mod talker;
pub mod timing;
pub mod trace;
pub mod watch;

pub use ask::{AnswerReader, AskError, Asker, Patience};
pub use endpoint::{Endpoint, LinkSettings, SerialSettings};
pub use engine::{LinkDevice, LinkGroup, run_link};
pub use line::{Line, LineError};
pub use talker::{
    ActError, HeardEvent, Polled, Searched, TalkError, Talker, Turn, no_action, no_point, unproved_interlock,
    unproved_watch,
};
pub use timing::Timing;
pub use watch::{Acted, WatchStep};
