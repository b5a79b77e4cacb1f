//! What the settings say about the identity provider.

use std::collections::BTreeSet;
use std::path::PathBuf;

use kouan_settings::Section;
use serde_json::Value;

use crate::auth::{Grants, Role, Scope, check_site};

/// Where people sign in, and what they are here by what is said of them there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// The provider.
    pub issuer: String,
    /// This collector's name there.
    pub client_id: String,
    /// The file with the secret that proves it; public clients have none.
    pub client_secret_file: Option<PathBuf>,
    /// Where the provider sends people back to.
    pub redirect: String,
    /// Who signed the provider's certificate; the system's list if it is left out.
    pub ca: Option<PathBuf>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that lists the groups.
    pub groups_claim: String,
    /// What groups bring.
    pub groups: Vec<GroupGrant>,
}

/// What a group brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupGrant {
    /// The group.
    pub group: String,
    /// What its people are.
    pub roles: BTreeSet<Role>,
    /// Where.
    pub sites: Scope,
}

impl OidcSettings {
    pub(crate) fn read(section: &mut Section<'_>) -> Option<Self> {
        let issuer = section.string_required("issuer", "the provider's address, such as \"https://id.example\"");
        let client_id = section.string_required("client_id", "this collector's name at the provider");
        let redirect = section.string_required("redirect", "https://COLLECTOR/api/v1/session/oidc/callback");
        let client_secret_file = section.string("client_secret_file").map(PathBuf::from);
        let ca = section.string("ca").map(PathBuf::from);
        let scopes = section.strings("scopes");
        let groups_claim = section.string("groups_claim").unwrap_or_else(|| "groups".to_owned());
        let groups: Vec<_> = section.sections("groups").iter_mut().filter_map(GroupGrant::read).collect();
        for (key, address) in [("issuer", &issuer), ("redirect", &redirect)] {
            if let Some(address) = address
                && !is_safe(address)
            {
                section.problem(key, "this must be an address with https, or with http on this machine");
            }
        }
        if groups.is_empty() {
            section.problem(
                "groups",
                "nobody could sign in: name the groups and what they bring in [[sign_in.oidc.groups]]",
            );
        }
        Some(Self {
            issuer: issuer?,
            client_id: client_id?,
            client_secret_file,
            redirect: redirect?,
            ca,
            scopes,
            groups_claim,
            groups,
        })
    }

    /// What somebody is here, by the groups in `claim`: a list of names, or one name.
    #[must_use]
    pub fn grants(&self, claim: Option<&Value>) -> Grants {
        let named: Vec<&str> = match claim {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(name)) => vec![name],
            _ => Vec::new(),
        };
        let mut grants = Grants::new();
        for grant in self.groups.iter().filter(|grant| named.contains(&grant.group.as_str())) {
            for role in &grant.roles {
                let sites = match grants.remove(role) {
                    Some(before) => Scope::join(before, grant.sites.clone()),
                    None => grant.sites.clone(),
                };
                grants.insert(*role, sites);
            }
        }
        grants
    }
}

/// Tokens travel to these addresses.
fn is_safe(address: &str) -> bool {
    let Ok(address) = reqwest::Url::parse(address) else { return false };
    let is_local = matches!(address.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    address.scheme() == "https" || (address.scheme() == "http" && is_local)
}

impl GroupGrant {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let group = section.string_required("group", "the group's name at the provider");
        let mut roles = BTreeSet::new();
        for role in section.strings("roles") {
            match Role::from_name(&role) {
                Some(role) => drop(roles.insert(role)),
                None => {
                    let known = Role::ALL.map(Role::as_str).join(", ");
                    section.problem("roles", format!("\"{role}\" is not a role; use {known}"));
                }
            }
        }
        if roles.is_empty() {
            section.problem("roles", "name at least one role");
        }
        let sites = section.has("sites").then(|| section.strings("sites"));
        for site in sites.iter().flatten() {
            if let Err(problem) = check_site(site) {
                section.problem("sites", problem.to_string());
            }
        }
        let sites = sites.map_or(Scope::All, |sites| Scope::Sites(sites.into_iter().collect()));
        Some(Self { group: group?, roles, sites })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Config;

    const TEXT: &str = "[sign_in.oidc]\nissuer = \"https://id.example\"\nclient_id = \"kouan\"\n\
        redirect = \"https://c.example/api/v1/session/oidc/callback\"\n\
        [[sign_in.oidc.groups]]\ngroup = \"operators\"\nroles = [\"operator\"]\nsites = [\"hall\"]\n\
        [[sign_in.oidc.groups]]\ngroup = \"pier\"\nroles = [\"operator\", \"auditor\"]\nsites = [\"pier\"]\n\
        [[sign_in.oidc.groups]]\ngroup = \"chiefs\"\nroles = [\"administrator\"]\n";

    #[test]
    fn groups_bring_roles_at_sites() {
        let settings = Config::parse("c.toml", TEXT).unwrap().oidc.unwrap();
        let sites = |names: &[&str]| Scope::Sites(names.iter().map(|name| (*name).to_owned()).collect());
        let both = settings.grants(Some(&json!(["pier", "operators", "cooks"])));
        assert_eq!(both, Grants::from([(Role::Operator, sites(&["hall", "pier"])), (Role::Auditor, sites(&["pier"]))]));
        assert_eq!(settings.grants(Some(&json!("chiefs"))), Grants::from([(Role::Administrator, Scope::All)]));
        assert!(settings.grants(None).is_empty() && settings.grants(Some(&json!(["cooks"]))).is_empty());
    }

    #[test]
    fn what_is_wrong_is_told() {
        let text = TEXT.replace("https://id.example", "http://id.example").replace("\"auditor\"", "\"king\"");
        let problems = Config::parse("c.toml", &text).unwrap_err().to_string();
        assert!(problems.contains("https") && problems.contains("\"king\" is not a role"), "{problems}");
    }
}
