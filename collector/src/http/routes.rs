//! The route table: what there is, and what each asks of the caller.

use axum::Router;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::guard::{around, guard};
use super::{
    AppState, Problem, agent, agents, alarm_acts, alarm_log, alarm_rules, alarm_trials, alarms, areas, assets,
    assets_import, assets_list, audit, availability, availability_figures, commands, device_changes, devices, events,
    evidence, export, history, keys, latest, losses, maintenance, notif_channels, notif_records, notif_routes, oidc,
    overview, plans, points, readings, series, service, session, sites, stream, users,
};
use crate::auth::{Permission, Right};
use crate::web;

/// One line of the table. Method and path stand at the handler.
pub struct Route {
    /// What the caller needs.
    pub permission: Permission,
    /// Handler, method, path and description.
    pub handler: UtoipaMethodRouter<AppState>,
}

macro_rules! table {
    ($($permission:expr => $handler:path,)*) => {
        vec![$(Route { permission: $permission, handler: routes!($handler) }),*]
    };
}

/// Every route. An endpoint is added by its function and a line here.
#[must_use]
pub fn table() -> Vec<Route> {
    use Permission::{Agent, May, Metrics, Open, SignedIn};
    let (read, command, configure) = (May(Right::Read), May(Right::Command), May(Right::Configure));
    let (monitor, operate, deliver) = (May(Right::Metrics), May(Right::Operate), May(Right::Evidence));
    let (admin, maintain, look_back) = (May(Right::Administer), May(Right::Maintain), May(Right::Audit));
    table![
        Agent => agent::hello,
        Agent => agent::upload,
        Agent => agent::poll,
        read => sites::list,
        configure => sites::put,
        read => agents::list,
        configure => agents::enrol,
        configure => agents::renew_token,
        configure => agents::revoke,
        read => devices::list,
        read => devices::detail,
        configure => devices::rename,
        configure => devices::bind,
        read => device_changes::list,
        read => devices::latest,
        read => latest::columns,
        read => readings::list,
        read => series::columns,
        read => export::csv,
        read => export::parquet,
        read => history::of_files,
        read => series::time_in_state,
        read => events::list,
        read => events::detail,
        deliver => evidence::keep,
        read => evidence::list,
        read => evidence::picture,
        admin => evidence::remove,
        read => alarms::list,
        read => alarms::summary,
        read => alarm_log::list,
        operate => alarm_acts::assignees,
        operate => alarm_acts::act,
        read => alarms::detail,
        read => alarm_rules::list,
        configure => alarm_rules::create,
        read => alarm_rules::check,
        configure => alarm_trials::dry_run,
        read => alarm_rules::detail,
        configure => alarm_rules::replace,
        configure => alarm_rules::remove,
        configure => alarm_rules::switch,
        read => alarm_trials::report,
        read => availability::of_devices,
        read => availability_figures::summary,
        read => overview::of_everything,
        read => stream::open,
        maintain => maintenance::create,
        read => maintenance::list,
        maintain => maintenance::end,
        configure => notif_channels::list,
        configure => notif_channels::create,
        configure => notif_channels::detail,
        configure => notif_channels::change,
        configure => notif_channels::remove,
        configure => notif_channels::test,
        configure => notif_routes::list,
        configure => notif_routes::create,
        configure => notif_routes::detail,
        configure => notif_routes::change,
        configure => notif_routes::remove,
        read => notif_records::list,
        read => notif_records::contact,
        read => notif_records::set_contact,
        read => assets_list::list,
        configure => assets::create,
        configure => assets::act,
        configure => assets_import::preview,
        configure => assets_import::apply,
        read => assets_list::export,
        read => assets_list::labels,
        read => assets_list::agent_config,
        read => assets::detail,
        configure => assets::patch,
        configure => assets::remove,
        read => assets::changes,
        read => assets::suggestions,
        configure => assets::adopt,
        configure => assets::release,
        read => areas::list,
        configure => areas::create,
        read => areas::detail,
        configure => areas::put,
        configure => areas::remove,
        read => plans::picture,
        configure => plans::put_picture,
        configure => plans::remove_picture,
        read => plans::positions,
        configure => plans::put_positions,
        read => sites::topology,
        read => losses::gaps,
        read => losses::quarantine,
        admin => losses::quarantined_body,
        read => losses::outages,
        command => commands::create,
        read => commands::list,
        read => commands::detail,
        command => commands::release,
        command => commands::cancel,
        admin => keys::create,
        admin => keys::list,
        admin => keys::revoke,
        admin => users::create,
        admin => users::list,
        admin => users::detail,
        admin => users::change,
        admin => users::reset_password,
        look_back => audit::list,
        look_back => audit::export,
        look_back => audit::check,
        Open => session::sign_in,
        Open => oidc::start,
        Open => oidc::callback,
        SignedIn => session::who,
        SignedIn => session::sign_out,
        SignedIn => session::change_password,
        Metrics => service::prometheus,
        monitor => points::scrape,
        Open => service::alive,
        Open => service::ready,
        Open => service::describe,
        Open => sites::label,
    ]
}

