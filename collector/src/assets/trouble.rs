//! What is wrong with an asset, in both languages.

use serde::Serialize;
use utoipa::ToSchema;

/// A text in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// A field that cannot stay as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Trouble {
    /// Which field.
    pub column: &'static str,
    /// What is wrong, and what would be right.
    pub text: Words,
}

impl Trouble {
    /// Names the field and says what is wrong.
    pub fn new(column: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { column, text: Words { zh: zh.into(), en: en.into() } }
    }

    /// The same for the list of a problem document.
    #[must_use]
    pub fn english(&self) -> String {
        format!("{}: {}", self.column, self.text.en)
    }
}
