//! Events.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::Uri;
use kouan_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Params};
use super::page::{InOrder, Paging, newest_first};
use super::readings::time;
use super::{AppState, Problem, Shared};
use crate::auth::Scope;
use crate::state::{self, Device, DeviceId};
use crate::store::StoreError;
use crate::telemetry::{EventFilter, EventPlace, EventRow, Incomplete, Span};

/// Most conditions on fields in one request.
const FIELDS: usize = 8;
/// More devices than this are looked for by reading all bindings at once.
const ONE_BY_ONE: usize = 1_000;
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

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    /// The events.
    items: Vec<EventRow>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    next: Option<String>,
    /// Times of this page of which events may be missing, because a part of the history is damaged; empty when nothing is
    /// known to be. What was read again from the log may then stand in another order among events of one time.
    incomplete: Vec<Incomplete>,
}

/// Events, newest first or oldest first. The last page is the one without `next`: only there an empty page means that
/// there are no such events. A page before it holds fewer rows than asked for, also none, only if so many events had to be
/// looked at that it took more than five seconds; the next one goes on there. Whatever arrives in between, no event is
/// missed that was there at the first page, and none comes twice.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(Filter, ("field" = Option<Vec<String>>, Query,
        description = "NAME:VALUE, exactly: `plate:ABC123`. More than one must all be true; 8 at most.")),
    responses((status = 200, body = EventPage),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    uri: Uri,
    Params(filter): Params<Filter>,
) -> Result<Json<EventPage>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let newest_first = newest_first(filter.order.as_deref())?;
    let after = paging.cursor::<InOrder>()?.map(|place| place.checked(newest_first)).transpose()?;
    let fields = fields(&uri)?;
    let scope = match &filter.site {
        Some(site) if caller.sites.covers(site) => Scope::Sites([site.clone()].into()),
        Some(_) => Scope::Sites([].into()),
        None => caller.sites,
    };
    // `None` stands for every device, also those that events name and nobody knows any more.
    let wanted: Option<Vec<String>> = (filter.device.is_some() || filter.class.is_some()).then(|| {
        let (fleet, site) = (shared.fleet(), filter.site.as_deref());
        let is_wanted = |device: &&Device| filter.class.as_ref().is_none_or(|class| *class == device.spec.class);
        match &filter.device {
            Some(id) => fleet.get(&DeviceId::new(id)).filter(is_wanted).into_iter().map(id_of).collect(),
            None => fleet.devices_of_after(site, &DeviceId::new("")).filter(is_wanted).map(id_of).collect(),
        }
    });
    let filter = EventFilter {
        from: time("from", filter.from.as_ref(), Timestamp(0))?,
        to: time("to", filter.to.as_ref(), Timestamp(i64::MAX))?,
        kind: filter.kind,
        fields,
        only_spans: wanted.is_some(),
        spans: spans(&shared, wanted.unwrap_or_default()).await?,
        newest_first,
        after: after.map(EventPlace::from),
    };
    let slice = shared.history(move |history| history.events(&scope, &filter, limit)).await?;
    let items = with_devices(&shared, slice.rows).await?;
    let next = slice.next.map(|place| InOrder::at(newest_first, place.into()).to_string());
    Ok(Json(EventPage { items, next, incomplete: slice.incomplete }))
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
    find(&shared, caller.sites, &id).await?.map(Json).ok_or_else(|| Problem::not_found("such event"))
}

/// The event of that id, if the history has it.
pub(super) async fn find(shared: &Shared, scope: Scope, id: &str) -> Result<Option<EventRow>, Problem> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let Some(row) = shared.history(move |history| history.event(&scope, &id)).await? else { return Ok(None) };
    Ok(with_devices(shared, vec![row]).await?.pop())
}

fn id_of(device: &Device) -> String {
    device.id.to_string()
}

/// The names of the wanted devices.
async fn spans(shared: &Shared, wanted: Vec<String>) -> Result<Vec<Span>, StoreError> {
    let read = shared.state_readers.read(move |conn| {
        let bindings = if wanted.len() <= ONE_BY_ONE {
            let of_device = |id: &String| state::bindings(conn, Some(id));
            wanted.iter().map(of_device).collect::<Result<Vec<_>, _>>()?.concat()
        } else {
            let wanted: HashSet<&String> = wanted.iter().collect();
            let mut all = state::bindings(conn, None)?;
            all.retain(|binding| wanted.contains(&binding.device));
            all
        };
        bindings.into_iter().map(Span::try_from).collect()
    });
    read.await
}

/// Tells which device each event belongs to. Only the names that stand on the page are looked up.
async fn with_devices(shared: &Shared, mut rows: Vec<EventRow>) -> Result<Vec<EventRow>, StoreError> {
    if rows.iter().all(|row| row.device.is_some()) {
        return Ok(rows);
    }
    let read = shared.state_readers.read(move |conn| {
        let mut names: HashMap<(String, String), Vec<Span>> = HashMap::new();
        for row in rows.iter_mut().filter(|row| row.device.is_none()) {
            let spans = match names.entry((row.agent.clone(), row.key.clone())) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let bindings = state::bindings_of_name(conn, &row.agent, &row.key)?;
                    new.insert(bindings.into_iter().map(Span::try_from).collect::<Result<_, _>>()?)
                }
            };
            row.device = spans.iter().find(|span| span.covers(row.time_ms)).map(|span| span.device.clone());
        }
        Ok(rows)
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
