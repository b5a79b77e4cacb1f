//! From the cells of a row to what it says of an asset.

use super::super::areas;
use super::super::column::Column;
use super::super::{AREA_JOINT, Asset, Trouble};
use super::sheet::{Sheet, SheetRow};

/// Most assets that one row makes.
const QUANTITY: usize = 10_000;

/// A row as it was understood.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its number in the file.
    pub(super) number: usize,
    /// The asset that it names.
    pub(super) id: Option<String>,
    pub(super) site: String,
    /// The path of its area's names; empty for none.
    pub(super) area: String,
    /// Whether the file has a column that says where assets stand.
    pub(super) says_area: bool,
    /// How many assets it stands for.
    pub(super) quantity: usize,
    /// Its other cells, still to be taken over.
    pub(super) cells: Vec<(Column, String)>,
    pub(super) parent: Option<String>,
    pub(super) neighbours: Option<String>,
}

impl Entry {
    pub(super) fn cell(&self, column: Column) -> &str {
        self.cells.iter().find(|(known, _)| *known == column).map_or("", |(_, cell)| cell.trim())
    }

    /// How much of the file it is; with a quantity, so much for each.
    pub(super) fn bytes(&self) -> usize {
        let cells = self.cells.iter().map(|(_, cell)| cell.len()).sum::<usize>();
        let links = [&self.parent, &self.neighbours].into_iter().flatten().map(String::len).sum::<usize>();
        cells + links + self.site.len() + self.area.len()
    }

    /// What the cells say, over what is known.
    pub(super) fn over(&self, mut asset: Asset) -> Result<Asset, Vec<Trouble>> {
        let mut troubles = Vec::new();
        for (column, cell) in &self.cells {
            if let Err(text) = column.read(cell, &mut asset) {
                troubles.push(Trouble { column: column.word(), text });
            }
        }
        if troubles.is_empty() { Ok(asset) } else { Err(troubles) }
    }
}

/// Understands a row.
pub(super) fn entry(sheet: &Sheet, row: SheetRow, default_site: Option<&str>) -> Result<Entry, Vec<Trouble>> {
    let mut cells: Vec<(Column, String)> = Vec::new();
    let mut row_cells = row.cells.into_iter();
    for column in &sheet.columns {
        let cell = row_cells.next().unwrap_or_default();
        if let Some(column) = column {
            cells.push((*column, cell));
        }
    }
    let mut take = |wanted: Column| {
        let at = cells.iter().position(|(column, _)| *column == wanted)?;
        Some(cells.remove(at).1.trim().to_owned())
    };
    let full = |cell: Option<String>| cell.filter(|cell| !cell.is_empty());
    let mut troubles = Vec::new();
    let id = full(take(Column::Id));
    let site = full(take(Column::Site)).or_else(|| default_site.map(str::to_owned)).unwrap_or_default();
    if site.is_empty() {
        let en = "no site: add a column, or choose a site for the whole file";
        troubles.push(Trouble::new("site", "缺少站点：请增加“站点”列，或为整个文件选择站点", en));
    }
    let says_area = sheet.columns.iter().flatten().any(|column| matches!(column, Column::Building | Column::Area));
    let places = [full(take(Column::Building)), full(take(Column::Area))];
    let places: Vec<String> = places.into_iter().flatten().map(|place| areas::written(&place)).collect();
    let area = places.join(AREA_JOINT);
    let quantity = match full(take(Column::Quantity)) {
        None => 1,
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && (1.0..=QUANTITY as f64).contains(&number) => number as usize,
            _ => {
                let en = format!("\"{text}\" is no quantity of 1 to {QUANTITY}");
                troubles.push(Trouble::new("quantity", format!("“{text}”不是 1 至 {QUANTITY} 的数量"), en));
                1
            }
        },
    };
    let (parent, neighbours) = (take(Column::Parent), take(Column::Neighbours));
    let number = row.number;
    let entry = Entry { number, id, site, area, says_area, quantity, cells, parent, neighbours };
    for column in [Column::Key, Column::Serial, Column::Device, Column::RackUnit] {
        if entry.quantity > 1 && !entry.cell(column).is_empty() {
            let zh = format!("数量大于 1 时不能填写“{}”", column.header(true));
            let en = format!("several assets cannot share \"{}\"; give each a row", column.header(false));
            troubles.push(Trouble::new(column.word(), zh, en));
        }
    }
    if entry.quantity > 1 && entry.id.is_some() {
        let en = "one asset cannot be several; give each a row";
        troubles.push(Trouble::new("quantity", "已有编号的资产数量只能为 1", en));
    }
    if entry.cell(Column::Name).is_empty() {
        troubles.push(Trouble::new("name", "缺少名称", "a name is needed"));
    }
    if troubles.is_empty() { Ok(entry) } else { Err(troubles) }
}
