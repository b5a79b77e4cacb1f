//! Areas: a tree within each site.

use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::rows;
use super::working::Working;
use super::{AREA_JOINT, Area, AreaId, AssetProblem, Topology, Trouble};
use crate::auth::Scope;
use crate::revision::{is_current, revision_of};
use crate::store::{During as _, StoreError};

/// Longest name, in characters.
const NAME: usize = 100;
/// Most areas of a site.
pub(super) const MOST: usize = 10_000;
/// How deep areas may be nested.
const DEPTH: usize = 16;

/// An area.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AreaRow {
    /// Names it for ever.
    #[schema(value_type = String)]
    pub id: AreaId,
    /// Where.
    pub site: String,
    /// The area that it is a part of.
    #[schema(value_type = Option<String>)]
    pub parent: Option<AreaId>,
    /// Its name for people.
    pub name: String,
    /// Its place among its neighbours.
    pub order: i64,
    /// Whether it has a plan.
    pub plan: bool,
    /// Its name after the names of those that it is part of, outermost first.
    pub path: Vec<String>,
    /// How many assets are in it and its parts.
    pub assets: usize,
    /// Differs after every change of the area itself.
    pub revision: String,
}

/// What an area is to be.
#[derive(Debug, Clone)]
pub struct AreaDraft {
    /// The area that it is a part of.
    pub parent: Option<AreaId>,
    /// Its name.
    pub name: String,
    /// Its place among its neighbours.
    pub order: i64,
}

/// What changes about an area; what is `None` stays.
#[derive(Debug, Clone)]
pub struct AreaEdit {
    /// The area that it is a part of; the inner `None` for none.
    pub parent: Option<Option<AreaId>>,
    /// Its name.
    pub name: String,
    /// Its place among its neighbours.
    pub order: Option<i64>,
    /// Only if it still has this revision.
    pub revision: Option<String>,
}

impl Area {
    /// Differs after every change.
    #[must_use]
    pub fn revision(&self) -> String {
        revision_of(&(&self.parent, &self.name, self.order))
    }
}

/// Areas with plans.
///
/// # Errors
/// When they cannot be read.
pub fn with_plans(conn: &Connection) -> Result<std::collections::BTreeSet<String>, StoreError> {
    conn.prepare_cached("SELECT area FROM area_plans")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("read which areas have plans")
}

/// How many assets are in each area and its parts.
#[must_use]
pub fn asset_counts(topology: &Topology) -> std::collections::HashMap<AreaId, usize> {
    let mut counts = std::collections::HashMap::new();
    for (_, asset) in topology.assets() {
        let mut next = asset.area.as_ref();
        for _ in 0..DEPTH {
            let Some(area) = next.and_then(|id| topology.area(id)) else { break };
            *counts.entry(area.id.clone()).or_default() += 1;
            next = area.parent.as_ref();
        }
    }
    counts
}

fn name_trouble(name: &str) -> Option<Trouble> {
    let wrong = name.trim().is_empty()
        || name.trim() != name
        || name.chars().count() > NAME
        || name.contains('/')
        || name.chars().any(char::is_control);
    wrong.then(|| {
        let zh = format!("区域名称为 1 至 {NAME} 个字符，首尾无空格，不含“/”");
        Trouble::new("name", zh, format!("an area's name has 1 to {NAME} characters, no blanks around it and no /"))
    })
}

fn trouble(topology: &Topology, area: &Area) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = name_trouble(&area.name).into_iter().collect();
    if let Some(parent) = &area.parent {
        if topology.area(parent).is_none_or(|parent| parent.site != area.site) {
            troubles.push(Trouble::new("parent", "该站点没有上级区域", format!("the site has no area {parent}")));
        } else if topology.subtree(&area.id).contains(parent) {
            let en = format!("it would be a part of itself: {}", topology.area_text(parent));
            troubles.push(Trouble::new("parent", format!("区域成环：{}", topology.area_text(parent)), en));
        } else if topology.area_path(parent).len() >= DEPTH {
            troubles.push(Trouble::new("parent", "区域层级过深", format!("areas are nested {DEPTH} deep at most")));
        }
    }
    let twin = topology.part(&area.site, area.parent.as_ref(), &area.name);
    if twin.is_some_and(|other| other.id != area.id) {
        let en = format!("there is an area \"{}\" at the same place", area.name);
        troubles.push(Trouble::new("name", format!("同一位置已有区域“{}”", area.name), en));
    }
    troubles
}

type Outcome<T> = Result<Result<T, AssetProblem>, StoreError>;

