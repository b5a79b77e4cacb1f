//! What people call a site, and where it is.

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Trouble;
use super::trouble::Words;
use crate::audit::{self, Actor, Deed};
use crate::auth::{self, Scope};
use crate::revision::{is_current, revision_of};
use crate::store::{During as _, StoreError};
use kouan_protocol::Timestamp;

/// A place on a map that is no geographic one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MapPlace {
    /// From the left, as a share of the width.
    pub x: f64,
    /// From the top, as a share of the height.
    pub y: f64,
}

/// A site as people know it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SiteRow {
    /// Its name in addresses and keys.
    pub id: String,
    /// Its names for people; the id where nobody gave any.
    pub name: Words,
    /// Its time zone.
    pub zone: String,
    /// Degrees east of Greenwich.
    pub lon: Option<f64>,
    /// Degrees north of the equator.
    pub lat: Option<f64>,
    /// Its place on a map that is no geographic one.
    pub position: Option<MapPlace>,
    /// Differs after every change.
    pub revision: String,
}

/// All sites of the scope, by id.
///
/// # Errors
/// When they cannot be read.
pub fn list(conn: &Connection, scope: &Scope) -> Result<Vec<SiteRow>, StoreError> {
    conn.prepare_cached(
        "SELECT id, name_zh, name_en, zone, lon, lat, map_x, map_y FROM sites
         WHERE ?1 IS NULL OR id IN (SELECT value FROM json_each(?1)) ORDER BY id",
    )
    .and_then(|mut statement| {
        let read = |row: &rusqlite::Row<'_>| {
            let (id, zh, en): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (zone, lon, lat): (String, Option<f64>, Option<f64>) = (row.get(3)?, row.get(4)?, row.get(5)?);
            let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
            let en = or(en, &id);
            let name = Words { zh: or(zh, &en), en };
            let place: (Option<f64>, Option<f64>) = (row.get(6)?, row.get(7)?);
            let position = place.0.zip(place.1).map(|(x, y)| MapPlace { x, y });
            let revision = revision_of(&(&name, &zone, lon, lat, position));
            Ok(SiteRow { id, name, zone, lon, lat, position, revision })
        };
        statement.query_map([scope.to_sql()], read)?.collect()
    })
    .during("read sites")
}

/// What changes about a site; what is `None` stays, and what is `Some(None)` goes.
#[derive(Debug, Clone, Default)]
pub struct SiteEdit {
    /// Its names; empty ones are the id.
    pub name: Option<Words>,
    /// Its time zone.
    pub zone: Option<String>,
    /// Degrees east and north.
    pub geographic: Option<Option<(f64, f64)>>,
    /// Its place on a map that is no geographic one.
    pub position: Option<Option<MapPlace>>,
    /// Only if it still has this revision.
    pub revision: Option<String>,
}

/// Why a site was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteProblem {
    /// Somebody else changed it meanwhile.
    Outdated,
}

impl SiteEdit {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        let is_long = |name: &Words| name.zh.chars().count() > 100 || name.en.chars().count() > 100;
        if self.name.as_ref().is_some_and(is_long) {
            troubles.push(Trouble::new("name", "名称超过 100 个字符", "a name has at most 100 characters"));
        }
        let is_zone = |zone: &String| zone.len() <= 64 && jiff::tz::TimeZone::get(zone).is_ok();
        if !self.zone.as_ref().is_none_or(is_zone) {
            let en = "it must be a name of the time zone database such as Asia/Shanghai";
            troubles.push(Trouble::new("zone", "时区名称无效，例如 Asia/Shanghai", en));
        }
        let on_earth = |(lon, lat): (f64, f64)| lon.abs() <= 180.0 && lat.abs() <= 90.0;
        if !self.geographic.flatten().is_none_or(on_earth) {
            let en = "lon is -180 to 180 and lat -90 to 90";
            troubles.push(Trouble::new("lon", "经度为 -180 至 180，纬度为 -90 至 90", en));
        }
        let on_map = |place: MapPlace| (0.0..=1.0).contains(&place.x) && (0.0..=1.0).contains(&place.y);
        if !self.position.flatten().is_none_or(on_map) {
            troubles.push(Trouble::new("position", "x 和 y 应为 0 至 1", "x and y must be 0 to 1"));
        }
        troubles
    }
}

/// Makes a site, or says what it is called and where it is.
///
/// # Errors
/// When it cannot be written; the inner error when somebody was faster.
pub fn put(
    transaction: &Transaction<'_>,
    id: &str,
    edit: &SiteEdit,
    (actor, now): (&Actor, Timestamp),
) -> Result<Result<(), SiteProblem>, StoreError> {
    let only = Scope::Sites([id.to_owned()].into());
    let before = list(transaction, &only)?.pop().map(|site| site.revision).unwrap_or_default();
    if !is_current(edit.revision.as_ref(), &before) {
        return Ok(Err(SiteProblem::Outdated));
    }
    add(transaction, id, now)?;
    for (column, value) in [
        ("name_zh", edit.name.as_ref().map(|name| Value::from(name.zh.clone()))),
        ("name_en", edit.name.as_ref().map(|name| Value::from(name.en.clone()))),
        ("zone", edit.zone.clone().map(Value::from)),
        ("lon", edit.geographic.map(|place| Value::from(place.map(|(lon, _)| lon)))),
        ("lat", edit.geographic.map(|place| Value::from(place.map(|(_, lat)| lat)))),
        ("map_x", edit.position.map(|place| Value::from(place.map(|place| place.x)))),
        ("map_y", edit.position.map(|place| Value::from(place.map(|place| place.y)))),
    ] {
        let Some(value) = value else { continue };
        transaction
            .execute(&format!("UPDATE sites SET {column} = ?2 WHERE id = ?1"), params![id, value])
            .during("describe a site")?;
    }
    let after = list(transaction, &only)?.pop();
    audit::record(transaction, actor, &Deed::new("site-changed", id).at(id).with(json!(after)), now)?;
    Ok(Ok(()))
}

/// Makes a site unless it is there. Returns whether it was made.
pub(super) fn add(transaction: &Transaction<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let made = transaction
        .execute("INSERT OR IGNORE INTO sites (id, created_ms) VALUES (?1, ?2)", params![id, now.0])
        .during("add a site")?;
    Ok(made > 0)
}

/// What is wrong with a site's id.
///
/// # Errors
/// Why it cannot be one.
pub fn check_id(id: &str) -> Result<(), String> {
    auth::check_site(id).map_err(|problem| problem.to_string())
}
