//! Labels with QR codes, to be printed and stuck on.

use std::fmt::Write as _;

use fast_qr::convert::Builder as _;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::qr::QRBuilder;

use super::{AssetRow, Topology, class};
use crate::store::StoreError;

/// How a sheet is laid out.
#[derive(Debug, Clone)]
pub struct LabelSheet {
    /// Labels beside each other.
    pub columns: u8,
    /// Chinese, or English.
    pub chinese: bool,
    /// The address of this collector, if it has one that people can reach.
    pub public_url: Option<String>,
}

impl LabelSheet {
    /// What the code of an asset says.
    #[must_use]
    pub fn content(&self, id: &str) -> String {
        match &self.public_url {
            Some(url) => format!("{}/q/{id}", url.trim_end_matches('/')),
            None => format!("kouan:{id}"),
        }
    }
}

/// A page for A4 paper. It loads nothing from elsewhere.
///
/// # Errors
/// When an address is too long for a code.
pub fn label_sheet(topology: &Topology, rows: &[AssetRow], sheet: &LabelSheet) -> Result<String, StoreError> {
    let (language, title, print) =
        if sheet.chinese { ("zh", "资产标签", "打印") } else { ("en", "Asset labels", "Print") };
    let mut page = String::with_capacity(4096 + rows.len() * 6000);
    let columns = sheet.columns;
    // Writing to a text does not fail.
    let _ = writeln!(
        page,
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         @page {{ size: A4; margin: 10mm }}\n\
         * {{ box-sizing: border-box }}\n\
         body {{ margin: 0; font: 10pt/1.25 'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif; color: #000; \
         background: #fff }}\n\
         main {{ display: grid; grid-template-columns: repeat({columns}, 1fr); gap: 3mm; padding: 3mm }}\n\
         article {{ display: flex; gap: 2mm; align-items: center; border: 0.2mm solid #888; border-radius: 1.5mm; \
         padding: 2mm; break-inside: avoid; min-width: 0 }}\n\
         article svg {{ width: 24mm; height: 24mm; flex: none }}\n\
         article div {{ min-width: 0; overflow-wrap: anywhere }}\n\
         b {{ font-size: 11pt }}\n\
         small {{ display: block; font-size: 8pt }}\n\
         code {{ font: 8pt monospace }}\n\
         @media print {{ header {{ display: none }} main {{ padding: 0 }} }}\n\
         header {{ padding: 3mm; border-bottom: 0.2mm solid #888 }}\n\
         </style>\n</head>\n<body>\n<header>{title}: {count} — {print}: Ctrl+P</header>\n<main>",
        count = rows.len()
    );
    for row in rows {
        let asset = &row.asset;
        let area = asset.area.as_ref().map(|area| topology.area_text(area)).unwrap_or_default();
        let class = class::named(&asset.class).map(|class| if sheet.chinese { class.zh } else { class.en });
        let place = if area.is_empty() { asset.site.clone() } else { format!("{} · {area}", asset.site) };
        let _ = writeln!(
            page,
            "<article>{}<div><b>{}</b><small>{}</small><small>{}</small><code>{}</code></div></article>",
            code(&sheet.content(row.id.as_str()))?,
            escaped(&asset.name),
            escaped(class.unwrap_or(&asset.class)),
            escaped(&place),
            escaped(row.id.as_str())
        );
    }
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

fn code(content: &str) -> Result<String, StoreError> {
    // Level M of correction; the quiet zone of four modules is part of the code (ISO/IEC 18004).
    let code = QRBuilder::new(content).ecl(fast_qr::ECL::M).build();
    let code =
        code.map_err(|error| StoreError::Damaged { what: "the text of a QR code", problem: format!("{error:?}") })?;
    Ok(SvgBuilder::default().margin(4).to_str(&code))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
