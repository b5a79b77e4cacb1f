//! Lists of assets.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use super::AssetRow;
use super::rows::{COLUMNS, read};
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// By what a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    Name,
    /// By class.
    Class,
    /// By the first day on which something ends; assets of which nothing ends are not in the list.
    Expiry,
    /// What was changed last comes first.
    Changed,
}

impl Sort {
    /// Reads it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "name" => Some(Self::Name),
            "class" => Some(Self::Class),
            "expiry" => Some(Self::Expiry),
            "changed" => Some(Self::Changed),
            _ => None,
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Class => "class",
            Self::Expiry => "first_expiry",
            // As text, so that every cursor is one.
            Self::Changed => "printf('%020d', 4102444800000 - changed_ms)",
        }
    }

    /// What the row is sorted by.
    #[must_use]
    pub fn key(self, row: &AssetRow) -> String {
        match self {
            Self::Name => row.asset.name.clone(),
            Self::Class => row.asset.class.clone(),
            Self::Expiry => row.asset.first_expiry().unwrap_or_default().to_owned(),
            Self::Changed => format!("{:020}", 4_102_444_800_000 - row.changed_ms),
        }
    }
}

/// Which assets.
#[derive(Debug, Clone, Default)]
pub struct AssetFilter {
    /// At this site.
    pub site: Option<String>,
    /// In one of these areas.
    pub areas: Option<Vec<String>>,
    /// Of this class.
    pub class: Option<String>,
    /// With this text.
    pub q: Option<String>,
    /// With or without a device.
    pub bound: Option<bool>,
    /// With this tag.
    pub tag: Option<String>,
    /// With this parent.
    pub parent: Option<String>,
    /// Of which something ends until this day.
    pub expiring_until: Option<String>,
    /// These.
    pub ids: Option<Vec<String>>,
}

/// Assets of the scope that fit, after the place where the page before ended.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    filter: &AssetFilter,
    (sort, after): (Sort, Option<(String, String)>),
    limit: usize,
) -> Result<Vec<AssetRow>, StoreError> {
    let (mut conditions, mut values) = (vec!["1".to_owned()], Vec::<Sql>::new());
    let mut add = |condition: &str, value: Sql| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    let any = |list: &Vec<String>| Sql::Text(serde_json::json!(list).to_string());
    if let Some(sites) = scope.to_sql() {
        add("site IN (SELECT value FROM json_each(?))", Sql::Text(sites));
    }
    for (column, wanted) in [("site = ?", &filter.site), ("class = ?", &filter.class), ("parent = ?", &filter.parent)] {
        if let Some(wanted) = wanted {
            add(column, Sql::Text(wanted.clone()));
        }
    }
    if let Some(areas) = &filter.areas {
        add("area IN (SELECT value FROM json_each(?))", any(areas));
    }
    if let Some(ids) = &filter.ids {
        add("id IN (SELECT value FROM json_each(?))", any(ids));
    }
    if let Some(text) = &filter.q {
        add("instr(search, ?) > 0", Sql::Text(text.to_lowercase()));
    }
    if let Some(tag) = &filter.tag {
        add("EXISTS (SELECT 1 FROM json_each(details, '$.tags') WHERE value = ?)", Sql::Text(tag.clone()));
    }
    if let Some(bound) = filter.bound {
        add("(device IS NOT NULL) = ?", Sql::Integer(bound.into()));
    }
    if let Some(until) = &filter.expiring_until {
        add("first_expiry <= ?", Sql::Text(until.clone()));
    }
    if sort == Sort::Expiry {
        add("first_expiry IS NOT NULL AND ?", Sql::Integer(1));
    }
    let column = sort.column();
    if let Some((key, id)) = after {
        let place = values.len();
        conditions.push(format!("({column}, id) > (?{}, ?{})", place + 1, place + 2));
        values.extend([Sql::Text(key), Sql::Text(id)]);
    }
    let sql =
        format!("SELECT {COLUMNS} FROM assets WHERE {} ORDER BY {column}, id LIMIT {limit}", conditions.join(" AND "));
    conn.prepare(&sql)
        .and_then(|mut statement| statement.query_map(params_from_iter(values), read)?.collect())
        .during("read assets")
}
