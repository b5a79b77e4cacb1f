//! Every change of health that was told.

use kouan_protocol::DeviceHealth;
use rusqlite::{Transaction, params};

use super::{Moment, Origin};
use crate::store::{During as _, StoreError};

/// Writes down a change. The boot and its clock name it: the record in the lane and every snapshot that repeats it are
/// one. A snapshot also says that it was so still.
pub(super) fn record(
    transaction: &Transaction<'_>,
    origin: &Origin,
    (device, site): (&str, &str),
    health: &DeviceHealth,
    moment: &Moment,
) -> Result<(), StoreError> {
    let said_ms = if origin.snapshot { origin.received.0.max(moment.time.0) } else { moment.time.0 };
    transaction
        .prepare_cached(
            "INSERT INTO health_log (device, boot, boot_ms, site, level, reason, time_ms, said_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (device, boot, boot_ms) DO UPDATE SET said_ms = max(said_ms, excluded.said_ms)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                device,
                moment.boot.to_string(),
                i64::try_from(moment.boot_time.0).unwrap_or(i64::MAX),
                site,
                health.level.as_str(),
                health.reason,
                moment.time.0,
                said_ms
            ])
        })
        .during("write down a device's health")?;
    Ok(())
}
