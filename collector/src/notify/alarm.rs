//! An alarm as notifications see it.

use kouan_protocol::Severity;
use serde::{Deserialize, Serialize};

/// Where an alarm is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// The condition holds.
    Raised,
    /// It holds no longer.
    Cleared,
    /// Nobody has to care any more.
    Closed,
}

/// One life of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Names it for ever.
    pub id: String,
    /// Where.
    pub site: String,
    /// Where there; empty if it is not known.
    pub area: String,
    /// The device's id; `None` for what concerns none.
    pub device: Option<String>,
    /// What people call the device.
    pub label: String,
    /// What the device is for.
    pub class: String,
    /// The agent that speaks to it.
    pub agent: String,
    /// The condition, such as `battery-low`.
    pub condition: String,
    /// How much it matters.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: Life,
    /// What it is about, in English.
    pub text: String,
    /// The same in Chinese; empty where there is none.
    pub text_zh: String,
    /// The value that raised it, with its unit; empty if there is none.
    pub value: String,
    /// When its life began.
    pub raised_ms: i64,
    /// When it was raised last.
    pub last_raised_ms: i64,
    /// Since when the condition does not hold.
    pub cleared_ms: Option<i64>,
    /// How often it was raised.
    pub count: i64,
    /// It comes and goes.
    pub flapping: bool,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
    /// Until when nobody wants to hear of it.
    pub shelved_until_ms: Option<i64>,
    /// Another alarm explains it.
    pub hidden: bool,
    /// How many others it explains.
    pub hides: i64,
    /// Somebody works there.
    pub maintenance: bool,
}

impl Default for Alarm {
    /// An alarm of which nothing is known yet.
    fn default() -> Self {
        Self {
            id: String::new(),
            site: String::new(),
            area: String::new(),
            device: None,
            label: String::new(),
            class: String::new(),
            agent: String::new(),
            condition: String::new(),
            severity: Severity::Info,
            state: Life::Closed,
            text: String::new(),
            text_zh: String::new(),
            value: String::new(),
            raised_ms: 0,
            last_raised_ms: 0,
            cleared_ms: None,
            count: 0,
            flapping: false,
            acknowledged_by: None,
            shelved_until_ms: None,
            hidden: false,
            hides: 0,
            maintenance: false,
        }
    }
}

impl Alarm {
    /// Whether nobody is to be told of it now.
    #[must_use]
    pub fn is_silent(&self, now: i64) -> bool {
        self.hidden || self.maintenance || self.shelved_until_ms.is_some_and(|until| until > now)
    }

    /// Whether it waits for somebody to see it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.state == Life::Raised && self.acknowledged_by.is_none()
    }
}

/// The severity of that name.
#[must_use]
pub fn severity(name: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Major, Severity::Critical]
        .into_iter()
        .find(|severity| severity_name(*severity) == name)
}

/// The name of a severity.
#[must_use]
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
impl Alarm {
    /// A raised alarm for tests.
    pub(crate) fn example(id: &str, site: &str, severity: Severity, at: i64) -> Self {
        Self {
            id: id.to_owned(),
            site: site.to_owned(),
            area: "lane 1".to_owned(),
            device: Some(format!("d-{id}")),
            label: format!("Gate {id}"),
            class: "gate".to_owned(),
            agent: format!("{site}-1"),
            condition: "no-answer".to_owned(),
            severity,
            state: Life::Raised,
            text: "does not answer".to_owned(),
            text_zh: "无应答".to_owned(),
            raised_ms: at,
            last_raised_ms: at,
            count: 1,
            ..Self::default()
        }
    }

    /// The same alarm, cleared.
    pub(crate) fn cleared(&self, at: i64) -> Self {
        Self { state: Life::Cleared, cleared_ms: Some(at), ..self.clone() }
    }
}
