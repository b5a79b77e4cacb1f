//! Which alarms are told to whom, and after how long.

use kouan_protocol::Severity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alarm::{Alarm, severity};
use super::name;
use super::quiet::Quiet;
use crate::assets::is_within;
use crate::auth::{Role, Scope, check_site};

/// Most entries of each list in a route.
const NAMES: usize = 200;
/// Most steps of a route.
const STEPS: usize = 20;
/// Longest time until a step, in minutes: a week.
const MINUTES: u32 = 7 * 24 * 60;

/// Which alarms. An empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// At these sites.
    pub sites: Vec<String>,
    /// In these areas, and in what lies within them: paths such as `Hall A / Lane 1`.
    pub areas: Vec<String>,
    /// Of devices of these classes.
    pub classes: Vec<String>,
    /// At least as severe as this: `info`, `warning`, `major` or `critical`.
    pub min_severity: Option<String>,
    /// With these conditions.
    pub conditions: Vec<String>,
}

/// Who is told once an alarm has waited for so long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteStep {
    /// Minutes without an acknowledgement; 0 for at once.
    pub after_minutes: u32,
    /// By these channels.
    pub channels: Vec<String>,
    /// Everybody who has one of these roles at the alarm's site, by those of the channels that reach single people.
    pub roles: Vec<String>,
    /// These users, if they may see the alarm's site.
    pub users: Vec<String>,
}

/// What somebody wants of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// What people call it.
    pub name: String,
    /// Whether it is used.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which alarms it is for.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// Who is told, in the order of time.
    pub steps: Vec<RouteStep>,
    /// When what matters less waits for the morning.
    #[serde(default)]
    pub quiet: Option<Quiet>,
    /// The last step is told again after so many minutes, for as long as nobody acknowledges.
    #[serde(default)]
    pub repeat_minutes: Option<u32>,
}

fn yes() -> bool {
    true
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Route {
    /// Names it for ever.
    pub id: String,
    /// What it does.
    #[serde(flatten)]
    pub settings: RouteSettings,
    /// Alarms that were raised before this time, in milliseconds since 1970, are not its business.
    pub since_ms: i64,
    /// Grows with each change.
    pub revision: i64,
}

impl RouteSettings {
    /// What is wrong with it, apart from names that do not exist.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = name::problem(&self.name).into_iter().collect();
        let matches = &self.matches;
        for (what, list) in [
            ("match.sites", &matches.sites),
            ("match.areas", &matches.areas),
            ("match.classes", &matches.classes),
            ("match.conditions", &matches.conditions),
        ] {
            check_names(&mut problems, what, list);
        }
        problems.extend(matches.sites.iter().filter_map(|site| check_site(site).err()).map(|wrong| wrong.to_string()));
        if let Some(name) = &matches.min_severity
            && severity(name).is_none()
        {
            problems.push("match.min_severity must be info, warning, major or critical".to_owned());
        }
        if self.steps.is_empty() || self.steps.len() > STEPS {
            problems.push(format!("a route has 1 to {STEPS} steps"));
        }
        if !self.steps.is_sorted_by_key(|step| step.after_minutes) {
            problems.push("steps are in the order of after_minutes".to_owned());
        }
        for (at, step) in self.steps.iter().enumerate() {
            let at = at + 1;
            if step.after_minutes > MINUTES {
                problems.push(format!("step {at}: after_minutes is at most {MINUTES}"));
            }
            if step.channels.is_empty() {
                problems.push(format!("step {at}: name at least one channel; roles and users are told by it"));
            }
            for (what, list) in [("channels", &step.channels), ("roles", &step.roles), ("users", &step.users)] {
                check_names(&mut problems, &format!("step {at}: {what}"), list);
            }
            for role in step.roles.iter().filter(|role| Role::from_name(role).is_none()) {
                let known = Role::ALL.map(Role::as_str).join(", ");
                problems.push(format!("step {at}: \"{}\" is not a role; use {known}", clipped(role)));
            }
        }
        if self.repeat_minutes.is_some_and(|minutes| !(5..=MINUTES).contains(&minutes)) {
            problems.push(format!("repeat_minutes is between 5 and {MINUTES}"));
        }
        problems.extend(self.quiet.iter().flat_map(Quiet::problems));
        problems
    }

    /// The sites whose alarms it tells of.
    #[must_use]
    pub fn scope(&self) -> Scope {
        if self.matches.sites.is_empty() {
            return Scope::All;
        }
        Scope::Sites(self.matches.sites.iter().cloned().collect())
    }

    fn is_for_site(&self, site: &str) -> bool {
        self.matches.sites.is_empty() || self.matches.sites.iter().any(|known| known == site)
    }

    fn is_for_severity(&self, of: Severity) -> bool {
        let least = self.matches.min_severity.as_deref().and_then(severity);
        least.is_none_or(|least| of >= least)
    }

    /// Whether it tells of an alarm.
    #[must_use]
    pub fn is_for(&self, alarm: &Alarm) -> bool {
        let has = |list: &[String], name: &str| list.is_empty() || list.iter().any(|known| known == name);
        let areas = &self.matches.areas;
        self.is_for_site(&alarm.site)
            && self.is_for_severity(alarm.severity)
            && (areas.is_empty() || areas.iter().any(|area| is_within(area, &alarm.area)))
            && has(&self.matches.classes, &alarm.class)
            && has(&self.matches.conditions, &alarm.condition)
    }

    /// Whether it tells what came and went during an outage: it must be for the whole site, and for warnings.
    #[must_use]
    pub fn is_for_outages(&self, site: &str) -> bool {
        let whole = self.matches.areas.is_empty() && self.matches.classes.is_empty();
        whole && self.matches.conditions.is_empty() && self.is_for_site(site) && self.is_for_severity(Severity::Warning)
    }
}

