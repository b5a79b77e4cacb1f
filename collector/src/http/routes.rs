//! The route table: what there is, and what each asks of the caller.

use axum::Router;
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
    AppState, Problem, agent, agents, alarms, audit, availability, commands, devices, events, export, history, keys,
    latest, losses, maintenance, oidc, points, readings, series, service, session, users,
};
use crate::auth::{Permission, Right};

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
    let monitor = May(Right::Metrics);
    let (admin, maintain, look_back) = (May(Right::Administer), May(Right::Maintain), May(Right::Audit));
    table![
        Agent => agent::hello,
        Agent => agent::upload,
        Agent => agent::poll,
        read => agents::sites,
        read => agents::list,
        configure => agents::enrol,
        configure => agents::renew_token,
        configure => agents::revoke,
        read => devices::list,
        read => devices::detail,
        configure => devices::rename,
        configure => devices::bind,
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
        read => alarms::list,
        read => availability::of_devices,
        maintain => maintenance::create,
        read => maintenance::list,
        maintain => maintenance::end,
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
        Open => service::page,
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
        .fallback(|| async { Problem::not_found("such address") })
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
