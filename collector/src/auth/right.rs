//! What somebody may do, and the roles that bundle it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do; each route asks for one. An API key carries some, a person's roles bring some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// See current points for monitoring, which whoever may read may see too.
    Metrics,
    /// See everything of its sites.
    Read,
    /// Acknowledge, assign, shelve and close alarms.
    Operate,
    /// Give pictures as evidence of what happened at a device.
    Evidence,
    /// Ask devices to do something.
    Command,
    /// Walk inspections, keep maintenance windows.
    Maintain,
    /// Enrol agents, move and name devices, change rules and assets.
    Configure,
    /// Make users and keys.
    Administer,
    /// See what everybody did.
    Audit,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 9] = [
        Self::Metrics,
        Self::Read,
        Self::Operate,
        Self::Evidence,
        Self::Command,
        Self::Maintain,
        Self::Configure,
        Self::Administer,
        Self::Audit,
    ];

    /// The right of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }

    /// The right's name: the scope of a key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Evidence => "evidence",
            Self::Command => "command",
            Self::Maintain => "maintain",
            Self::Configure => "configure",
            Self::Administer => "admin",
            Self::Audit => "audit",
        }
    }

    /// What a key with these scopes may do: who may make users and keys could give itself the rest of the
    /// administration anyway. Moving devices is not part of it.
    #[must_use]
    pub fn with_implied(mut rights: BTreeSet<Self>) -> BTreeSet<Self> {
        if rights.contains(&Self::Read) {
            rights.insert(Self::Metrics);
        }
        if rights.contains(&Self::Administer) {
            rights.extend([Self::Operate, Self::Maintain, Self::Configure, Self::Audit]);
        }
        if rights.contains(&Self::Operate) {
            rights.insert(Self::Evidence);
        }
        rights
    }
}

/// What a person is at some sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Watches.
    Viewer,
    /// Watches, handles alarms, sends commands.
    Operator,
    /// Looks after devices and their settings.
    Engineer,
    /// Walks inspections and repairs.
    Maintenance,
    /// May do everything.
    Administrator,
    /// Watches, and sees what everybody did.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Operator, Self::Engineer, Self::Maintenance, Self::Administrator, Self::Auditor];

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// The role's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Maintenance => "maintenance",
            Self::Administrator => "administrator",
            Self::Auditor => "auditor",
        }
    }

    /// What the role brings.
    #[must_use]
    pub fn rights(self) -> &'static [Right] {
        use Right::{Audit, Command, Configure, Evidence, Maintain, Metrics, Operate, Read};
        match self {
            Self::Viewer => &[Metrics, Read],
            Self::Operator => &[Metrics, Read, Operate, Evidence, Command],
            Self::Engineer => &[Metrics, Read, Operate, Evidence, Command, Maintain, Configure],
            Self::Maintenance => &[Metrics, Read, Operate, Evidence, Maintain],
            Self::Administrator => &Right::ALL,
            Self::Auditor => &[Metrics, Read, Audit],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        assert!(Right::ALL.into_iter().all(|right| Right::from_name(right.as_str()) == Some(right)));
        assert!(Role::ALL.into_iter().all(|role| Role::from_name(role.as_str()) == Some(role)));
    }

    #[test]
    fn everybody_may_look_and_only_administrators_make_users() {
        assert!(Role::ALL.into_iter().all(|role| role.rights().contains(&Right::Read)));
        let makers: Vec<_> = Role::ALL.into_iter().filter(|role| role.rights().contains(&Right::Administer)).collect();
        assert_eq!(makers, [Role::Administrator]);
    }
}
