//! What an import would do.

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::areas::path_names;
use super::super::column::{Column, long_entries};
use super::super::trouble::Words;
use super::super::working::MOST_ASSETS;
use super::super::{
    Area, AreaId, Asset, AssetId, FieldChange, Neighbour, Topology, Trouble, areas, check, rows as stored, sites,
};
use super::rows::{self, Entry};
use super::sheet::{self, Format};
use crate::auth::Scope;
use crate::state::DeviceId;
use crate::store::StoreError;

/// Most changes and errors that a preview shows.
const SHOWN: usize = 500;

/// What is wrong with a row.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RowError {
    /// The row's number in the file; 0 for the whole file.
    pub row: usize,
    /// The column.
    pub column: &'static str,
    /// What is wrong, and what would be right.
    pub text: Words,
}

/// What an import would do to an asset.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RowChange {
    /// The row's number in the file.
    pub row: usize,
    /// `create` or `update`.
    pub what: &'static str,
    /// The asset's id; of a new one the id that it will have.
    #[schema(value_type = String)]
    pub key: AssetId,
    /// The asset's name.
    pub name: String,
    /// What changes; of a new asset everything that is said.
    pub changes: Vec<FieldChange>,
}

/// What an import would do.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Preview {
    /// Rows of the file.
    pub rows: usize,
    /// Assets that it would add.
    pub creates: usize,
    /// Assets that it would change.
    pub updates: usize,
    /// Assets that are as the file says.
    pub unchanged: usize,
    /// Sites that it would add.
    pub new_sites: Vec<String>,
    /// Areas that it would add, with their site in front; the first 500.
    pub new_areas: Vec<String>,
    /// Columns of which nothing is taken.
    pub ignored_columns: Vec<String>,
    /// What is wrong; the first 500. With any, nothing is imported.
    pub errors: Vec<RowError>,
    /// How many errors there are.
    pub error_count: usize,
    /// The first 500 changes.
    pub preview: Vec<RowChange>,
    /// Post it to apply exactly this; `null` when there are errors.
    pub token: Option<String>,
}

/// What is done when the preview is applied.
#[derive(Debug)]
pub(super) struct Plan {
    /// The generation of the topology that it was made for.
    pub(super) generation: u64,
    pub(super) sites: Vec<String>,
    pub(super) areas: Vec<Area>,
    pub(super) assets: Vec<(AssetId, Asset, Option<String>)>,
    pub(super) rows: usize,
    pub(super) creates: usize,
    pub(super) updates: usize,
}

/// What is looked at while a plan is made.
struct Planning<'p> {
    conn: &'p Connection,
    scope: &'p Scope,
    device_sites: &'p HashMap<DeviceId, String>,
    before: &'p Topology,
    /// With everything that the plan changes so far.
    after: Topology,
    import_keys: HashMap<(String, String), AssetId>,
    by_serial: HashMap<(String, String), Option<AssetId>>,
    sites: BTreeSet<String>,
    known_sites: HashMap<String, bool>,
    area_ids: HashMap<(String, String), AreaId>,
    /// How many areas each site will have.
    area_counts: HashMap<String, usize>,
    areas: Vec<Area>,
    /// Assets that the file speaks of, with the row and how they will be known.
    assets: Vec<(usize, AssetId, Asset, Option<String>)>,
    touched: HashMap<AssetId, usize>,
    preview: Preview,
}

