//! Columns of a spreadsheet of assets: what they are called, and how a cell is read and written.

use super::trouble::Words;
use super::{Asset, AssetRow, Document, Licence, Topology, class};

/// Makes the columns out of one list: column, its word, its headers in Chinese and English, and what else people write.
macro_rules! columns {
    ($($(#[$doc:meta])* $column:ident: $word:literal, $zh:literal, $en:literal, [$($else:literal),*];)*) => {
        /// A column.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) enum Column {
            $($(#[$doc])* $column,)*
        }

        use Column::{$($column),*};

        /// In the order of an export.
        const NAMES: &[(Column, &str, &str, &str, &[&str])] = &[$(($column, $word, $zh, $en, &[$($else),*]),)*];
    };
}

columns! {
    Id: "id", "资产编号", "Asset id", ["编号", "资产id"];
    Site: "site", "站点", "Site", ["口岸", "项目", "现场", "所属站点", "站点标识"];
    /// What the area is a part of, such as a building.
    Building: "building", "楼栋", "Building", ["建筑", "大楼", "地点", "场所"];
    Area: "area", "区域", "Area", ["位置", "安装位置", "所在区域", "房间", "location", "room"];
    Name: "name", "名称", "Name", ["设备名称", "资产名称", "device name", "asset name"];
    Class: "class", "类别", "Class", ["设备类别", "设备类型", "类型", "种类", "type", "category"];
    Quantity: "quantity", "数量", "Quantity", ["台数", "count", "qty"];
    Key: "key", "设备标识", "Device key", ["标识"];
    Maker: "maker", "厂家", "Maker", ["品牌", "厂商", "生产厂家", "制造商", "brand", "manufacturer", "vendor"];
    Model: "model", "型号", "Model", ["规格型号", "设备型号", "规格"];
    Serial: "serial", "序列号", "Serial number", ["sn", "s/n", "出厂编号", "设备序列号", "serial no"];
    Profile: "profile", "驱动型号", "Profile", ["型号文件"];
    Address: "address", "接入地址", "Address", ["连接", "连接地址"];
    Interfaces: "interfaces", "接口", "Interfaces", ["接口协议", "协议", "protocols", "interface"];
    Rack: "rack", "机柜", "Rack", ["机柜号", "所在机柜", "cabinet"];
    RackUnit: "rack_unit", "U位", "Rack unit", ["u", "起始u位", "所在u位", "unit"];
    HeightUnits: "height_units", "占用U数", "Height (U)", ["高度u", "u数", "height"];
    Installed: "installed", "安装日期", "Installed", ["投用日期", "上线日期", "安装时间", "install date"];
    WarrantyUntil: "warranty_until", "质保到期", "Warranty until",
        ["质保到期日", "质保期至", "保修到期", "维保到期", "warranty", "warranty end"];
    Licences: "licences", "许可证", "Licences", ["授权", "授权许可", "license", "licenses", "licence"];
    Owner: "owner", "责任人", "Owner", ["负责人", "责任单位", "管理员", "使用部门", "责任部门"];
    Documents: "documents", "文档", "Documents", ["资料", "文件"];
    Parent: "parent", "上级资产", "Parent", ["上级设备", "上联设备", "父设备", "uplink"];
    Neighbours: "neighbours", "相邻资产", "Neighbours", ["相邻设备", "对端", "neighbors"];
    Device: "device", "设备编号", "Device id", [];
    Note: "note", "备注", "Note", ["说明", "remarks", "comment", "notes"];
    Tags: "tags", "标签", "Tags", ["标记", "tag"];
}

/// The columns of an export, in order: all but those that only help to read what others have written.
pub(super) fn exported() -> impl Iterator<Item = Column> + Clone {
    NAMES.iter().map(|entry| entry.0).filter(|column| !matches!(column, Building | Quantity))
}

impl Column {
    /// The word in the API.
    pub(super) fn word(self) -> &'static str {
        NAMES.iter().find(|entry| entry.0 == self).map_or("", |entry| entry.1)
    }

    /// Its header.
    pub(super) fn header(self, chinese: bool) -> &'static str {
        NAMES.iter().find(|entry| entry.0 == self).map_or("", |entry| if chinese { entry.2 } else { entry.3 })
    }

    /// The column that somebody means by a header.
    pub(super) fn meant_by(header: &str) -> Option<Self> {
        // What stands in brackets or behind a star is an explanation.
        let plain = |text: &str| {
            let text = text.split(['(', '（', '[', '*', '＊']).find(|part| !part.trim().is_empty()).unwrap_or_default();
            let kept = text.chars().filter(|letter| !letter.is_whitespace() && !['_', '-', ':', '：'].contains(letter));
            kept.collect::<String>().to_lowercase()
        };
        let wanted = plain(header);
        let is_meant = |entry: &&(Self, &str, &str, &str, &[&str])| {
            [entry.1, entry.2, entry.3].iter().chain(entry.4).any(|name| plain(name) == wanted)
        };
        NAMES.iter().find(is_meant).map(|entry| entry.0)
    }

    /// Whether it is a date, which a spreadsheet keeps as a number.
    pub(super) fn is_date(self) -> bool {
        matches!(self, Installed | WarrantyUntil)
    }

    /// What stands in the cell of an asset.
    pub(super) fn cell(self, topology: &Topology, row: &AssetRow, chinese: bool) -> String {
        let asset = &row.asset;
        let id = |id: &Option<super::AssetId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
        let number = |number: Option<u16>| number.map(|number| number.to_string()).unwrap_or_default();
        match self {
            Id => row.id.to_string(),
            Site => asset.site.clone(),
            Area => asset.area.as_ref().map(|area| topology.area_text(area)).unwrap_or_default(),
            Name => asset.name.clone(),
            Class => class::named(&asset.class)
                .filter(|_| chinese)
                .map_or_else(|| asset.class.clone(), |class| class.zh.to_owned()),
            Key => asset.key.clone().unwrap_or_default(),
            Maker => asset.maker.clone(),
            Model => asset.model.clone(),
            Serial => asset.serial.clone(),
            Profile => asset.profile.clone(),
            Address => asset.address.clone(),
            Interfaces => asset.interfaces.join(" | "),
            Rack => asset.rack.clone(),
            RackUnit => number(asset.rack_unit),
            HeightUnits => number(asset.height_units),
            Installed => asset.installed.clone().unwrap_or_default(),
            WarrantyUntil => asset.warranty_until.clone().unwrap_or_default(),
            Licences => {
                let text = |licence: &Licence| match &licence.until {
                    Some(until) => format!("{}={until}", licence.name),
                    None => licence.name.clone(),
                };
                asset.licences.iter().map(text).collect::<Vec<_>>().join("; ")
            }
            Owner => asset.owner.clone(),
            Documents => {
                let text = |document: &Document| format!("{}={}", document.name, document.url);
                asset.documents.iter().map(text).collect::<Vec<_>>().join("; ")
            }
            Parent => id(&asset.parent),
            Neighbours => {
                let text = |neighbour: &super::Neighbour| {
                    format!("{}|{}|{}", neighbour.asset, neighbour.port, neighbour.their_port)
                };
                asset.neighbours.iter().map(text).collect::<Vec<_>>().join("; ")
            }
            Device => asset.device.clone().unwrap_or_default(),
            Note => asset.note.clone(),
            Tags => asset.tags.join(", "),
            Building | Quantity => String::new(),
        }
    }

    /// Takes a cell over into an asset, unless it names other things: those are looked up elsewhere.
    pub(super) fn read(self, cell: &str, asset: &mut Asset) -> Result<(), Words> {
        let text = cell.trim();
        let own = || text.to_owned();
        let some = || (!text.is_empty()).then(own);
        match self {
            Name => asset.name = own(),
            Class => {
                asset.class = class::meant_by(text).ok_or_else(|| Words {
                    zh: format!("“{text}”不是已知的设备类别；请写类别名称或标识，例如 交换机、switch"),
                    en: format!("\"{text}\" is no class that is known; write its name or word, such as switch"),
                })?;
            }
            Key => asset.key = some(),
            Maker => asset.maker = own(),
            Model => asset.model = own(),
            Serial => asset.serial = own(),
            Profile => asset.profile = own(),
            Address => asset.address = own(),
            Interfaces => asset.interfaces = entries(text),
            Rack => asset.rack = own(),
            RackUnit => {
                let (unit, height) = units(text)?;
                asset.rack_unit = unit;
                if height.is_some() {
                    asset.height_units = height;
                }
            }
            HeightUnits => asset.height_units = units(text)?.0,
            Installed => asset.installed = date(text)?,
            WarrantyUntil => asset.warranty_until = date(text)?,
            Licences => asset.licences = licences(text)?,
            Owner => asset.owner = own(),
            Documents => asset.documents = documents(text)?,
            Device => asset.device = some(),
            Note => asset.note = own(),
            Tags => asset.tags = entries(text),
            Id | Site | Building | Area | Quantity | Parent | Neighbours => {}
        }
        Ok(())
    }
}

fn entries(text: &str) -> Vec<String> {
    let parts = text.split([',', ';', '，', '；', '、', '|', '\n']).map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Entries of a list whose entries may have commas.
pub(super) fn long_entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(['；', '\n'])
        .flat_map(|part| part.split("; "))
        .map(|part| part.trim().trim_end_matches(';'))
        .filter(|part| !part.is_empty())
}

fn units(text: &str) -> Result<(Option<u16>, Option<u16>), Words> {
    if text.is_empty() {
        return Ok((None, None));
    }
    let wrong = || Words {
        zh: format!("“{text}”不是 U 位，例如 12、U12、12-14"),
        en: format!("\"{text}\" is no unit of a rack such as 12, U12 or 12-14"),
    };
    let number = |text: &str| text.trim().trim_matches(['U', 'u']).trim().parse::<u16>().map_err(|_| wrong());
    match text.split_once(['-', '~', '至', '～', '–']) {
        None => Ok((Some(number(text)?), None)),
        Some((low, high)) => {
            let (low, high) = (number(low)?, number(high)?);
            let (low, high) = (low.min(high), low.max(high));
            Ok((Some(low), Some(high - low + 1)))
        }
    }
}

/// A date as people and spreadsheets write it, in the form that sorts.
fn date(text: &str) -> Result<Option<String>, Words> {
    use jiff::civil::Date;
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Words {
        zh: format!("“{text}”不是日期，例如 2026-01-05、2026/1/5、20260105"),
        en: format!("\"{text}\" is no date such as 2026-01-05, 2026/1/5 or 20260105"),
    };
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let parts: Vec<&str> = day.split(['-', '/', '.', '年', '月', '日']).filter(|part| !part.is_empty()).collect();
    let date = match parts.as_slice() {
        [year, month, day] if year.len() == 4 => {
            let parts = (year.parse().ok(), month.parse().ok(), day.parse().ok());
            match parts {
                (Some(year), Some(month), Some(day)) => Date::new(year, month, day).ok(),
                _ => None,
            }
        }
        [digits] if digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            let part = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<i16>().ok());
            let (year, month, day) = (part(0..4), part(4..6), part(6..8));
            year.zip(month).zip(day).and_then(|((year, month), day)| Date::new(year, month as i8, day as i8).ok())
        }
        [digits] if digits.len() == 5 => digits.parse::<i64>().ok().and_then(serial_date),
        _ => None,
    };
    // Years beyond are slips of the pen, and a four-digit year is what sorts.
    let date = date.filter(|date| (1950..=2200).contains(&date.year())).ok_or_else(wrong)?;
    Ok(Some(date.to_string()))
}

