//! What people do to alarms.

use axum::Json;
use axum::extract::State;
use kouan_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Input, Params};
use super::{AppState, Problem};
use crate::alarms::{self, ActProblem, By, Deed};
use crate::audit;
use crate::auth::{self, Right, User};

/// Most alarms at once.
const ALARMS: usize = 1_000;
/// The longest text, in characters.
const TEXT: usize = 2_000;
/// The longest time for which an alarm is shelved: 366 days.
const LONGEST_MS: i64 = 366 * 24 * 3_600_000;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Do {
    /// Somebody has seen it.
    Acknowledge,
    /// Somebody is to look after it.
    Assign,
    /// A remark.
    Comment,
    /// Nobody wants to hear of it for a while.
    Shelve,
    /// It is to be heard of again.
    Unshelve,
    /// Nobody has to care any more.
    Close,
}

/// What to do to which alarms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    /// At most 1000 of them.
    ids: Vec<String>,
    /// What.
    #[serde(rename = "do")]
    deed: Do,
    /// With `assign`: the id of a user who may handle alarms there; without it nobody looks after it any more.
    to: Option<String>,
    /// With `shelve`: until when.
    until_ms: Option<i64>,
    /// With `shelve`: why.
    reason: Option<String>,
    /// With `comment`: the remark; else a word about it.
    text: Option<String>,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// The alarm.
    id: String,
    /// Whether it was done.
    done: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem_zh: Option<&'static str>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Results {
    /// In the order of the question.
    results: Vec<Done>,
}

impl Act {
    fn problems(&self, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        if self.ids.is_empty() || self.ids.len() > ALARMS {
            problems.push(format!("ids has 1 to {ALARMS} ids"));
        }
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > TEXT);
        if long(&self.text) || long(&self.reason) {
            problems.push(format!("text and reason have at most {TEXT} characters"));
        }
        let empty = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        match self.deed {
            Do::Comment if empty(&self.text) => problems.push("text must say something".to_owned()),
            Do::Shelve => {
                if empty(&self.reason) {
                    problems.push("reason must say why".to_owned());
                }
                let until = self.until_ms.unwrap_or(0);
                if until <= now.0 || until - now.0 > LONGEST_MS {
                    problems.push("until_ms must lie in the next 366 days".to_owned());
                }
            }
            _ => {}
        }
        problems
    }
}

