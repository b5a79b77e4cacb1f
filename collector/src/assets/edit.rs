//! What people do to assets.

use serde_json::{Map, Value};

use super::check;
use super::rows;
use super::working::{MOST_ASSETS, Working};
use super::{Asset, AssetId, AssetRow, Trouble, Words};
use crate::auth::Scope;
use crate::state::DeviceId;
use crate::store::StoreError;

/// Why an asset was not changed.
#[derive(Debug)]
pub enum AssetProblem {
    /// There is none, or not at the caller's sites.
    None,
    /// Somebody else changed it meanwhile; the revision that it has.
    Changed(i64),
    /// It would not be right.
    Wrong(Vec<Trouble>),
    /// Somebody else changed it meanwhile.
    Outdated,
    /// It cannot be done as things are.
    Conflict(Words),
}

impl AssetProblem {
    fn one(column: &'static str, zh: &str, en: String) -> Self {
        Self::Wrong(vec![Trouble::new(column, zh, en)])
    }

    /// It cannot be done as things are.
    pub(super) fn conflict(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Conflict(Words { zh: zh.into(), en: en.into() })
    }
}

type Outcome<T> = Result<Result<T, AssetProblem>, StoreError>;

fn apply(asset: &Asset, changes: Map<String, Value>) -> Result<Asset, AssetProblem> {
    asset.with(changes).map_err(|error| AssetProblem::one("fields", "字段或其值不正确", error.to_string()))
}

