//! The tool `kouan-collector`.

mod backup;
mod options;
mod provision;
mod run;
mod show;
mod users;

pub use options::Options;

use std::process::ExitCode;

use anyhow::Result;
use options::{Action, AgentAction, AuditAction, KeyAction, UserAction};

/// Does what the options say.
///
/// # Errors
/// When it could not be done; the message is for a person.
pub fn main(options: Options) -> Result<ExitCode> {
    let Options { action, place } = options;
    match action {
        Action::Run { listen } => run::run(&place, listen),
        Action::CheckConfig => show::check_config(&place),
        Action::PrintConfig => show::print_config(),
        Action::Verify { json } => show::verify(&place, json),
        Action::Sizes { json } => show::sizes(&place, json),
        Action::Check { json } => show::check(&place, json),
        Action::Fingerprint => provision::fingerprint(&place),
        Action::Backup { folder, json } => backup::backup(&place, &folder, json),
        Action::Restore { folder } => backup::restore(&place, &folder),
        Action::Restored => provision::restored(&place),
        Action::Openapi => show::openapi(),
        Action::Agent(AgentAction::Add { name, site }) => provision::add_agent(&place, &name, &site),
        Action::Agent(AgentAction::List) => provision::list_agents(&place),
        Action::Agent(AgentAction::Renew { name }) => provision::renew_agent(&place, &name),
        Action::Agent(AgentAction::Revoke { name }) => provision::revoke_agent(&place, &name),
        Action::User(UserAction::Add { name, display_name, roles, sites }) => {
            users::add(&place, name, display_name, &roles, sites)
        }
        Action::User(UserAction::List) => users::list(&place),
        Action::User(UserAction::Password { name }) => users::password(&place, &name),
        Action::User(UserAction::Disable { name }) => users::set_disabled(&place, &name, true),
        Action::User(UserAction::Enable { name }) => users::set_disabled(&place, &name, false),
        Action::Audit(AuditAction::Check { noted }) => users::check_audit(&place, noted.as_deref()),
        Action::Key(KeyAction::List) => provision::list_keys(&place),
        Action::Key(KeyAction::Revoke { name }) => provision::revoke_key(&place, &name),
        Action::Key(KeyAction::Add { name, scopes, sites }) => provision::add_key(&place, &name, &scopes, sites),
    }
}
