//! What is known of an asset.

use kouan_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{AreaId, AssetId};

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// What for.
    pub name: String,
    /// The last day on which it is valid, `2027-03-31`; `null` for one that does not end.
    #[serde(default)]
    pub until: Option<String>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is.
    pub name: String,
    /// Where it is: `http://…` or `https://…`.
    pub url: String,
}

/// What an asset is connected with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// The other asset.
    #[schema(value_type = String)]
    pub asset: AssetId,
    /// The port at this one.
    #[serde(default)]
    pub port: String,
    /// The port at the other one.
    #[serde(default)]
    pub their_port: String,
}

/// A thing that somebody owns, has installed and looks after; a device, if an agent speaks to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Asset {
    /// Where.
    pub site: String,
    /// In which area.
    #[schema(value_type = Option<String>)]
    pub area: Option<AreaId>,
    /// Its name for people.
    pub name: String,
    /// What it is for, such as `passenger-gate`.
    pub class: String,
    /// The name under which an agent knows it, or is to know it.
    pub key: Option<String>,
    /// Who made it.
    pub maker: String,
    /// Which model it is.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// The profile by which an agent speaks to it.
    pub profile: String,
    /// How an agent reaches it: `KIND KEY=VALUE … # KEY=VALUE …`, the link before the `#` and the device behind it,
    /// such as `modbus tcp=192.0.2.10:502 # unit=1`.
    pub address: String,
    /// What it speaks, such as `snmp` or `onvif`.
    pub interfaces: Vec<String>,
    /// The rack that it is in.
    pub rack: String,
    /// The lowest unit of the rack that it takes.
    pub rack_unit: Option<u16>,
    /// How many units it takes.
    pub height_units: Option<u16>,
    /// When it was installed, `2026-11-22`.
    pub installed: Option<String>,
    /// The last day of the warranty.
    pub warranty_until: Option<String>,
    /// Its licences.
    pub licences: Vec<Licence>,
    /// Who looks after it.
    pub owner: String,
    /// Where more is written about it.
    pub documents: Vec<Document>,
    /// The asset without which it does not work: a switch, a line, a rack's power.
    #[schema(value_type = Option<String>)]
    pub parent: Option<AssetId>,
    /// What it is connected with.
    pub neighbours: Vec<Neighbour>,
    /// The device that it is.
    pub device: Option<String>,
    /// What else is to be known.
    pub note: String,
    /// Words by which it is found.
    pub tags: Vec<String>,
}

/// An asset as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AssetRow {
    /// Names it for ever.
    #[schema(value_type = String)]
    pub id: AssetId,
    /// What is known of it.
    #[serde(flatten)]
    pub asset: Asset,
    /// What an imported row is known by when it comes again.
    #[serde(skip)]
    pub import_key: Option<String>,
    /// Grows with each change.
    pub revision: i64,
    /// When it was entered.
    pub created_ms: i64,
    /// When it was changed last.
    pub changed_ms: i64,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Which.
    pub field: String,
    /// What it was.
    #[schema(value_type = Object)]
    pub from: Value,
    /// What it is.
    #[schema(value_type = Object)]
    pub to: Value,
}

impl Asset {
    /// The fields by name.
    #[must_use]
    pub fn to_fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            // A struct of texts, numbers and lists is an object.
            _ => Map::new(),
        }
    }

    /// The asset with some fields replaced.
    ///
    /// # Errors
    /// When there is no such field, or the value does not fit it.
    pub fn with(&self, changes: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut fields = self.to_fields();
        fields.extend(changes);
        serde_json::from_value(Value::Object(fields))
    }

    /// What differs from `before`.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<FieldChange> {
        let (mut before, after) = (before.to_fields(), self.to_fields());
        let change = |(field, to): (String, Value)| {
            let from = before.remove(&field).unwrap_or_default();
            (from != to).then_some(FieldChange { field, from, to })
        };
        after.into_iter().filter_map(change).collect()
    }

    /// The first day on which something of it ends.
    #[must_use]
    pub fn first_expiry(&self) -> Option<&str> {
        let licences = self.licences.iter().filter_map(|licence| licence.until.as_deref());
        licences.chain(self.warranty_until.as_deref()).min()
    }

    /// Everything by which it is searched for, in lower case.
    pub(super) fn search_text(&self, id: &AssetId) -> String {
        let texts = [id.as_str(), &self.name, &self.class, &self.maker, &self.model, &self.serial, &self.profile];
        let more = [self.rack.as_str(), &self.owner, &self.note, self.key.as_deref().unwrap_or_default()];
        let tags = self.tags.iter().map(String::as_str);
        let all: Vec<&str> = texts.into_iter().chain(more).chain(tags).filter(|text| !text.is_empty()).collect();
        all.join("\n").to_lowercase()
    }
}

/// The day of a time, in UTC.
#[must_use]
pub fn day_of(time: Timestamp) -> jiff::civil::Date {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_zoned(jiff::tz::TimeZone::UTC).date()
}
