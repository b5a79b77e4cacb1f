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

/// Whether the newest come first.
pub(super) fn newest_first(order: Option<&str>) -> Result<bool, Problem> {
    match order {
        None | Some("newest") => Ok(true),
        Some("oldest") => Ok(false),
        Some(_) => Err(Problem::invalid(vec!["order must be newest or oldest".to_owned()])),
    }
}

/// What cursors of each order begin with, so that one is not taken for the other.
const NEWEST: &str = "n";
const OLDEST: &str = "o";

/// A time and an id, and the order in which they were reached: the cursor of lists that go either way.
pub(super) struct InOrder {
    newest_first: bool,
    place: (i64, i64),
}

impl InOrder {
    pub(super) fn at(newest_first: bool, place: (i64, i64)) -> Self {
        Self { newest_first, place }
    }

    /// The place, if the list still goes the same way.
    pub(super) fn checked(&self, newest_first: bool) -> Result<(i64, i64), Problem> {
        if self.newest_first == newest_first {
            return Ok(self.place);
        }
        Err(Problem::invalid(vec!["cursor belongs to the other order".to_owned()]))
    }
}

impl std::fmt::Display for InOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (time_ms, id) = self.place;
        write!(f, "{}{time_ms}.{id}", if self.newest_first { NEWEST } else { OLDEST })
    }
}

impl std::str::FromStr for InOrder {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let newest = text.strip_prefix(NEWEST).map(|rest| (true, rest));
        let (newest_first, rest) = newest.or_else(|| text.strip_prefix(OLDEST).map(|rest| (false, rest))).ok_or(())?;
        let (time_ms, id) = rest.split_once('.').ok_or(())?;
        Ok(Self { newest_first, place: (time_ms.parse().map_err(drop)?, id.parse().map_err(drop)?) })
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
