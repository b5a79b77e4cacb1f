//! Rules of alarms.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::extract::{Caller, Id, Input};
use super::{AppState, Problem};
use crate::alarms::TextView;
use crate::alarms::rule::{self, Rule, RuleProblem, RuleSet, Stored};
use crate::audit::{self, Deed};
use crate::auth::Scope;
use crate::state::Device;
use crate::store::{During as _, StoreError};

/// The longest text of a rule, in bytes.
const TOML_BYTES: usize = 32 * 1024;
/// Most own rules.
const RULES: usize = 1_000;

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleView {
    /// Names it.
    id: String,
    /// Grows with each change; 0 for a shipped one that nobody changed.
    revision: i64,
    /// Whether it is judged.
    enabled: bool,
    /// `shipped`: its text is that of the program; `own` otherwise.
    source: &'static str,
    /// Whether the program has a rule of that name: removing an own text brings that one back.
    has_shipped: bool,
    /// For people.
    name: TextView,
    /// How much its alarms matter.
    severity: String,
    /// The condition that its alarms have.
    condition: String,
    /// Its text.
    toml: String,
    /// How many devices it concerns; 0 where it is about agents, links or sites.
    matches: usize,
    /// How many of its alarms are open.
    open: i64,
}

/// Rules by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rules {
    /// All of them.
    items: Vec<RuleView>,
}

fn view(shared: &AppState, sites: &Scope, id: &str, stored: &Stored, open: i64) -> RuleView {
    let rule = &stored.rule;
    let concerned = |device: &&Device| sites.covers(&device.site) && rule.concerns(device);
    let matches = shared.fleet().devices().filter(concerned).count();
    RuleView {
        id: id.to_owned(),
        revision: stored.revision,
        enabled: rule.enabled,
        source: if stored.is_shipped { "shipped" } else { "own" },
        has_shipped: stored.has_shipped,
        name: TextView { zh: rule.name.zh.clone(), en: rule.name.en.clone() },
        severity: crate::alarms::severity_name(rule.severity).to_owned(),
        condition: rule.condition.clone(),
        toml: stored.toml.clone(),
        matches,
        open,
    }
}

