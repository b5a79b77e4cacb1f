//! People who may sign in, and the log of what was done.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use comfy_table::{Table, presets};
use serde_json::json;

use super::options::Place;
use super::provision::change;
use crate::audit::{ChainHead, Deed, check_chain};
use crate::auth::{self, AccountProblem, Grants, NewUser, Role, Scope, UserChange, password};
use crate::http::rfc3339;
use crate::store::open_read_only;

pub(super) fn add(
    place: &Place,
    name: String,
    display_name: Option<String>,
    roles: &[String],
    sites: Option<Vec<String>>,
) -> Result<ExitCode> {
    let deed = Deed::new("user-made", &name).with(json!({ "roles": roles, "sites": sites }));
    let sites = sites.map_or(Scope::All, |sites| Scope::Sites(sites.into_iter().collect()));
    let grant = |role: &String| {
        let known = Role::ALL.map(Role::as_str).join(", ");
        Ok((Role::from_name(role).with_context(|| format!("\"{role}\" is not a role; use {known}"))?, sites.clone()))
    };
    let grants = roles.iter().map(grant).collect::<Result<Grants>>()?;
    let first = password::random();
    let password_hash = password::hash(&first, &mut password::Memory::default())?;
    let new = NewUser { display_name: display_name.unwrap_or_else(|| name.clone()), name, grants, password_hash };
    change(place, &deed, |transaction, now| auth::add_user(transaction, &new, now))?;
    // The password alone on standard output.
    writeln!(std::io::stdout(), "{first}")?;
    writeln!(std::io::stderr(), "\nThe line above is the first password; it is shown this once and must be replaced.")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn password(place: &Place, name: &str) -> Result<ExitCode> {
    let first = password::random();
    let hash = password::hash(&first, &mut password::Memory::default())?;
    let deed = Deed::new("password-changed", name).with(json!({ "own": false }));
    change(place, &deed, |transaction, _| {
        let Some((id, _)) = auth::user_named(transaction, name)? else { return Ok(Err(AccountProblem::NoUser)) };
        auth::set_password(transaction, &id, &hash, true, None)
    })?;
    writeln!(std::io::stdout(), "{first}")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn set_disabled(place: &Place, name: &str, disabled: bool) -> Result<ExitCode> {
    let deed = Deed::new("user-changed", name).with(json!({ "disabled": disabled }));
    let wanted = UserChange { disabled: Some(disabled), ..UserChange::default() };
    change(place, &deed, |transaction, now| {
        let Some((id, _)) = auth::user_named(transaction, name)? else { return Ok(Err(AccountProblem::NoUser)) };
        auth::change_user(transaction, &id, &wanted, now)
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(place: &Place) -> Result<ExitCode> {
    let conn = open_read_only(&place.folder()?.state())?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["user", "name in full", "is", "made", "disabled"]);
    for user in auth::users(&conn)? {
        let is = |(role, sites): (&Role, &Scope)| match sites {
            Scope::All => role.as_str().to_owned(),
            Scope::Sites(sites) => {
                format!("{} at {}", role.as_str(), sites.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
            }
        };
        let grants = user.grants.iter().map(is).collect::<Vec<_>>().join(", ");
        let disabled = user.disabled_ms.map_or_else(|| "-".to_owned(), rfc3339);
        table.add_row([user.name, user.display_name, grants, rfc3339(user.created_ms), disabled]);
    }
    writeln!(std::io::stdout(), "{table}")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn check_audit(place: &Place, noted: Option<&str>) -> Result<ExitCode> {
    let noted = match noted {
        None => None,
        Some(text) => match text.split_once(':').and_then(|(id, hash)| Some((id.parse().ok()?, hash.to_owned()))) {
            Some((id, hash)) => Some(ChainHead { id, hash }),
            None => bail!("\"{text}\" is not a noted row; write it as NUMBER:HASH"),
        },
    };
    let conn = open_read_only(&place.folder()?.state())?;
    let report = check_chain(&conn, noted.as_ref())?;
    let mut out = std::io::stdout();
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    let word = if report.problems.is_empty() { "as it was written" } else { "NOT as it was written" };
    writeln!(out, "The audit log has {} rows and is {word}.", report.rows)?;
    if let Some(head) = report.head {
        writeln!(out, "Newest row, to note: {}:{}", head.id, head.hash)?;
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
