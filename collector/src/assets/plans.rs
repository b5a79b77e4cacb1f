//! Floor plans, and where assets stand on them.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::working::Working;
use super::{AreaId, AssetId, AssetProblem, Trouble};
use crate::audit::Deed;
use crate::auth::Scope;
use crate::revision::{is_current, revision_of};
use crate::store::{During as _, StoreError};

/// Largest picture, in bytes.
pub const PLAN_BYTES: usize = 8 << 20;
/// Most bytes of all pictures together: each backup copies them.
const ALL_PLANS_BYTES: i64 = 512 << 20;
/// Most assets on a plan.
pub const MOST_POSITIONS: usize = 2000;

/// Where an asset stands on a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Which asset.
    #[schema(value_type = String)]
    pub asset: AssetId,
    /// From the left, as a share of the width.
    pub x: f64,
    /// From the top, as a share of the height.
    pub y: f64,
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `image/png`, `image/jpeg` or `image/webp`.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// The bytes.
    pub picture: Vec<u8>,
}

/// The plan of an area.
///
/// # Errors
/// When it cannot be read.
pub fn plan(conn: &Connection, area: &AreaId) -> Result<Option<Plan>, StoreError> {
    conn.prepare_cached("SELECT media_type, digest, picture FROM area_plans WHERE area = ?1")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Plan { media_type: row.get(0)?, digest: row.get(1)?, picture: row.get(2)? })
            };
            statement.query_row([area.as_str()], read).optional()
        })
        .during("read a plan")
}

/// Where assets stand on the plan of an area.
///
/// # Errors
/// When it cannot be read.
pub fn positions(conn: &Connection, area: &AreaId) -> Result<Vec<Position>, StoreError> {
    conn.prepare_cached("SELECT asset, x, y FROM plan_positions WHERE area = ?1 ORDER BY asset")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Position { asset: row.get::<_, String>(0)?.into(), x: row.get(1)?, y: row.get(2)? })
            };
            statement.query_map([area.as_str()], read)?.collect()
        })
        .during("read positions on a plan")
}

/// Differs after every change of the positions on a plan.
#[must_use]
pub fn positions_revision(positions: &[Position]) -> String {
    revision_of(&positions)
}

type Outcome<T> = Result<Result<T, AssetProblem>, StoreError>;

impl Working<'_> {
    fn site_of_area(&self, scope: &Scope, area: &AreaId) -> Result<String, AssetProblem> {
        let area = self.topology.area(area).filter(|area| scope.covers(&area.site));
        area.map(|area| area.site.clone()).ok_or(AssetProblem::None)
    }

    /// Gives an area a plan, in place of the one that it may have.
    pub(crate) fn put_plan(&mut self, scope: &Scope, area: &AreaId, plan: &Plan) -> Outcome<()> {
        let site = match self.site_of_area(scope, area) {
            Ok(site) => site,
            Err(problem) => return Ok(Err(problem)),
        };
        let others = others_bytes(self.transaction, area)?;
        if others + plan.picture.len() as i64 > ALL_PLANS_BYTES {
            let detail = format!("all plans together may have {} MiB", ALL_PLANS_BYTES >> 20);
            let zh = format!("全部平面图合计不超过 {} MiB", ALL_PLANS_BYTES >> 20);
            return Ok(Err(AssetProblem::conflict(zh, detail)));
        }
        self.transaction
            .execute(
                "INSERT OR REPLACE INTO area_plans (area, media_type, digest, changed_ms, picture)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![area.as_str(), plan.media_type, plan.digest, self.now.0, plan.picture],
            )
            .during("keep a plan")?;
        let detail = json!({ "type": plan.media_type, "bytes": plan.picture.len(), "sha256": plan.digest });
        self.record(&Deed::new("plan-changed", area.as_str()).at(site).with(detail))?;
        Ok(Ok(()))
    }

    /// Takes the plan from an area, with the positions on it.
    pub(crate) fn remove_plan(&mut self, scope: &Scope, area: &AreaId) -> Outcome<()> {
        let site = match self.site_of_area(scope, area) {
            Ok(site) => site,
            Err(problem) => return Ok(Err(problem)),
        };
        let removed = self
            .transaction
            .execute("DELETE FROM area_plans WHERE area = ?1", [area.as_str()])
            .during("remove a plan")?;
        if removed == 0 {
            return Ok(Err(AssetProblem::None));
        }
        self.transaction
            .execute("DELETE FROM plan_positions WHERE area = ?1", [area.as_str()])
            .during("remove positions on a plan")?;
        self.record(&Deed::new("plan-removed", area.as_str()).at(site))?;
        Ok(Ok(()))
    }

    /// Says where assets stand on a plan; those that are not named stand there no more.
    pub(crate) fn put_positions(
        &mut self,
        scope: &Scope,
        area: &AreaId,
        (positions, revision): (&[Position], Option<&String>),
    ) -> Outcome<()> {
        let site = match self.site_of_area(scope, area) {
            Ok(site) => site,
            Err(problem) => return Ok(Err(problem)),
        };
        if !is_current(revision, &positions_revision(&self::positions(self.transaction, area)?)) {
            return Ok(Err(AssetProblem::Outdated));
        }
        let inside = self.topology.subtree(area);
        let mut troubles = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for Position { asset, x, y } in positions {
            let known = self.topology.asset(asset).and_then(|asset| asset.area.as_ref());
            if known.is_none_or(|area| !inside.contains(area)) {
                let zh = format!("该区域没有资产 {asset}");
                troubles.push(Trouble::new("asset", zh, format!("asset {asset} is not in this area")));
            } else if !((0.0..=1.0).contains(x) && (0.0..=1.0).contains(y)) {
                troubles.push(Trouble::new("x", "x 和 y 应为 0 至 1", format!("x and y of {asset} must be 0 to 1")));
            } else if !seen.insert(asset) {
                troubles.push(Trouble::new("asset", format!("{asset} 重复"), format!("{asset} stands there twice")));
            }
        }
        if !troubles.is_empty() {
            troubles.truncate(20);
            return Ok(Err(AssetProblem::Wrong(troubles)));
        }
        self.transaction
            .execute("DELETE FROM plan_positions WHERE area = ?1", [area.as_str()])
            .during("clear positions on a plan")?;
        for Position { asset, x, y } in positions {
            self.transaction
                .prepare_cached("INSERT INTO plan_positions (area, asset, x, y) VALUES (?1, ?2, ?3, ?4)")
                .and_then(|mut statement| statement.execute(params![area.as_str(), asset.as_str(), x, y]))
                .during("place an asset on a plan")?;
        }
        let detail = json!({ "assets": positions.len() });
        self.record(&Deed::new("plan-placed", area.as_str()).at(site).with(detail))?;
        Ok(Ok(()))
    }
}

fn others_bytes(transaction: &Transaction<'_>, area: &AreaId) -> Result<i64, StoreError> {
    transaction
        .query_row(
            "SELECT coalesce(sum(length(picture)), 0) FROM area_plans WHERE area <> ?1",
            [area.as_str()],
            |row| row.get(0),
        )
        .during("measure the plans")
}
