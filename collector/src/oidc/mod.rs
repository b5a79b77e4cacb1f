//! People who sign in at an identity provider (OpenID Connect, authorization code flow with PKCE).

mod pending;
mod provider;
mod settings;

pub use pending::Pending;
pub use provider::{OidcError, Provider, Start};
pub use settings::{GroupGrant, OidcSettings};
