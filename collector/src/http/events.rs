//! Events.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::Uri;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Id, Params};
use super::page::{InOrder, Page, Paging, newest_first};
use super::readings::time;
use super::{AppState, Problem, Shared};
use crate::auth::Scope;
use crate::state;
use crate::store::StoreError;
use crate::telemetry::{EventFilter, EventPlace, EventRow, Span};

/// Most conditions on fields in one request.
const FIELDS: usize = 8;
/// Longest condition, in bytes.
const FIELD_BYTES: usize = 1_024;

/// Which events. Conditions on fields come beside it, one `field` each.
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
    /// `newest` first, as by default, or `oldest` first.
    order: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Events, newest first or oldest first. The last page is the one without `next`; a page before it may hold fewer rows
/// than asked for, also none, where many events had to be looked at. Whatever arrives in between, no event is missed
/// that was there at the first page, and none comes twice.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(Filter, ("field" = Option<Vec<String>>, Query,
        description = "NAME:VALUE, exactly: `plate:ABC123`. More than one must all be true; 8 at most.")),
    responses((status = 200, body = Page<EventRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    uri: Uri,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<EventRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let newest_first = newest_first(filter.order.as_deref())?;
    let after = paging.cursor::<InOrder>()?.map(|place| place.checked(newest_first)).transpose()?;
    let fields = fields(&uri)?;
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
    let filter = EventFilter {
        from: time("from", filter.from.as_ref(), Timestamp(0))?,
        to: time("to", filter.to.as_ref(), Timestamp(i64::MAX))?,
        kind: filter.kind,
        fields,
        only_spans: wanted.is_some(),
        spans: spans(&shared, wanted).await?,
        newest_first,
        after: after.map(EventPlace::from),
    };
    let slice = shared.history(move |history| history.events(&scope, &filter, limit)).await?;
    let next = slice.next.map(|place| InOrder::at(newest_first, place.into()).to_string());
    Ok(Json(Page { items: slice.rows, next }))
}

/// One event by its id.
#[utoipa::path(get, path = "/api/v1/events/{id}", tag = "events", params(("id" = String, Path)),
    responses((status = 200, body = EventRow),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<EventRow>, Problem> {
    let missing = || Problem::not_found("such event");
    let id = id.parse().map_err(|()| missing())?;
    let spans = spans(&shared, None).await?;
    let found = shared.history(move |history| history.event(&caller.sites, &spans, &id)).await?;
    found.map(Json).ok_or_else(missing)
}

/// The names of the wanted devices, or of all.
async fn spans(shared: &Shared, wanted: Option<HashSet<String>>) -> Result<Vec<Span>, StoreError> {
    let read = shared.state_readers.read(move |conn| {
        let spans = state::bindings(conn, None)?.into_iter().map(Span::try_from);
        let spans = spans.collect::<Result<Vec<_>, StoreError>>()?;
        let is_wanted = |span: &Span| wanted.as_ref().is_none_or(|wanted| wanted.contains(&span.device));
        Ok(spans.into_iter().filter(is_wanted).collect())
    });
    read.await
}

/// The conditions on fields: names and values.
fn fields(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let conditions = pairs.into_iter().filter(|(name, _)| name == "field").map(|(_, condition)| condition);
    let fields = conditions.map(|condition| match condition.split_once(':') {
        Some((name, value)) if !name.is_empty() && condition.len() <= FIELD_BYTES => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(Problem::invalid(vec![format!(
            "field must be NAME:VALUE, such as plate:ABC123, with at most {FIELD_BYTES} bytes"
        )])),
    });
    let fields: Vec<_> = fields.collect::<Result<_, _>>()?;
    if fields.len() > FIELDS {
        return Err(Problem::invalid(vec![format!("there may be {FIELDS} conditions on fields at most")]));
    }
    Ok(fields)
}