/// Acknowledges, assigns, comments on, shelves or closes alarms. Each is done or not for itself.
#[utoipa::path(post, path = "/api/v1/alarms/act", tag = "alarms", request_body = Act,
    responses((status = 200, body = Results),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn act(
    State(shared): State<AppState>,
    caller: Caller,
    Input(act): Input<Act>,
) -> Result<Json<Results>, Problem> {
    let now = shared.clock.wall();
    let problems = act.problems(now);
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let text = act.text.clone().unwrap_or_default();
    let mut assignee: Option<User> = None;
    if let (Do::Assign, Some(id)) = (act.deed, act.to.clone()) {
        let found = shared.state_readers.read(move |conn| auth::user(conn, &id)).await?;
        let found = found.filter(|user| user.disabled_ms.is_none() && may_operate_at(user).is_some());
        assignee = Some(found.ok_or_else(|| Problem::invalid(vec!["to is no user who may handle alarms".to_owned()]))?);
    }
    let deed = match act.deed {
        Do::Acknowledge => Deed::Acknowledge { text },
        Do::Assign => Deed::Assign(assignee.as_ref().map(|user| (user.id.clone(), name_of(user)))),
        Do::Comment => Deed::Comment(text),
        Do::Shelve => {
            Deed::Shelve { until: Timestamp(act.until_ms.unwrap_or(now.0)), reason: act.reason.unwrap_or_default() }
        }
        Do::Unshelve => Deed::Unshelve,
        Do::Close => Deed::Close { text },
    };
    let word = match act.deed {
        Do::Acknowledge => "alarm-acknowledged",
        Do::Assign => "alarm-assigned",
        Do::Comment => "alarm-commented",
        Do::Shelve => "alarm-shelved",
        Do::Unshelve => "alarm-unshelved",
        Do::Close => "alarm-closed",
    };
    let by = By { name: caller.name.clone(), sites: caller.sites.clone() };
    let (actor, ids) = (caller.actor(), act.ids);
    let done = shared.state.transact(move |transaction| {
        let mut done = Vec::with_capacity(ids.len());
        for id in ids {
            if let (Some(user), Some(alarm)) = (&assignee, alarms::find(transaction, &by.sites, &id)?)
                && !may_operate_at(user).is_some_and(|sites| sites.covers(&alarm.site))
            {
                let problem = Some("that user may not handle alarms at this site".to_owned());
                done.push(Done {
                    id, done: false, problem, problem_zh: Some("该用户无权处理此站点的告警")
                });
                continue;
            }
            match alarms::act(transaction, &id, &deed, &by, now)? {
                Ok(site) => {
                    let detail = json!({ "to": assignee.as_ref().map(|user| &user.name) });
                    let deed = audit::Deed::new(word, id.clone()).at(site).with(detail);
                    audit::record(transaction, &actor, &deed, now)?;
                    done.push(Done { id, done: true, problem: None, problem_zh: None });
                }
                Err(problem) => {
                    let (problem, problem_zh) = (Some(problem.to_string()), Some(in_chinese(&problem)));
                    done.push(Done { id, done: false, problem, problem_zh });
                }
            }
        }
        Ok(done)
    });
    Ok(Json(Results { results: done.await? }))
}

/// Why it was not done.
fn in_chinese(problem: &ActProblem) -> &'static str {
    match problem {
        ActProblem::None => "没有这条告警",
        ActProblem::Closed => "告警已关闭",
        ActProblem::StillRaised => "告警条件仍然成立；如不需要提醒，请搁置",
        ActProblem::Acknowledged => "告警已被确认",
        ActProblem::NotShelved => "告警未被搁置",
    }
}

fn may_operate_at(user: &User) -> Option<auth::Scope> {
    let roles = user.grants.iter().filter(|(role, _)| role.rights().contains(&Right::Operate));
    roles.map(|(_, sites)| sites.clone()).reduce(auth::Scope::join)
}

fn name_of(user: &User) -> String {
    if user.display_name.is_empty() { user.name.clone() } else { user.display_name.clone() }
}

/// Where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AtSite {
    /// At this site.
    site: Option<String>,
}

/// Somebody who may look after alarms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Assignee {
    /// The user's id.
    id: String,
    /// The name.
    name: String,
}

/// Those who may look after alarms.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Assignees {
    /// By name.
    items: Vec<Assignee>,
}

/// Users to whom an alarm can be assigned: who may handle alarms at the site, or at any site of the caller's.
#[utoipa::path(get, path = "/api/v1/alarms/assignees", tag = "alarms", params(AtSite),
    responses((status = 200, body = Assignees),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn assignees(
    State(shared): State<AppState>,
    caller: Caller,
    Params(at): Params<AtSite>,
) -> Result<Json<Assignees>, Problem> {
    let users = shared.state_readers.read(auth::users).await?;
    let shares_a_site = |theirs: &auth::Scope| match (&at.site, theirs, &caller.sites) {
        (Some(site), theirs, mine) => theirs.covers(site) && mine.covers(site),
        (None, auth::Scope::Sites(theirs), mine) => theirs.iter().any(|site| mine.covers(site)),
        (None, auth::Scope::All, _) => true,
    };
    let may = |user: &User| user.disabled_ms.is_none() && may_operate_at(user).as_ref().is_some_and(shares_a_site);
    let mut items: Vec<Assignee> = users
        .iter()
        .filter(|user| may(user))
        .map(|user| Assignee { id: user.id.clone(), name: name_of(user) })
        .collect();
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(Assignees { items }))
}