/// The day of a spreadsheet's number: day 1 is 1900-01-01, and there is a 29th of February 1900, so from March of that
/// year on the count is from 1899-12-30 (ECMA-376 part 1, 18.17.4.1).
fn serial_date(serial: i64) -> Option<jiff::civil::Date> {
    if !(61..=110_000).contains(&serial) {
        return None;
    }
    jiff::civil::date(1899, 12, 30).checked_add(jiff::Span::new().days(serial)).ok()
}

fn licences(text: &str) -> Result<Vec<Licence>, Words> {
    let read = |entry: &str| match entry.split_once('=') {
        None => Ok(Licence { name: entry.to_owned(), until: None }),
        Some((name, until)) => Ok(Licence { name: name.trim().to_owned(), until: date(until.trim())? }),
    };
    long_entries(text).map(read).collect()
}

fn documents(text: &str) -> Result<Vec<Document>, Words> {
    let read = |entry: &str| {
        let (name, url) = entry.split_once('=').ok_or_else(|| Words {
            zh: format!("“{entry}”应写成 名称=https://…"),
            en: format!("\"{entry}\" must be NAME=https://…"),
        })?;
        Ok(Document { name: name.trim().to_owned(), url: url.trim().to_owned() })
    };
    long_entries(text).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_understood_in_both_languages() {
        for (text, column) in [
            ("设备名称", Name),
            ("名称*", Name),
            ("序列号 (SN)", Serial),
            ("S/N", Serial),
            ("U位", RackUnit),
            ("Rack Unit", RackUnit),
            ("rack_unit", RackUnit),
            ("Warranty until", WarrantyUntil),
            ("品牌", Maker),
            ("＊设备类型", Class),
        ] {
            assert_eq!(Column::meant_by(text), Some(column), "{text}");
        }
        assert_eq!(Column::meant_by("金额"), None);
        let names: Vec<&str> = NAMES
            .iter()
            .flat_map(|entry| [entry.1, entry.2, entry.3].into_iter().chain(entry.4.iter().copied()))
            .collect();
        for name in names {
            assert_eq!(NAMES.iter().filter(|entry| Column::meant_by(name) == Some(entry.0)).count(), 1, "{name}");
        }
        for entry in NAMES {
            for name in [entry.1, entry.2, entry.3].iter().chain(entry.4) {
                assert_eq!(Column::meant_by(name), Some(entry.0), "{name}");
            }
        }
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for text in ["2026-01-05", "2026/1/5", "20260105", "2026.1.5", "2026年1月5日", "46027", "2026-01-05 00:00:00"]
        {
            assert_eq!(date(text).unwrap().as_deref(), Some("2026-01-05"), "{text}");
        }
        assert_eq!(date("").unwrap(), None);
        for text in ["2026-02-30", "5/1/2026", "soon", "99999999", "12", "2026-13-01", "20261301"] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn units_of_racks() {
        assert_eq!(units("U12").unwrap(), (Some(12), None));
        assert_eq!(units("12U-14U").unwrap(), (Some(12), Some(3)));
        assert!(units("top").is_err());
    }
}
