//! The sites that somebody may see.

use std::collections::BTreeSet;

use crate::store::StoreError;

/// A set of sites. Every query takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every site, also those to come.
    All,
    /// These sites.
    Sites(BTreeSet<String>),
}

impl Scope {
    /// Whether the site belongs to it.
    #[must_use]
    pub fn covers(&self, site: &str) -> bool {
        match self {
            Self::All => true,
            Self::Sites(sites) => sites.contains(site),
        }
    }

    /// Whether every site of `other` belongs to it.
    #[must_use]
    pub fn covers_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Sites(_), Self::All) => false,
            (Self::Sites(mine), Self::Sites(theirs)) => theirs.is_subset(mine),
        }
    }

    /// The sites of both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Sites(mut mine), Self::Sites(theirs)) => {
                mine.extend(theirs);
                Self::Sites(mine)
            }
            _ => Self::All,
        }
    }

    /// The scope that [`Scope::to_sql`] wrote.
    ///
    /// # Errors
    /// When it does not read.
    pub fn from_sql(text: Option<&str>) -> Result<Self, StoreError> {
        let Some(text) = text else { return Ok(Self::All) };
        Ok(Self::Sites(serde_json::from_str(text).map_err(StoreError::damaged("a list of sites"))?))
    }

    /// For `?n IS NULL OR site IN (SELECT value FROM json_each(?n))`.
    #[must_use]
    pub fn to_sql(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Sites(sites) => Some(serde_json::json!(sites).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_scope_does_not_cover_a_wider_one() {
        let one = Scope::Sites(BTreeSet::from(["a".to_owned()]));
        let two = Scope::Sites(BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert!(Scope::All.covers_all_of(&two) && two.covers_all_of(&one));
        assert!(!one.covers_all_of(&two) && !two.covers_all_of(&Scope::All));
        assert!(one.covers("a") && !one.covers("b"));
    }
}
