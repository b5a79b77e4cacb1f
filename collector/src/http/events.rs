//! Events.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Params};
use super::page::{Page, Paging};
use super::readings::time;
use super::{AppState, Problem};
use crate::auth::Scope;
use crate::state;
use crate::store::StoreError;
use crate::telemetry::{EventFilter, EventRow, Span};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this device.
    device: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// Of devices of this class.
    class: Option<String>,
    /// At this site.
    site: Option<String>,
    /// From this time on, RFC 3339 or milliseconds.
    from: Option<String>,
    /// Before this time.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Events, newest first.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(Filter),
    responses((status = 200, body = Page<EventRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<EventRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let before = paging.cursor::<Place>()?.map(|Place(time_ms, id)| (time_ms, id));
    let scope = match filter.site {
        Some(site) if caller.sites.covers(&site) => Scope::Sites([site].into()),
        Some(_) => Scope::Sites([].into()),
        None => caller.sites,
    };
    // `None` stands for every device, also those that events name and nobody knows any more.
    let wanted: Option<HashSet<String>> = (filter.device.is_some() || filter.class.is_some()).then(|| {
        let fleet = shared.fleet();
        let class = |class: &str| filter.class.as_deref().is_none_or(|wanted| wanted == class);
        let of_class = fleet.devices().filter(|device| class(&device.spec.class)).map(|device| device.id.to_string());
        of_class.filter(|id| filter.device.as_ref().is_none_or(|wanted| wanted == id)).collect()
    });
    let only_spans = wanted.is_some();
    let spans = shared.state_readers.read(move |conn| {
        let spans = state::bindings(conn, None)?.into_iter().map(Span::try_from);
        let spans = spans.collect::<Result<Vec<_>, StoreError>>()?;
        let is_wanted = |span: &Span| wanted.as_ref().is_none_or(|wanted| wanted.contains(&span.device));
        Ok(spans.into_iter().filter(is_wanted).collect())
    });
    let filter = EventFilter {
        from: time("from", filter.from.as_ref(), Timestamp(0))?,
        to: time("to", filter.to.as_ref(), Timestamp(i64::MAX))?,
        kind: filter.kind,
        only_spans,
        spans: spans.await?,
        before,
    };
    let slice = shared.history(move |history| history.events(&scope, &filter, limit)).await?;
    Ok(Json(Page { items: slice.rows, next: slice.next }))
}

/// Time and id of the last event of a page.
struct Place(i64, i64);

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time_ms, id) = text.split_once('.').ok_or(())?;
        Ok(Self(time_ms.parse().map_err(drop)?, id.parse().map_err(drop)?))
    }
}
