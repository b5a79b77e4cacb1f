//! Lists of assets: pages, spreadsheets, labels, an agent's configuration.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::assets::{AssetView, view};
use super::extract::{Caller, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem, Shared};
use crate::assets::{self, AgentConfig, AssetFilter, AssetRow, LabelSheet, MOST_ASSETS, Sort, Topology};
use crate::auth::Scope;

/// Most labels of one sheet.
const LABELS: usize = 2000;
/// Most assets that are named one by one.
const NAMED: usize = 2000;

/// Which assets.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// At this site.
    site: Option<String>,
    /// In this area or a part of it: its id, its name, or its names from the outermost on, joined by ` / `.
    area: Option<String>,
    /// Of this class.
    class: Option<String>,
    /// With this text in name, maker, model, serial number, owner, note, tags and so on.
    q: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// With this parent.
    parent: Option<String>,
    /// With a device, or without.
    bound: Option<bool>,
    /// Of which the warranty or a licence ends within these days, or has ended: `90d`.
    expiring_within: Option<String>,
    /// These only, separated by commas.
    ids: Option<String>,
    /// `name` (the default), `class`, `expiry` (assets of which nothing ends are left out) or `changed`.
    sort: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
    /// Of spreadsheets: `csv` or `xlsx`.
    format: Option<String>,
    /// Of spreadsheets and labels: `zh` or `en`.
    language: Option<String>,
    /// Of labels: how many beside each other, 1 to 6; 3 by default.
    columns: Option<u8>,
}

impl Filter {
    fn chinese(&self) -> Result<bool, Problem> {
        match self.language.as_deref() {
            None | Some("zh") => Ok(true),
            Some("en") => Ok(false),
            Some(_) => Err(Problem::invalid(vec!["language must be zh or en".to_owned()])),
        }
    }

    fn sort(&self) -> Result<Sort, Problem> {
        let sort = Sort::from_name(self.sort.as_deref().unwrap_or("name"));
        sort.ok_or_else(|| Problem::invalid(vec!["sort must be name, class, expiry or changed".to_owned()]))
    }

    fn checked(&self, shared: &Shared, topology: &Topology) -> Result<AssetFilter, Problem> {
        let ids = self.ids.as_ref().map(|ids| ids.split(',').map(|id| id.trim().to_owned()).collect::<Vec<_>>());
        if ids.as_ref().is_some_and(|ids| ids.len() > NAMED) {
            return Err(Problem::invalid(vec![format!("at most {NAMED} ids")]));
        }
        let expiring_until = self.expiring_within.as_ref().map(|text| {
            let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
            let today = assets::day_of(shared.clock.wall());
            let until = days.filter(|days| (0..=36_500).contains(days));
            let until = until.and_then(|days| today.checked_add(jiff::Span::new().days(days)).ok());
            until.map(|day| day.to_string()).ok_or_else(|| {
                Problem::invalid(vec!["expiring_within must be a number of days such as 90d".to_owned()])
            })
        });
        let areas =
            self.area.as_ref().map(|area| topology.areas_meant_by(area).iter().map(ToString::to_string).collect());
        Ok(AssetFilter {
            site: self.site.clone(),
            areas,
            class: self.class.clone(),
            q: self.q.clone().filter(|text| !text.is_empty()),
            bound: self.bound,
            tag: self.tag.clone(),
            parent: self.parent.clone(),
            expiring_until: expiring_until.transpose()?,
            ids,
        })
    }

    async fn all(&self, shared: &Shared, scope: Scope, most: usize) -> Result<Vec<AssetRow>, Problem> {
        let (filter, sort) = (self.checked(shared, &shared.topology.now())?, self.sort()?);
        let rows = shared.state_readers.read(move |conn| assets::list(conn, &scope, &filter, (sort, None), most + 1));
        let rows = rows.await?;
        if rows.len() > most {
            return Err(Problem::invalid(vec![format!("more than {most} assets fit: narrow the filter")]));
        }
        Ok(rows)
    }
}

/// Assets.
#[utoipa::path(get, path = "/api/v1/assets", tag = "assets", params(Filter),
    responses((status = 200, body = Page<AssetView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AssetView>>, Problem> {
    let topology = shared.topology.now();
    let (wanted, sort) = (filter.checked(&shared, &topology)?, filter.sort()?);
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let read = |text: &String| {
        serde_json::from_str::<(String, String)>(text)
            .map_err(|_| Problem::invalid(vec!["cursor is not one that this list gave out".to_owned()]))
    };
    let after = paging.cursor.as_ref().map(read).transpose()?;
    let rows = shared
        .state_readers
        .read(move |conn| assets::list(conn, &caller.sites, &wanted, (sort, after), limit + 1))
        .await?;
    let page = Page::cut(rows, limit, |row| serde_json::json!([sort.key(row), row.id]).to_string());
    let items = page.items.into_iter().map(|row| view(&topology, row)).collect();
    Ok(Json(Page { items, next: page.next }))
}

fn file(media_type: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type)), (header::CONTENT_DISPOSITION, disposition)], bytes)
        .into_response()
}

/// Assets as a spreadsheet, which can be changed and imported again.
#[utoipa::path(get, path = "/api/v1/assets/export", tag = "assets", params(Filter),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn export(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let chinese = filter.chinese()?;
    let is_csv = match filter.format.as_deref() {
        Some("csv") => true,
        None | Some("xlsx") => false,
        Some(_) => return Err(Problem::invalid(vec!["format must be csv or xlsx".to_owned()])),
    };
    let rows = filter.all(&shared, caller.sites, MOST_ASSETS).await?;
    let (topology, day) = (shared.topology.now(), assets::day_of(shared.clock.wall()));
    let made = shared.quickly(move || {
        if is_csv { assets::csv_text(&topology, &rows, chinese) } else { assets::xlsx_file(&topology, &rows, chinese) }
    });
    let bytes = made.await??;
    Ok(if is_csv {
        file("text/csv; charset=utf-8", &format!("assets-{day}.csv"), bytes)
    } else {
        let workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        file(workbook, &format!("assets-{day}.xlsx"), bytes)
    })
}

/// Labels with QR codes as a page to be printed on A4.
#[utoipa::path(get, path = "/api/v1/assets/labels", tag = "assets", params(Filter),
    responses((status = 200, content_type = "text/html", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn labels(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let columns = filter.columns.unwrap_or(3);
    if !(1..=6).contains(&columns) {
        return Err(Problem::invalid(vec!["columns must be 1 to 6".to_owned()]));
    }
    let sheet = LabelSheet { columns, chinese: filter.chinese()?, public_url: shared.config.public_url.clone() };
    let rows = filter.all(&shared, caller.sites, LABELS).await?;
    let topology = shared.topology.now();
    let page = shared.quickly(move || assets::label_sheet(&topology, &rows, &sheet)).await??;
    // The page runs nothing and loads nothing.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, page).into_response())
}

/// Which site.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfSite {
    /// The site.
    site: String,
}

/// The configuration of an agent that speaks to the assets of a site, as far as the list says how they are reached.
#[utoipa::path(get, path = "/api/v1/assets/agent-config", tag = "assets", params(OfSite),
    responses((status = 200, body = AgentConfig),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn agent_config(
    State(shared): State<AppState>,
    caller: Caller,
    Params(OfSite { site }): Params<OfSite>,
) -> Result<Json<AgentConfig>, Problem> {
    if !caller.sites.covers(&site) {
        return Err(Problem::not_found("such site"));
    }
    let url = shared.config.public_url.as_deref();
    Ok(Json(assets::agent_config(&shared.topology.now(), &site, url)))
}