fn security(permission: Permission) -> Vec<SecurityRequirement> {
    match permission {
        Permission::Open => vec![SecurityRequirement::default()],
        Permission::Agent => vec![SecurityRequirement::new("agent_token", Vec::<String>::new())],
        Permission::May(right) => vec![
            SecurityRequirement::new("api_key", [right.as_str()]),
            SecurityRequirement::new("signed_in", Vec::<String>::new()),
        ],
        Permission::SignedIn => vec![SecurityRequirement::new("signed_in", Vec::<String>::new())],
        Permission::Metrics => vec![SecurityRequirement::new("api_key", ["read"])],
    }
}

fn describe_security(route: &mut Route) {
    let requirements = security(route.permission);
    for item in route.handler.1.paths.values_mut() {
        for operation in
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
        {
            operation.security = Some(requirements.clone());
        }
    }
}

fn document() -> OpenApi {
    let scheme = |text: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build())
    };
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Kouan collector")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "State, history and commands of the devices at all sites. Times are RFC 3339 in UTC, and milliseconds \
                     since 1970 in fields that end in _ms. Lists are paged by an opaque cursor.",
                ))
                .build(),
        )
        .components(Some(
            ComponentsBuilder::new()
                .security_scheme("api_key", scheme("An API key of a person or a system"))
                .security_scheme(
                    "signed_in",
                    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                        "kouan",
                        "The cookie of a person who signed in. Requests that change something carry the header \
                         x-kouan-page-token as well.",
                    ))),
                )
                .security_scheme("agent_token", scheme("The token of an agent"))
                .build(),
        ))
        .build()
}

/// The description of the API (OpenAPI 3.1).
#[must_use]
pub fn openapi() -> OpenApi {
    let described = table().into_iter().map(|mut route| {
        describe_security(&mut route);
        route
    });
    described.fold(OpenApiRouter::with_openapi(document()), |router, route| router.routes(route.handler)).into_openapi()
}

/// The router: every route behind its permission.
pub fn router(shared: &AppState) -> Router {
    let guarded = table().into_iter().fold(OpenApiRouter::new(), |router, route| {
        let (schemas, paths, methods) = route.handler;
        let check = from_fn_with_state((shared.clone(), route.permission), guard);
        router.routes((schemas, paths, methods.route_layer(check)))
    });
    let router: Router<AppState> = guarded.into();
    router
        .fallback(|method: Method, uri: Uri, headers: HeaderMap| async move {
            web::serve(&method, &uri, &headers).unwrap_or_else(|| Problem::not_found("such address").into_response())
        })
        .method_not_allowed_fallback(|| async {
            let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
            Problem::new(status, "method", "The method is not allowed here", "see /api/v1/openapi.json")
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            error!("A handler panicked; its request was answered with 500.");
            Problem::internal().into_response()
        }))
        .layer(from_fn_with_state(shared.clone(), around))
        .with_state(shared.clone())
}
