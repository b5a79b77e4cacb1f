//! Assets in `state.db`.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::Value;

use super::{Area, Asset, AssetId, AssetRow, Topology};
use crate::state::DeviceId;
use crate::store::{During as _, StoreError};

pub(super) const COLUMNS: &str =
    "id, site, area, class, name, parent, device, import_key, revision, created_ms, changed_ms, details";
/// Fields that have a column of their own.
const OWN: [&str; 6] = ["site", "area", "class", "name", "parent", "device"];

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AssetRow> {
    let details: String = row.get(11)?;
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(11, rusqlite::types::Type::Text, Box::new(error));
    let mut asset: Asset = serde_json::from_str(&details).map_err(wrong)?;
    asset.site = row.get(1)?;
    asset.area = row.get::<_, Option<String>>(2)?.map(Into::into);
    asset.class = row.get(3)?;
    asset.name = row.get(4)?;
    asset.parent = row.get::<_, Option<String>>(5)?.map(Into::into);
    asset.device = row.get(6)?;
    Ok(AssetRow {
        id: row.get::<_, String>(0)?.into(),
        asset,
        import_key: row.get(7)?,
        revision: row.get(8)?,
        created_ms: row.get(9)?,
        changed_ms: row.get(10)?,
    })
}

/// The asset of that id.
///
/// # Errors
/// When it cannot be read.
pub fn find(conn: &Connection, id: &AssetId) -> Result<Option<AssetRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM assets WHERE id = ?1");
    conn.prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([id.as_str()], read).optional())
        .during("read an asset")
}

/// Writes an asset, new or changed.
pub(super) fn put(
    transaction: &Transaction<'_>,
    (id, asset): (&AssetId, &Asset),
    import_key: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut details = asset.to_fields();
    details.retain(|field, _| !OWN.contains(&field.as_str()));
    transaction
        .prepare_cached(
            "INSERT INTO assets (id, site, area, class, name, parent, device, import_key, first_expiry, search,
                 created_ms, changed_ms, details)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12)
             ON CONFLICT (id) DO UPDATE SET site = ?2, area = ?3, class = ?4, name = ?5, parent = ?6, device = ?7,
                 import_key = coalesce(?8, import_key), first_expiry = ?9, search = ?10, changed_ms = ?11,
                 details = ?12, revision = revision + 1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id.as_str(),
                asset.site,
                asset.area.as_ref().map(|area| area.as_str()),
                asset.class,
                asset.name,
                asset.parent.as_ref().map(AssetId::as_str),
                asset.device,
                import_key,
                asset.first_expiry(),
                asset.search_text(id),
                now.0,
                Value::Object(details).to_string()
            ])
        })
        .during("write an asset")?;
    Ok(())
}

/// All assets, one after another.
///
/// # Errors
/// When they cannot be read, or what `take` says.
pub(super) fn each(
    conn: &Connection,
    mut take: impl FnMut(AssetRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare(&format!("SELECT {COLUMNS} FROM assets")).during("read assets")?;
    let mut rows = statement.query([]).during("read assets")?;
    while let Some(row) = rows.next().during("read assets")? {
        take(read(row).during("read an asset")?)?;
    }
    Ok(())
}

/// Assets and areas as they hang together.
///
/// # Errors
/// When they cannot be read.
pub fn load(conn: &Connection) -> Result<Topology, StoreError> {
    let mut topology = Topology::default();
    let mut statement = conn.prepare("SELECT id, site, parent, name, position FROM areas").during("read areas")?;
    let areas = statement.query_map([], |row| {
        Ok(Area {
            id: row.get::<_, String>(0)?.into(),
            site: row.get(1)?,
            parent: row.get::<_, Option<String>>(2)?.map(Into::into),
            name: row.get(3)?,
            order: row.get(4)?,
        })
    });
    for area in areas.during("read areas")? {
        topology.put_area(area.during("read areas")?);
    }
    each(conn, |row| {
        topology.put_asset(row.id, row.asset);
        Ok(())
    })?;
    Ok(topology)
}

/// The import keys of all assets, by site and key.
pub(super) fn import_keys(
    conn: &Connection,
) -> Result<std::collections::HashMap<(String, String), AssetId>, StoreError> {
    conn.prepare("SELECT site, import_key, id FROM assets WHERE import_key IS NOT NULL")
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?), AssetId::from(row.get::<_, String>(2)?)));
            statement.query_map([], read)?.collect()
        })
        .during("read what assets were imported as")
}

/// Whether there is such a site.
pub(super) fn site_exists(conn: &Connection, site: &str) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM sites WHERE id = ?1)")
        .and_then(|mut statement| statement.query_row([site], |row| row.get(0)))
        .during("look for a site")
}

/// The devices of these assets.
pub(super) fn devices_in(topology: &Topology, areas: &std::collections::BTreeSet<super::AreaId>) -> Vec<DeviceId> {
    let inside = |asset: &Asset| asset.area.as_ref().is_some_and(|area| areas.contains(area));
    let devices = topology.assets().filter(|(_, asset)| inside(asset)).filter_map(|(_, asset)| asset.device.as_deref());
    devices.map(DeviceId::new).collect()
}