impl Planning<'_> {
    fn wrong(&mut self, row: usize, trouble: Trouble) {
        self.preview.error_count += 1;
        if self.preview.errors.len() < SHOWN {
            self.preview.errors.push(RowError { row, column: trouble.column, text: trouble.text });
        }
    }

    fn site(&mut self, site: &str) -> Result<Option<Trouble>, StoreError> {
        if !self.scope.covers(site) {
            let en = format!("there is no site \"{site}\"");
            return Ok(Some(Trouble::new("site", format!("没有站点“{site}”"), en)));
        }
        let known = match self.known_sites.get(site) {
            Some(known) => *known,
            None => {
                let known = stored::site_exists(self.conn, site)?;
                self.known_sites.insert(site.to_owned(), known);
                known
            }
        };
        if known {
            return Ok(None);
        }
        if let Err(problem) = sites::check_id(site) {
            return Ok(Some(Trouble::new("site", format!("“{site}”不是有效的站点标识"), problem)));
        }
        self.sites.insert(site.to_owned());
        Ok(None)
    }

    fn area(&mut self, site: &str, path: &str) -> Result<Option<AreaId>, Trouble> {
        if path.is_empty() {
            return Ok(None);
        }
        let place = (site.to_owned(), path.to_owned());
        if let Some(id) = self.area_ids.get(&place) {
            return Ok(Some(id.clone()));
        }
        let count = self.area_counts.entry(site.to_owned()).or_default();
        let mut parent: Option<AreaId> = None;
        for name in path_names(path) {
            let known = self.after.part(site, parent.as_ref(), &name).map(|area| area.id.clone());
            if known.is_some() {
                parent = known;
                continue;
            }
            if *count >= areas::MOST {
                let en = format!("the site would have more than {} areas", areas::MOST);
                return Err(Trouble::new("area", format!("该站点的区域将超过 {} 个", areas::MOST), en));
            }
            *count += 1;
            let area = Area { id: AreaId::random(), site: site.to_owned(), parent, name, order: 0 };
            parent = Some(area.id.clone());
            self.after.put_area(area.clone());
            self.areas.push(area);
        }
        self.area_ids.extend(parent.clone().map(|id| (place, id)));
        Ok(parent)
    }

    /// The asset that a row speaks of, and how it will be known.
    fn find(&self, entry: &Entry, place: &str) -> Result<(Option<AssetId>, Option<String>), Trouble> {
        if let Some(id) = &entry.id {
            let id = AssetId::from(id.as_str());
            let known = self.before.asset(&id).is_some_and(|asset| asset.site == entry.site);
            if known {
                return Ok((Some(id), None));
            }
            let en = format!("the site has no asset {id}; leave the cell empty for a new one");
            return Err(Trouble::new("id", format!("该站点没有资产 {id}；新资产请留空"), en));
        }
        let at_site = |key: &str| (entry.site.clone(), key.to_owned());
        let key = entry.cell(Column::Key);
        if let Some(id) = self.before.with_key(&entry.site, key).filter(|_| !key.is_empty()) {
            return Ok((Some(id.clone()), None));
        }
        let serial = entry.cell(Column::Serial);
        if let Some(Some(id)) = self.by_serial.get(&at_site(serial)).filter(|_| !serial.is_empty()) {
            return Ok((Some(id.clone()), None));
        }
        let by_place = self.import_keys.get(&at_site(place));
        let known = by_place.filter(|id| {
            let other_serial = self.before.asset(id).map(|asset| asset.serial.as_str()).unwrap_or_default();
            serial.is_empty() || other_serial.is_empty() || other_serial == serial
        });
        Ok((known.cloned(), by_place.is_none().then(|| place.to_owned())))
    }

    fn take(&mut self, entry: &Entry, place: &str, ordinal: usize, width: usize) -> Result<(), StoreError> {
        let number = entry.number;
        if let Some(trouble) = self.site(&entry.site)? {
            self.wrong(number, trouble);
            return Ok(());
        }
        let (known, import_key) = match self.find(entry, place) {
            Ok(found) => found,
            Err(trouble) => {
                self.wrong(number, trouble);
                return Ok(());
            }
        };
        let before = known.as_ref().and_then(|id| self.before.asset(id)).cloned();
        let mut asset = match entry.over(before.clone().unwrap_or_default()) {
            Ok(asset) => asset,
            Err(troubles) => {
                troubles.into_iter().for_each(|trouble| self.wrong(number, trouble));
                return Ok(());
            }
        };
        asset.site.clone_from(&entry.site);
        if entry.quantity > 1 {
            asset.name = format!("{} {ordinal:0width$}", asset.name);
        }
        if entry.says_area {
            asset.area = match self.area(&entry.site, &entry.area) {
                Ok(area) => area,
                Err(trouble) => {
                    self.wrong(number, trouble);
                    return Ok(());
                }
            };
        }
        let id = known.unwrap_or_else(AssetId::random);
        if let Some(other) = self.touched.insert(id.clone(), number) {
            let en = format!("row {other} speaks of the same asset");
            self.wrong(number, Trouble::new("id", format!("与第 {other} 行是同一个资产"), en));
            return Ok(());
        }
        self.after.put_asset(id.clone(), asset.clone());
        let import_key = import_key.filter(|_| before.is_none());
        self.assets.push((number, id, asset, import_key));
        Ok(())
    }

    /// Finds what rows name: ids, keys, and names that only one asset of the site has.
    fn resolve(&mut self, named: &[(usize, usize)], entries: &[Entry]) {
        let mut by_name: HashMap<(&str, &str), Option<&AssetId>> = HashMap::new();
        let snapshot = self.after.clone();
        for (id, asset) in snapshot.assets() {
            let name = (asset.site.as_str(), asset.name.as_str());
            by_name.entry(name).and_modify(|several| *several = None).or_insert(Some(id));
        }
        let find = |site: &str, text: &str| {
            let id = AssetId::from(text);
            let known = snapshot.asset(&id).is_some_and(|asset| asset.site == site).then_some(id);
            known
                .or_else(|| snapshot.with_key(site, text).cloned())
                .or_else(|| by_name.get(&(site, text)).copied().flatten().cloned())
                .ok_or_else(|| {
                    let zh = format!("该站点没有（或不止一个）名为“{text}”的资产");
                    (zh, format!("the site has no asset, or several, that \"{text}\" names"))
                })
        };
        let mut troubles = Vec::new();
        for (at, entry) in named {
            let (Some(entry), Some((number, _, asset, _))) = (entries.get(*entry), self.assets.get_mut(*at)) else {
                continue;
            };
            if let Some(parent) = &entry.parent {
                match (!parent.is_empty()).then(|| find(&entry.site, parent)).transpose() {
                    Ok(parent) => asset.parent = parent,
                    Err((zh, en)) => troubles.push((*number, Trouble::new("parent", zh, en))),
                }
            }
            if let Some(neighbours) = &entry.neighbours {
                let read = |text: &str| {
                    let mut parts = text.split('|').map(str::trim);
                    let asset = find(&entry.site, parts.next().unwrap_or_default())?;
                    let (port, their_port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                    Ok(Neighbour { asset, port: port.to_owned(), their_port: their_port.to_owned() })
                };
                match long_entries(neighbours).map(read).collect() {
                    Ok(neighbours) => asset.neighbours = neighbours,
                    Err((zh, en)) => {
                        let (zh, en): (String, String) = (zh, en);
                        troubles.push((*number, Trouble::new("neighbours", zh, en)));
                    }
                }
            }
        }
        troubles.into_iter().for_each(|(number, trouble)| self.wrong(number, trouble));
        for (_, id, asset, _) in &self.assets {
            self.after.put_asset(id.clone(), asset.clone());
        }
    }

    /// What an asset has that one of which the file does not speak has too.
    fn taken(&self, id: &AssetId, asset: &Asset) -> Vec<Trouble> {
        let is_outside = |other: &&AssetId| *other != id && !self.touched.contains_key(*other);
        let mut troubles = Vec::new();
        let key = asset.key.as_deref();
        if let Some(other) = key.and_then(|key| self.before.with_key(&asset.site, key)).filter(is_outside) {
            let en = format!("asset {other} of the site has the key already");
            troubles.push(Trouble::new("key", format!("该站点的资产 {other} 已使用此标识"), en));
        }
        let device = asset.device.as_deref().map(DeviceId::new);
        if let Some(other) = device.and_then(|device| self.before.asset_of(&device)).filter(is_outside) {
            let en = format!("the device belongs to asset {other} already");
            troubles.push(Trouble::new("device", format!("该设备已属于资产 {other}"), en));
        }
        troubles
    }

    /// Checks everything beside everything, and leaves out what stays as it is.
    fn finish(mut self) -> (Preview, Plan) {
        let mut changes = Vec::new();
        let device_sites = self.device_sites;
        let site_of = |device: &DeviceId| device_sites.get(device).cloned();
        for (number, id, asset, import_key) in std::mem::take(&mut self.assets) {
            let mut troubles = check::by_itself(&asset);
            troubles.extend(check::beside_others(&self.after, &site_of, &id, &asset));
            troubles.extend(self.taken(&id, &asset));
            troubles.into_iter().for_each(|trouble| self.wrong(number, trouble));
            let before = self.before.asset(&id);
            let what = if before.is_some() { "update" } else { "create" };
            let fields = asset.changes_since(before.unwrap_or(&Asset::default()));
            if fields.is_empty() {
                self.preview.unchanged += 1;
                continue;
            }
            let count = if before.is_some() { &mut self.preview.updates } else { &mut self.preview.creates };
            *count += 1;
            if self.preview.preview.len() < SHOWN {
                let (key, name) = (id.clone(), asset.name.clone());
                self.preview.preview.push(RowChange { row: number, what, key, name, changes: fields });
            }
            changes.push((id, asset, import_key));
        }
        if self.after.asset_count() > MOST_ASSETS {
            let en = format!("there would be more than {MOST_ASSETS} assets");
            self.wrong(0, Trouble::new("quantity", format!("资产总数将超过 {MOST_ASSETS}"), en));
        }
        let shown_areas = self.areas.iter().take(SHOWN);
        self.preview.new_areas =
            shown_areas.map(|area| format!("{}: {}", area.site, self.after.area_text(&area.id))).collect();
        self.preview.new_sites = self.sites.iter().cloned().collect();
        let plan = Plan {
            generation: self.before.generation(),
            sites: self.sites.into_iter().collect(),
            areas: self.areas,
            assets: changes,
            rows: self.preview.rows,
            creates: self.preview.creates,
            updates: self.preview.updates,
        };
        (self.preview, plan)
    }
}

