//! TLS of the API: the certificate that is shown, and the listener that shows it.
//!
//! | file | subject |
//! |---|---|
//! | `certificate.rs` | from files, or made once and kept in the data folder |
//! | `listener.rs` | connections, with TLS or plain |

mod certificate;
mod listener;

pub(crate) use certificate::own_name;
pub use certificate::{Certificate, TlsError};
pub use listener::Front;
