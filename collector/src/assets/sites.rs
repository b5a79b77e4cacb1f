//! What people call a site, and where it is.

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Trouble;
use super::trouble::Words;
use crate::audit::{self, Actor, Deed};
use crate::auth::{self, Scope};
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
            let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
            let en = or(en, &id);
            let name = Words { zh: or(zh, &en), en };
            let place: (Option<f64>, Option<f64>) = (row.get(6)?, row.get(7)?);
            let position = place.0.zip(place.1).map(|(x, y)| MapPlace { x, y });
            Ok(SiteRow { id, name, zone: row.get(3)?, lon: row.get(4)?, lat: row.get(5)?, position })
        };
        statement.query_map([scope.to_sql()], read)?.collect()
    })
    .during("read sites")
}

/// What a site is to be called, and where it is.
#[derive(Debug, Clone)]
pub struct SiteDraft {
    /// Its names; empty ones are the id.
    pub name: Words,
    /// Its time zone.
    pub zone: String,
    /// Degrees east and north.
    pub geographic: Option<(f64, f64)>,
    /// Its place on a map that is no geographic one.
    pub position: Option<MapPlace>,
}

impl SiteDraft {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        if self.name.zh.chars().count() > 100 || self.name.en.chars().count() > 100 {
            troubles.push(Trouble::new("name", "名称超过 100 个字符", "a name has at most 100 characters"));
        }
        if self.zone.len() > 64 || jiff::tz::TimeZone::get(&self.zone).is_err() {
            let en = "it must be a name of the time zone database such as Asia/Shanghai";
            troubles.push(Trouble::new("zone", "时区名称无效，例如 Asia/Shanghai", en));
        }
        let on_earth = |(lon, lat): (f64, f64)| lon.abs() <= 180.0 && lat.abs() <= 90.0;
        if !self.geographic.is_none_or(on_earth) {
            let en = "lon is -180 to 180 and lat -90 to 90";
            troubles.push(Trouble::new("lon", "经度为 -180 至 180，纬度为 -90 至 90", en));
        }
        let on_map = |place: MapPlace| (0.0..=1.0).contains(&place.x) && (0.0..=1.0).contains(&place.y);
        if !self.position.is_none_or(on_map) {
            troubles.push(Trouble::new("position", "x 和 y 应为 0 至 1", "x and y must be 0 to 1"));
        }
        troubles
    }
}

/// Makes a site, or says what it is called and where it is.
///
/// # Errors
/// When it cannot be written.
pub fn put(
    transaction: &Transaction<'_>,
    id: &str,
    draft: &SiteDraft,
    (actor, now): (&Actor, Timestamp),
) -> Result<(), StoreError> {
    add(transaction, id, now)?;
    let (lon, lat) = draft.geographic.unzip();
    let place = draft.position.map(|place| (place.x, place.y)).unzip();
    transaction
        .execute(
            "UPDATE sites SET name_zh = ?2, name_en = ?3, zone = ?4, lon = ?5, lat = ?6, map_x = ?7, map_y = ?8
             WHERE id = ?1",
            params![id, draft.name.zh, draft.name.en, draft.zone, lon, lat, place.0, place.1],
        )
        .during("describe a site")?;
    let detail = json!({ "name": draft.name, "zone": draft.zone, "lon": lon, "lat": lat, "position": draft.position });
    audit::record(transaction, actor, &Deed::new("site-changed", id).at(id).with(detail), now)
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
