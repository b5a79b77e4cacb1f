//! Who may do what: tokens of agents, API keys with scopes, and the sites that each may see.

mod accounts;
mod principal;
mod scope;
mod token;

pub use accounts::{
    AccountProblem, AgentRow, KeyRow, add_agent, add_key, agents, check_site, key_count, keys, note_hello,
    parse_key_scopes, renew_agent_token, revoke_agent, revoke_key, site_of, sites,
};
pub use principal::{Authenticator, KeyScope, Permission, Principal};
pub use scope::Scope;
pub use token::{Token, TokenHash};