fn check_names(problems: &mut Vec<String>, what: &str, list: &[String]) {
    if list.len() > NAMES {
        problems.push(format!("{what} has at most {NAMES} entries"));
    }
    if list.iter().any(|name| name.is_empty() || name.len() > kouan_protocol::limits::TEXT_BYTES) {
        problems.push(format!("{what}: an entry is empty or too long"));
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(matches: Match) -> RouteSettings {
        let step = RouteStep { channels: vec!["nc-1".into()], ..RouteStep::default() };
        RouteSettings { name: "r".into(), enabled: true, matches, steps: vec![step], quiet: None, repeat_minutes: None }
    }

    #[test]
    fn an_empty_list_is_for_all_and_the_least_severity_counts() {
        let alarm = Alarm::example("1", "hall", Severity::Major, 0);
        assert!(route(Match::default()).is_for(&alarm));
        let matching = |edit: fn(&mut Match)| {
            let mut matches = Match::default();
            edit(&mut matches);
            route(matches).is_for(&alarm)
        };
        assert!(matching(|m| m.min_severity = Some("major".into())));
        assert!(!matching(|m| m.min_severity = Some("critical".into())));
        assert!(matching(|m| m.classes = vec!["camera".into(), "gate".into()]));
        assert!(!matching(|m| m.sites = vec!["pier".into()]));
        assert!(!matching(|m| m.areas = vec!["lane 2".into()]));
        assert!(!matching(|m| m.conditions = vec!["battery-low".into()]));
    }

    #[test]
    fn every_problem_is_told() {
        let mut wrong = route(Match { min_severity: Some("fatal".into()), ..Match::default() });
        assert!(!wrong.problems().is_empty());
        wrong.name = " ".into();
        wrong.steps[0].roles = vec!["king".into()];
        wrong.steps.push(RouteStep::default());
        wrong.repeat_minutes = Some(1);
        let problems = wrong.problems().join("\n");
        for part in ["name has", "min_severity", "\"king\"", "step 2: name at least one channel", "repeat_minutes"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
        assert!(route(Match::default()).problems().is_empty());
    }
}