/// The assets of a file beside those that are there.
///
/// # Errors
/// When the store cannot be read; what is wrong with the file stands in the preview.
pub fn plan_import(
    conn: &Connection,
    (before, device_sites): (&Topology, &HashMap<DeviceId, String>),
    scope: &Scope,
    (bytes, format, default_site): (&[u8], Format, Option<&str>),
) -> Result<(Preview, PlannedImport), StoreError> {
    let mut planning = Planning {
        conn,
        scope,
        device_sites,
        before,
        after: before.clone(),
        import_keys: stored::import_keys(conn)?,
        by_serial: by_serial(before),
        sites: BTreeSet::new(),
        known_sites: HashMap::new(),
        area_ids: HashMap::new(),
        area_counts: area_counts(before),
        areas: Vec::new(),
        assets: Vec::new(),
        touched: HashMap::new(),
        preview: Preview::default(),
    };
    let mut sheet = match sheet::read(bytes, format) {
        Ok(sheet) => sheet,
        Err(text) => {
            planning.wrong(0, Trouble { column: "", text });
            let (preview, plan) = planning.finish();
            return Ok((preview, PlannedImport(plan)));
        }
    };
    planning.preview.ignored_columns = std::mem::take(&mut sheet.ignored);
    let mut entries = Vec::new();
    for row in std::mem::take(&mut sheet.rows) {
        planning.preview.rows += 1;
        let number = row.number;
        match rows::entry(&sheet, row, default_site) {
            Ok(entry) => entries.push(entry),
            Err(troubles) => troubles.into_iter().for_each(|trouble| planning.wrong(number, trouble)),
        }
    }
    // Assets of the same name at the same place are numbered through the whole file.
    let place = |entry: &Entry| {
        let class = entry.cell(Column::Class);
        let class = super::super::class::meant_by(class).unwrap_or_else(|| class.to_owned());
        format!("{}|{class}|{}", entry.area, entry.cell(Column::Name))
    };
    let mut totals: HashMap<(String, String), usize> = HashMap::new();
    for entry in &entries {
        *totals.entry((entry.site.clone(), place(entry))).or_default() += entry.quantity;
    }
    let total: usize = totals.values().sum();
    let expanded =
        entries.iter().fold(0usize, |sum, entry| sum.saturating_add(entry.quantity.saturating_mul(entry.bytes())));
    if total > MOST_ASSETS {
        let en = format!("there are more than {MOST_ASSETS} assets in the file");
        planning.wrong(0, Trouble::new("quantity", format!("文件中的资产超过 {MOST_ASSETS}"), en));
        entries.clear();
    } else if expanded > sheet::ALL_CELLS_BYTES {
        let en = "with its quantities the file is too long";
        planning.wrong(0, Trouble::new("quantity", "按数量展开后内容过多", en));
        entries.clear();
    }
    let (mut counted, mut named) = (HashMap::new(), Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        let of = (entry.site.clone(), place(entry));
        let width = totals.get(&of).map_or(2, |total| total.to_string().len().max(2));
        let next = counted.entry(of.clone()).or_insert(0);
        for _ in 0..entry.quantity {
            *next += 1;
            let at = planning.assets.len();
            planning.take(entry, &format!("{}|{next}", of.1), *next, width)?;
            if planning.assets.len() > at && (entry.parent.is_some() || entry.neighbours.is_some()) {
                named.push((at, index));
            }
        }
    }
    planning.resolve(&named, &entries);
    let (preview, plan) = planning.finish();
    Ok((preview, PlannedImport(plan)))
}

/// What a preview stands for, to be kept until somebody applies it.
#[derive(Debug)]
pub struct PlannedImport(pub(super) Plan);

fn area_counts(topology: &Topology) -> HashMap<String, usize> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    topology.areas().for_each(|area| *counts.entry(area.site.clone()).or_default() += 1);
    counts
}

fn by_serial(topology: &Topology) -> HashMap<(String, String), Option<AssetId>> {
    let mut found: HashMap<(String, String), Option<AssetId>> = HashMap::new();
    for (id, asset) in topology.assets().filter(|(_, asset)| !asset.serial.is_empty()) {
        let place = (asset.site.clone(), asset.serial.clone());
        found.entry(place).and_modify(|several| *several = None).or_insert_with(|| Some(id.clone()));
    }
    found
}