impl Working<'_> {
    /// Adds an area.
    pub(crate) fn add_area(&mut self, scope: &Scope, site: &str, draft: AreaDraft) -> Outcome<AreaId> {
        if !scope.covers(site) || !rows::site_exists(self.transaction, site)? {
            let trouble = Trouble::new("site", "没有这个站点", "there is no such site");
            return Ok(Err(AssetProblem::Wrong(vec![trouble])));
        }
        if self.topology.areas().filter(|area| area.site == site).count() >= MOST {
            return Ok(Err(AssetProblem::conflict(
                format!("该站点已有 {MOST} 个区域"),
                format!("the site has {MOST} areas already"),
            )));
        }
        let AreaDraft { parent, name, order } = draft;
        let area = Area { id: AreaId::random(), site: site.to_owned(), parent, name, order };
        let troubles = trouble(&self.topology, &area);
        if !troubles.is_empty() {
            return Ok(Err(AssetProblem::Wrong(troubles)));
        }
        let id = area.id.clone();
        self.put_area(area)?;
        Ok(Ok(id))
    }

    /// Changes an area. Devices in it and its parts get their new area in the same transaction.
    pub(crate) fn change_area(&mut self, scope: &Scope, id: &AreaId, edit: AreaEdit) -> Outcome<()> {
        let Some(before) = self.topology.area(id).filter(|area| scope.covers(&area.site)).cloned() else {
            return Ok(Err(AssetProblem::None));
        };
        if !is_current(edit.revision.as_ref(), &before.revision()) {
            return Ok(Err(AssetProblem::Outdated));
        }
        let parent = edit.parent.unwrap_or_else(|| before.parent.clone());
        let area = Area { parent, name: edit.name, order: edit.order.unwrap_or(before.order), ..before.clone() };
        if area == before {
            return Ok(Ok(()));
        }
        let troubles = trouble(&self.topology, &area);
        if !troubles.is_empty() {
            return Ok(Err(AssetProblem::Wrong(troubles)));
        }
        self.put_area(area).map(Ok)
    }

    /// Removes an area in which there is nothing.
    pub(crate) fn remove_area(&mut self, scope: &Scope, id: &AreaId) -> Outcome<()> {
        if self.topology.area(id).is_none_or(|area| !scope.covers(&area.site)) {
            return Ok(Err(AssetProblem::None));
        }
        let parts = self.topology.subtree(id).len() - 1;
        let assets = self.topology.assets().filter(|(_, asset)| asset.area.as_ref() == Some(id)).count();
        if parts > 0 || assets > 0 {
            let detail = format!("the area has {assets} assets and {parts} parts; move them first");
            let zh = format!("该区域还有 {assets} 个资产和 {parts} 个下级区域，请先移走");
            return Ok(Err(AssetProblem::conflict(zh, detail)));
        }
        self.drop_area(id).map(Ok)
    }

    /// The area of that path of names, made as far as it is not there. Nothing is made if that would be too many.
    pub(super) fn ensure_area(&mut self, site: &str, path: &str) -> Outcome<AreaId> {
        let names = path_names(path);
        let (mut known, mut inside): (usize, Option<AreaId>) = (0, None);
        for name in &names {
            let Some(area) = self.topology.part(site, inside.as_ref(), name) else { break };
            (known, inside) = (known + 1, Some(area.id.clone()));
        }
        let missing = names.len() - known;
        if missing > 0 && self.topology.areas().filter(|area| area.site == site).count() + missing > MOST {
            return Ok(Err(AssetProblem::conflict(
                format!("该站点的区域将超过 {MOST} 个"),
                format!("the site would have more than {MOST} areas"),
            )));
        }
        let mut parent: Option<AreaId> = None;
        for name in names {
            let known = self.topology.part(site, parent.as_ref(), &name).map(|area| area.id.clone());
            let id = match known {
                Some(id) => id,
                None => {
                    let id = AreaId::random();
                    let area = Area { id: id.clone(), site: site.to_owned(), parent, name, order: 0 };
                    self.put_area(area)?;
                    id
                }
            };
            parent = Some(id);
        }
        Ok(Ok(parent.unwrap_or_else(AreaId::random)))
    }
}

/// The names in a path such as `A楼 / 一层 / 大厅`.
pub(super) fn path_names(path: &str) -> Vec<String> {
    let parts = path.split(['/', '>', '＞', '／']).map(str::trim).filter(|name| !name.is_empty());
    let mut names: Vec<String> = parts.map(|name| name.chars().take(NAME).collect()).collect();
    names.truncate(DEPTH);
    if names.is_empty() { vec![path.trim().chars().take(NAME).collect()] } else { names }
}

/// A path as it is written.
pub(super) fn written(path: &str) -> String {
    path_names(path).join(AREA_JOINT)
}