impl Working<'_> {
    fn row(&self, scope: &Scope, id: &AssetId) -> Outcome<AssetRow> {
        let row = rows::find(self.transaction, id)?.filter(|row| scope.covers(&row.asset.site));
        Ok(row.ok_or(AssetProblem::None))
    }

    fn check(&self, id: &AssetId, asset: &Asset) -> Outcome<()> {
        let mut troubles = check::by_itself(asset);
        if troubles.is_empty() && !rows::site_exists(self.transaction, &asset.site)? {
            troubles.push(Trouble::new("site", "没有这个站点", format!("there is no site \"{}\"", asset.site)));
        }
        let site_of = |device: &DeviceId| self.fleet(|fleet| fleet.get(device).map(|device| device.site.clone()));
        troubles.extend(check::beside_others(&self.topology, &site_of, id, asset));
        Ok(if troubles.is_empty() { Ok(()) } else { Err(AssetProblem::Wrong(troubles)) })
    }

    fn check_new(&self, scope: &Scope, id: &AssetId, asset: &Asset) -> Outcome<()> {
        if !scope.covers(&asset.site) {
            return Ok(Err(AssetProblem::one("site", "没有这个站点", "there is no such site".to_owned())));
        }
        if self.topology.asset_count() >= MOST_ASSETS {
            return Ok(Err(AssetProblem::conflict(
                format!("已有 {MOST_ASSETS} 个资产"),
                format!("there are {MOST_ASSETS} assets already"),
            )));
        }
        self.check(id, asset)
    }

    /// Adds an asset with these fields.
    pub(crate) fn add(&mut self, scope: &Scope, fields: Map<String, Value>) -> Outcome<AssetRow> {
        let asset = match apply(&Asset::default(), fields) {
            Ok(asset) => asset,
            Err(problem) => return Ok(Err(problem)),
        };
        let id = AssetId::random();
        if let Err(problem) = self.check_new(scope, &id, &asset)? {
            return Ok(Err(problem));
        }
        self.put_asset(&id, asset, None)?;
        self.row(scope, &id)
    }

    /// Changes fields of an asset.
    pub(crate) fn change(
        &mut self,
        scope: &Scope,
        id: &AssetId,
        revision: Option<i64>,
        fields: Map<String, Value>,
    ) -> Outcome<AssetRow> {
        let row = match self.row(scope, id)? {
            Ok(row) => row,
            Err(problem) => return Ok(Err(problem)),
        };
        if revision.is_some_and(|revision| revision != row.revision) {
            return Ok(Err(AssetProblem::Changed(row.revision)));
        }
        let asset = match apply(&row.asset, fields) {
            Ok(asset) => asset,
            Err(problem) => return Ok(Err(problem)),
        };
        if asset.site != row.asset.site {
            let en = "an asset stays at its site; remove it and add it at the other one".to_owned();
            return Ok(Err(AssetProblem::one("site", "资产不能更换站点", en)));
        }
        if asset == row.asset {
            return Ok(Ok(row));
        }
        if let Err(problem) = self.check(id, &asset)? {
            return Ok(Err(problem));
        }
        self.put_asset(id, asset, None)?;
        self.row(scope, id)
    }

    /// Changes the same fields of several assets; those that cannot be changed stay as they are.
    pub(crate) fn change_each(
        &mut self,
        scope: &Scope,
        ids: &[AssetId],
        fields: &Map<String, Value>,
    ) -> Result<Vec<Result<(), AssetProblem>>, StoreError> {
        ids.iter().map(|id| Ok(self.change(scope, id, None, fields.clone())?.map(drop))).collect()
    }

    /// Removes an asset.
    pub(crate) fn remove(&mut self, scope: &Scope, id: &AssetId) -> Outcome<()> {
        match self.row(scope, id)? {
            Ok(_) => self.drop_asset(id).map(Ok),
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Makes the asset of a device out of what its agent says, or gives the device to an asset that is there.
    pub(crate) fn adopt(&mut self, scope: &Scope, device: &DeviceId, into: Option<&AssetId>) -> Outcome<AssetRow> {
        let found = self.fleet(|fleet| {
            let device = fleet.get(device).filter(|device| scope.covers(&device.site))?;
            let agent_area = device.spec.area.clone();
            let asset = Asset {
                site: device.site.clone(),
                name: device.label().to_owned(),
                class: device.spec.class.clone(),
                key: Some(device.key.to_string()),
                profile: device.spec.profile.clone(),
                device: Some(device.id.to_string()),
                ..Asset::default()
            };
            Some((asset, agent_area))
        });
        let Some((mut asset, agent_area)) = found else { return Ok(Err(AssetProblem::None)) };
        if let Some(other) = self.topology.asset_of(device) {
            return Ok(Err(AssetProblem::conflict(
                format!("该设备已属于资产 {other}"),
                format!("the device belongs to asset {other} already"),
            )));
        }
        if let Some(id) = into {
            let fields = Map::from_iter([("device".to_owned(), Value::String(device.to_string()))]);
            return self.change(scope, id, None, fields);
        }
        if asset.class.parse::<kouan_protocol::DeviceKey>().is_err() {
            asset.class = "unknown".to_owned();
        }
        asset.name = asset.name.chars().take(100).collect();
        // Another agent of the site may call another device the same.
        asset.key = asset.key.filter(|key| self.topology.with_key(&asset.site, key).is_none());
        let id = AssetId::random();
        // Areas are made last, so that a refusal leaves none behind.
        if let Err(problem) = self.check_new(scope, &id, &asset)? {
            return Ok(Err(problem));
        }
        if !agent_area.trim().is_empty() {
            match self.ensure_area(&asset.site, &agent_area)? {
                Ok(area) => asset.area = Some(area),
                Err(problem) => return Ok(Err(problem)),
            }
        }
        self.put_asset(&id, asset, None)?;
        self.row(scope, &id)
    }

    /// Takes the device from its asset.
    pub(crate) fn release(&mut self, scope: &Scope, device: &DeviceId) -> Outcome<AssetRow> {
        let Some(id) = self.topology.asset_of(device).cloned() else { return Ok(Err(AssetProblem::None)) };
        let fields = Map::from_iter([("device".to_owned(), Value::Null)]);
        self.change(scope, &id, None, fields)
    }
}