/// How many alarms of each rule are open.
async fn open(shared: &AppState, sites: &Scope) -> Result<std::collections::HashMap<String, i64>, Problem> {
    let sites = sites.to_sql();
    let read = move |conn: &rusqlite::Connection| -> Result<std::collections::HashMap<String, i64>, StoreError> {
        conn.prepare_cached(
            "SELECT rule, count(*) FROM alarms WHERE state <> 'closed' AND rule IS NOT NULL
                 AND (?1 IS NULL OR site IN (SELECT value FROM json_each(?1))) GROUP BY rule",
        )
        .and_then(|mut statement| statement.query_map([sites], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .during("count alarms of rules")
    };
    Ok(shared.state_readers.read(read).await?)
}

/// All rules, shipped and own ones.
#[utoipa::path(get, path = "/api/v1/alarm-rules", tag = "alarms",
    responses((status = 200, body = Rules), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(State(shared): State<AppState>, caller: Caller) -> Result<Json<Rules>, Problem> {
    let open = open(&shared, &caller.sites).await?;
    let rules = shared.alarm_rules.now();
    let of = |id: &String| open.get(id).copied().unwrap_or(0);
    let seen = rules.rules.iter().filter(|(_, stored)| is_seen(&caller.sites, &stored.rule));
    let items = seen.map(|(id, stored)| view(&shared, &caller.sites, id, stored, of(id))).collect();
    Ok(Json(Rules { items }))
}

/// One rule.
#[utoipa::path(get, path = "/api/v1/alarm-rules/{id}", tag = "alarms", params(("id" = String, Path)),
    responses((status = 200, body = RuleView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<RuleView>, Problem> {
    one(&shared, &caller.sites, &id).await.map(Json)
}

async fn one(shared: &AppState, sites: &Scope, id: &str) -> Result<RuleView, Problem> {
    let open = open(shared, sites).await?;
    let rules = shared.alarm_rules.now();
    let stored = find(&rules, sites, id)?;
    Ok(view(shared, sites, id, stored, open.get(id).copied().unwrap_or(0)))
}

/// The text of a rule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRule {
    /// As `docs/alarms.md` describes it; at most 32 KiB.
    toml: String,
    /// The revision that was read, so that nothing that came in between is overwritten.
    revision: Option<i64>,
}

/// Something wrong with a rule's text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mistake {
    /// The line, from 1.
    line: usize,
    /// What is wrong, and what would be right.
    text: String,
}

/// What was found in a text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    /// Everything that is wrong; empty if nothing is.
    problems: Vec<Mistake>,
    /// How many devices it would concern; `null` if something is wrong.
    matches: Option<usize>,
}

pub(super) fn read(toml: &str) -> Result<Rule, Vec<RuleProblem>> {
    if toml.len() > TOML_BYTES {
        return Err(vec![RuleProblem { line: 1, text: format!("a rule has at most {TOML_BYTES} bytes") }]);
    }
    rule::read(toml)
}

pub(super) fn invalid(problems: Vec<RuleProblem>) -> Problem {
    let told = problems.into_iter().map(|problem| format!("line {}: {}", problem.line, problem.text));
    Problem::invalid(told.collect())
}

/// Checks the text of a rule and changes nothing.
#[utoipa::path(post, path = "/api/v1/alarm-rules/check", tag = "alarms", request_body = NewRule,
    responses((status = 200, body = Checked), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn check(
    State(shared): State<AppState>,
    caller: Caller,
    Input(new): Input<NewRule>,
) -> Result<Json<Checked>, Problem> {
    Ok(Json(match read(&new.toml) {
        Ok(rule) => {
            let fleet = shared.fleet();
            let concerned = |device: &&Device| caller.sites.covers(&device.site) && rule.concerns(device);
            Checked { problems: Vec::new(), matches: Some(fleet.devices().filter(concerned).count()) }
        }
        Err(problems) => {
            let mistake = |problem: RuleProblem| Mistake { line: problem.line, text: problem.text };
            Checked { problems: problems.into_iter().map(mistake).collect(), matches: None }
        }
    }))
}

/// Rules concern all sites, so whoever changes them must be allowed to everywhere, or the rule must name the sites.
fn may_change(sites: &Scope, rule: &Rule) -> Result<(), Problem> {
    let wanted = &rule.matching.sites;
    let own = !wanted.is_empty() && wanted.iter().all(|site| sites.covers(site));
    if *sites == Scope::All || own {
        return Ok(());
    }
    Err(Problem::forbidden("this rule also concerns sites where you may not change rules; name yours in match.sites"))
}

/// Writes what `work` writes, given the rules as they are, and has the rules judged as they are then.
async fn change(
    shared: &AppState,
    work: impl FnOnce(&Transaction<'_>, &RuleSet) -> Result<Result<(), Problem>, StoreError> + Send + 'static,
) -> Result<(), Problem> {
    let (rules, shipped) = (shared.alarm_rules.clone(), shared.config.shipped_alarm_rules);
    let work = move |transaction: &Transaction<'_>| {
        let before = rule::load(transaction, shipped)?;
        Ok(match work(transaction, &before)? {
            Ok(()) => Ok(rule::load(transaction, shipped)?),
            Err(problem) => Err(problem),
        })
    };
    shared.state.transact_then(work, move |changed| changed.map(|changed| rules.replace(changed))).await?
}

/// Makes an own rule.
#[utoipa::path(post, path = "/api/v1/alarm-rules", tag = "alarms", request_body = NewRule,
    responses((status = 201, body = RuleView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(new): Input<NewRule>,
) -> Result<(StatusCode, Json<RuleView>), Problem> {
    let rule = read(&new.toml).map_err(invalid)?;
    may_change(&caller.sites, &rule)?;
    let (id, own) = (rule.id.clone(), rule.id.clone());
    let is_free = move |known: &RuleSet| {
        if known.rules.contains_key(&own) {
            return Err(Problem::conflict(format!("there is a rule \"{own}\" already")));
        }
        if known.rules.values().filter(|stored| !stored.has_shipped).count() >= RULES {
            return Err(Problem::conflict(format!("there are {RULES} own rules, which is the most")));
        }
        Ok(())
    };
    save(&shared, &caller, &id, new.toml, "alarm-rule-made", is_free).await?;
    Ok((StatusCode::CREATED, Json(one(&shared, &caller.sites, &id).await?)))
}

/// Writes the text if `may` allows it by the rules as they are in that instant.
async fn save(
    shared: &AppState,
    caller: &Caller,
    id: &str,
    toml: String,
    word: &'static str,
    may: impl FnOnce(&RuleSet) -> Result<(), Problem> + Send + 'static,
) -> Result<(), Problem> {
    let (id, by, actor, now) = (id.to_owned(), caller.name.clone(), caller.actor(), shared.clock.wall());
    change(shared, move |transaction, known| {
        if let Err(problem) = may(known) {
            return Ok(Err(problem));
        }
        rule::save(transaction, &id, &toml, &by, now)?;
        audit::record(transaction, &actor, &Deed::new(word, id).with(json!({ "toml": toml })), now)?;
        Ok(Ok(()))
    })
    .await
}

/// Replaces the text of a rule; of a shipped one by an own text.
#[utoipa::path(put, path = "/api/v1/alarm-rules/{id}", tag = "alarms", params(("id" = String, Path)),
    request_body = NewRule,
    responses((status = 200, body = RuleView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn replace(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(new): Input<NewRule>,
) -> Result<Json<RuleView>, Problem> {
    let rule = read(&new.toml).map_err(invalid)?;
    if rule.id != id {
        return Err(Problem::invalid(vec![format!("line 1: id: it must stay \"{id}\"")]));
    }
    may_change(&caller.sites, &rule)?;
    let (sites, of, read_revision) = (caller.sites.clone(), id.clone(), new.revision);
    let is_as_read = move |known: &RuleSet| {
        let stored = find(known, &sites, &of)?;
        may_change(&sites, &stored.rule)?;
        if read_revision.is_some_and(|revision| revision != stored.revision) {
            return Err(Problem::conflict("somebody changed the rule meanwhile; read it again"));
        }
        Ok(())
    };
    save(&shared, &caller, &id, new.toml, "alarm-rule-changed", is_as_read).await?;
    Ok(Json(one(&shared, &caller.sites, &id).await?))
}

/// Whether somebody who sees these sites sees the rule: one that names only other sites tells about those.
fn is_seen(sites: &Scope, rule: &Rule) -> bool {
    rule.matching.sites.is_empty() || rule.matching.sites.iter().any(|site| sites.covers(site))
}

fn find<'a>(rules: &'a RuleSet, sites: &Scope, id: &str) -> Result<&'a Stored, Problem> {
    let found = rules.rules.get(id).filter(|stored| is_seen(sites, &stored.rule));
    found.ok_or_else(|| Problem::not_found("such rule"))
}

/// Removes an own rule, or an own text of a shipped one, and what was decided about it.
#[utoipa::path(delete, path = "/api/v1/alarm-rules/{id}", tag = "alarms", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let (sites, actor, now) = (caller.sites.clone(), caller.actor(), shared.clock.wall());
    let may_remove = move |known: &RuleSet, id: &str| {
        let stored = find(known, &sites, id)?;
        may_change(&sites, &stored.rule)?;
        if stored.is_shipped && stored.revision == 0 {
            return Err(Problem::conflict("a shipped rule is not removed; switch it off"));
        }
        if stored.has_shipped && sites != Scope::All {
            return Err(Problem::forbidden("the shipped rule would be judged again, also at sites that are not yours"));
        }
        Ok(())
    };
    change(&shared, move |transaction, known| {
        if let Err(problem) = may_remove(known, &id) {
            return Ok(Err(problem));
        }
        rule::remove(transaction, &id)?;
        audit::record(transaction, &actor, &Deed::new("alarm-rule-removed", id), now)?;
        Ok(Ok(()))
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a rule is judged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// Whether it is.
    enabled: bool,
}

/// Switches a rule on or off. Alarms that stand by one that is switched off are cleared.
#[utoipa::path(put, path = "/api/v1/alarm-rules/{id}/enabled", tag = "alarms", params(("id" = String, Path)),
    request_body = Switch,
    responses((status = 200, body = RuleView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn switch(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(Switch { enabled }): Input<Switch>,
) -> Result<Json<RuleView>, Problem> {
    let (actor, by, now, of) = (caller.actor(), caller.name.clone(), shared.clock.wall(), id.clone());
    let sites = caller.sites.clone();
    change(&shared, move |transaction, known| {
        if let Err(problem) = find(known, &sites, &of).and_then(|stored| may_change(&sites, &stored.rule)) {
            return Ok(Err(problem));
        }
        rule::set_enabled(transaction, &of, enabled, &by, now)?;
        let deed = Deed::new("alarm-rule-switched", of).with(json!({ "enabled": enabled }));
        audit::record(transaction, &actor, &deed, now)?;
        Ok(Ok(()))
    })
    .await?;
    Ok(Json(one(&shared, &caller.sites, &id).await?))
}
