//! Lists, page by page.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;

/// Rows on a page when nobody says otherwise.
const DEFAULT: usize = 100;
/// Most rows on a page.
const MOST: usize = 1000;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The rows.
    pub(super) items: Vec<T>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    pub(super) next: Option<String>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// `next` of the page before.
    pub(super) cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    pub(super) limit: Option<usize>,
}

impl Paging {
    /// How many rows to give.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(DEFAULT),
            Some(limit @ 1..=MOST) => Ok(limit),
            Some(limit) => Err(Problem::invalid(vec![format!("limit is {limit}; it must be between 1 and {MOST}")])),
        }
    }

    /// The cursor, read as `T`.
    pub(super) fn cursor<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        let parse = |text: &String| {
            text.parse().map_err(|_| Problem::invalid(vec!["cursor is not one that this list gave out".to_owned()]))
        };
        self.cursor.as_ref().map(parse).transpose()
    }
}

impl<T> Page<T> {
    /// A page out of `rows` that hold one more than `limit` if there is a next page.
    pub(super) fn cut(mut rows: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { items: rows, next }
    }
}
