//! Named values that events, commands and outcomes carry.

use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::limits;
use crate::wire;

/// Whether a field says something about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// No person can be told from it.
    #[default]
    None,
    /// A plate, a card number, a name, a picture: kept only where the site says so.
    Personal,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text of at most [`limits::TEXT_BYTES`].
    Text(String),
}

impl FieldValue {
    /// The value as a number, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Number(number) => Some(*number),
            Self::Flag(_) | Self::Text(_) => None,
        }
    }

    /// The value as text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The field's name, such as `direction`.
    pub name: String,
    /// Its value.
    pub value: FieldValue,
    /// Whether it says something about a person.
    #[serde(default)]
    pub privacy: Privacy,
}

impl Field {
    /// A field that says nothing about a person.
    #[must_use]
    pub fn new(name: &str, value: FieldValue) -> Self {
        Self { name: name.to_owned(), value, privacy: Privacy::None }
    }
}

pub(crate) fn to_wire(fields: &[Field]) -> Vec<wire::Field> {
    fields
        .iter()
        .map(|field| wire::Field {
            name: field.name.clone(),
            value: Some(match &field.value {
                FieldValue::Flag(flag) => wire::FieldValue::Flag(*flag),
                FieldValue::Integer(integer) => wire::FieldValue::Integer(*integer),
                FieldValue::Number(number) => wire::FieldValue::Number(*number),
                FieldValue::Text(text) => wire::FieldValue::Text(text.clone()),
            }),
            privacy: match field.privacy {
                Privacy::None => 0,
                Privacy::Personal => 1,
            },
        })
        .collect()
}

pub(crate) fn from_wire(fields: Vec<wire::Field>) -> Result<Vec<Field>, DecodeError> {
    DecodeError::check_size("field count", fields.len(), limits::FIELDS)?;
    fields
        .into_iter()
        .map(|field| {
            DecodeError::check_size("field name bytes", field.name.len(), limits::NAME_BYTES)?;
            let value = match field.value {
                Some(wire::FieldValue::Flag(flag)) => FieldValue::Flag(flag),
                Some(wire::FieldValue::Integer(integer)) => FieldValue::Integer(integer),
                Some(wire::FieldValue::Number(number)) if number.is_finite() => FieldValue::Number(number),
                Some(wire::FieldValue::Number(_)) => {
                    return Err(DecodeError::inconsistent(
                        "field",
                        format!("\"{}\" is not a finite number", field.name),
                    ));
                }
                Some(wire::FieldValue::Text(text)) => {
                    DecodeError::check_size("field text bytes", text.len(), limits::TEXT_BYTES)?;
                    FieldValue::Text(text)
                }
                None => return Err(DecodeError::inconsistent("field", format!("\"{}\" has no value", field.name))),
            };
            // A class of privacy that this version does not know is treated as personal.
            let privacy = if field.privacy == 0 { Privacy::None } else { Privacy::Personal };
            Ok(Field { name: field.name, value, privacy })
        })
        .collect()
}
