//! The catalogues of the readings: which batches need them, and whose rows a batch holds.

use std::collections::HashMap;

use kouan_protocol::{Catalogue, CatalogueHash, DeviceKey, Lane};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::lanes::lane_state;

/// Catalogues whose owners are remembered. Two are enough: the current one, and the one before while its rows are
/// dropped.
const REMEMBERED: usize = 2;

/// Which device each group of a catalogue belongs to, so that a lane that drops batch after batch does not read the
/// catalogue each time.
#[derive(Debug, Default)]
pub(super) struct GroupOwners {
    known: HashMap<CatalogueHash, Vec<DeviceKey>>,
}

impl GroupOwners {
    /// The owners by group index; none if the catalogue is gone.
    pub(super) fn of(&mut self, connection: &Connection, hash: CatalogueHash) -> rusqlite::Result<&[DeviceKey]> {
        if !self.known.contains_key(&hash) {
            if self.known.len() >= REMEMBERED {
                self.known.clear();
            }
            let catalogue = catalogue(connection, hash)?.and_then(|bytes| Catalogue::decode(&bytes).ok());
            let owners = catalogue.iter().flat_map(Catalogue::groups).map(|(_, device, _)| device.key.clone());
            self.known.insert(hash, owners.collect());
        }
        Ok(self.known.get(&hash).map_or(&[], Vec::as_slice))
    }
}

/// Makes the encoded catalogue the current one and forgets those that no unconfirmed batch can refer to.
pub(super) fn set_catalogue(tx: &Transaction<'_>, hash: CatalogueHash, body: &[u8]) -> rusqlite::Result<()> {
    let state = lane_state(tx, Lane::Readings)?;
    tx.execute(
        "UPDATE catalogue SET until_seq = ?2 WHERE hash <> ?1 AND until_seq IS NULL",
        params![hash.0 as i64, state.next_seq as i64 - 1],
    )?;
    tx.execute("DELETE FROM catalogue WHERE until_seq <= ?1", [state.acked_seq as i64])?;
    tx.execute(
        "INSERT INTO catalogue (hash, until_seq, body) VALUES (?1, NULL, ?2)
         ON CONFLICT (hash) DO UPDATE SET until_seq = NULL",
        params![hash.0 as i64, body],
    )
    .map(|_| ())
}

/// The encoded catalogue of that hash.
pub(super) fn catalogue(connection: &Connection, hash: CatalogueHash) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT body FROM catalogue WHERE hash = ?1", [hash.0 as i64], |row| row.get(0)).optional()
}

/// Every catalogue in the file.
pub(super) fn catalogues(connection: &Connection) -> rusqlite::Result<Vec<CatalogueHash>> {
    let mut statement = connection.prepare("SELECT hash FROM catalogue")?;
    statement.query_map([], |row| Ok(CatalogueHash(row.get::<_, i64>(0)? as u64)))?.collect()
}
