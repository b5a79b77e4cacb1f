//! Who may do what: tokens of agents, API keys, people who sign in, and the sites that each may see.

mod accounts;
mod hashing;
pub mod password;
mod principal;
mod right;
mod scope;
mod sign_in;
mod throttle;
mod token;
mod users;

pub use accounts::{
    AccountProblem, AgentRow, KeyRow, add_agent, add_key, agents, check_site, key_count, keys, note_hello,
    parse_rights, renew_agent_token, revoke_agent, revoke_key, site_of, sites,
};
pub use hashing::{Hashing, TooMany};
pub use principal::{Authenticator, Permission, Principal};
pub use right::{Right, Role};
pub use scope::Scope;
pub use sign_in::{SignIn, SignInLife, begin_sign_in, end_sign_in, end_sign_ins, find_sign_in, note_sign_in};
pub use throttle::Throttle;
pub use token::{Token, TokenHash};
pub use users::{
    External, Grants, NewUser, User, UserChange, add_user, change_user, set_password, take_external, user, user_named,
    users,
};
