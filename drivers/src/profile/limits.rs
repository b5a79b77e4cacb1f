//! Conditions that somebody must care about, judged at the agent: `[[alarm]]` of a profile or a device.
//!
//! A value beyond a limit with hysteresis, a state that shows a word, a value that is not read any more, a device that
//! is not well; each with a delay before it is raised and before it is cleared.

use std::time::Duration;

use kouan_protocol::{HealthLevel, PointKind, PointName, Severity};
use kouan_settings::{Bilingual, Problems, Section, both};

use super::point::PointProfile;

/// Where no hysteresis is given: this part of the limit.
const HYSTERESIS: f64 = 0.02;
/// Most alarms of one profile or device.
const MOST: usize = 64;

/// An alarm of a device, as its profile or its entry has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Line in its file.
    pub line: usize,
    /// The alarm's name within the device; with a `*` in the point's name its rest is put behind: `door-open.2`.
    pub condition: String,
    /// The point, or all whose names begin like this: `door.*`. Empty where the device's health is judged.
    pub point: String,
    /// Points that are not meant although their names begin like that: another alarm tells the same cause.
    pub except: Vec<String>,
    /// When it holds.
    pub test: LimitTest,
    /// For how long that must have been so.
    pub raise_after: Duration,
    /// For how long it must not have been so before it is over.
    pub clear_after: Duration,
    /// How much it matters.
    pub severity: Severity,
    /// What to tell a person, in English.
    pub text: String,
    /// The same in Chinese; empty where nobody wrote it.
    pub text_zh: String,
}

/// When an alarm holds.
#[derive(Debug, Clone, PartialEq)]
pub enum LimitTest {
    /// A number is more than the limit; over once it is no more than the limit less the hysteresis.
    Above {
        /// In the point's unit.
        limit: f64,
        /// In the point's unit.
        hysteresis: f64,
    },
    /// A number is less than the limit; over once it is no less than the limit and the hysteresis.
    Below {
        /// In the point's unit.
        limit: f64,
        /// In the point's unit.
        hysteresis: f64,
    },
    /// A state shows one of these words.
    Equals(Vec<String>),
    /// The point was not read for so long.
    Stale(Duration),
    /// The device's health is no better than this.
    Health(HealthLevel),
}

impl Limit {
    /// Whether a point is meant.
    #[must_use]
    pub fn means(&self, name: &PointName) -> bool {
        match self.point.strip_suffix('*') {
            Some(start) => name.as_str().starts_with(start) && !self.except.iter().any(|not| not == name.as_str()),
            None => name.as_str() == self.point,
        }
    }

    /// The alarm's name at a point.
    #[must_use]
    pub fn condition_at(&self, name: &PointName) -> String {
        match self.point.strip_suffix('*').and_then(|start| name.as_str().strip_prefix(start)) {
            Some(rest) if !rest.is_empty() => format!("{}.{rest}", self.condition),
            _ => self.condition.clone(),
        }
    }
}

/// Reads every `[[alarm]]`.
pub(crate) fn read_limits(section: &mut Section<'_>) -> Vec<Limit> {
    let mut limits: Vec<Limit> = Vec::new();
    for mut table in section.sections("alarm") {
        let Some(limit) = read_limit(&mut table) else { continue };
        if limits.iter().any(|earlier| earlier.condition == limit.condition && earlier.point == limit.point) {
            let name = &limit.condition;
            table.wrong(
                "condition",
                both!("there is already an alarm \"{name}\" of this point", "这个测点已有告警“{name}”"),
            );
        }
        limits.push(limit);
    }
    if limits.len() > MOST {
        let count = limits.len();
        section.wrong(
            "alarm",
            both!("there are {count} alarms; {MOST} are the most", "有 {count} 条告警；最多 {MOST} 条"),
        );
    }
    limits
}

fn read_limit(table: &mut Section<'_>) -> Option<Limit> {
    let line = table.line();
    let condition = table.string_required(
        "condition",
        ("the alarm's name, such as condition = \"battery-low\"", "告警的名称，如 condition = \"battery-low\""),
    );
    let health = [
        ("unreachable", HealthLevel::Unreachable),
        ("reachable", HealthLevel::Reachable),
        ("answering", HealthLevel::Answering),
    ];
    let point = table.string("point");
    let hysteresis = table.number("hysteresis");
    if hysteresis.is_some_and(|hysteresis| !hysteresis.is_finite() || hysteresis < 0.0) {
        table.wrong(
            "hysteresis",
            ("this must be a number from 0 on, in the point's unit", "应当是不小于 0 的数，单位与测点相同"),
        );
    }
    let default = |limit: f64| hysteresis.unwrap_or(limit.abs() * HYSTERESIS);
    let day = Duration::from_secs(86_400);
    let mut tests = Vec::new();
    tests.extend(table.number("above").map(|limit| LimitTest::Above { limit, hysteresis: default(limit) }));
    tests.extend(table.number("below").map(|limit| LimitTest::Below { limit, hysteresis: default(limit) }));
    if table.has("equals") {
        tests.push(LimitTest::Equals(table.strings("equals")));
    }
    if table.has("stale_after") {
        let after = table.duration_within("stale_after", Duration::from_secs(1)..=day * 30, day);
        tests.push(LimitTest::Stale(after));
    }
    tests.extend(table.choice("health", &health).map(LimitTest::Health));
    let raise_after = table.duration_within("raise_after", Duration::ZERO..=day, Duration::ZERO);
    let clear_after = table.duration_within("clear_after", Duration::ZERO..=day, Duration::ZERO);
    let severity = read_severity(table);
    table.require(
        "text",
        (
            "what to tell a person, such as text = { zh = \"电池电量低\", en = \"battery low\" }",
            "给人看的文字，如 text = { zh = \"电池电量低\", en = \"battery low\" }",
        ),
    );
    let (text, text_zh) = match table.section("text") {
        Some(mut text) => {
            let english = text.string_required("en", ("the text in English", "英文文字"));
            (english.unwrap_or_default(), text.string("zh").unwrap_or_default())
        }
        None => (String::new(), String::new()),
    };
    if tests.len() != 1 {
        table.wrong(
            "equals",
            (
                "say one of above, below, equals, stale_after and health",
                "请写 above、below、equals、stale_after、health 之一",
            ),
        );
        return None;
    }
    let test = tests.remove(0);
    let number = matches!(test, LimitTest::Above { .. } | LimitTest::Below { .. });
    if hysteresis.is_some() && !number {
        table.wrong("hysteresis", ("this belongs to above or below", "这一项只用于 above 或 below"));
    }
    match (&test, &point) {
        (LimitTest::Health(_), Some(_)) => table
            .wrong("point", ("the health is the whole device's: name no point", "健康状态是整个设备的：不要写测点")),
        (LimitTest::Health(_), None) | (_, Some(_)) => {}
        (_, None) => table.wrong(
            "point",
            (
                "this is missing: the point that is judged, such as point = \"smoke\"",
                "缺少这一项：判断哪个测点，如 point = \"smoke\"",
            ),
        ),
    }
    let point = point.unwrap_or_default();
    let condition = condition?;
    if condition.is_empty() || condition.len() > kouan_protocol::limits::NAME_BYTES {
        table.wrong(
            "condition",
            ("this must be a short name, such as \"battery-low\"", "应当是简短的名称，如 \"battery-low\""),
        );
    }
    let except = table.strings("except");
    if !except.is_empty() && !point.ends_with('*') {
        table.wrong("except", ("this belongs to a point with a *", "这一项只用于带 * 的测点"));
    }
    Some(Limit { line, condition, point, except, test, raise_after, clear_after, severity: severity?, text, text_zh })
}

/// How much an alarm matters.
pub(super) fn read_severity(table: &mut Section<'_>) -> Option<Severity> {
    let severities = [
        ("info", Severity::Info),
        ("warning", Severity::Warning),
        ("major", Severity::Major),
        ("critical", Severity::Critical),
    ];
    table.require(
        "severity",
        (
            "how much it matters: \"info\", \"warning\", \"major\" or \"critical\"",
            "严重程度：\"info\"、\"warning\"、\"major\" 或 \"critical\"",
        ),
    );
    table.choice("severity", &severities)
}

/// Reports what alarms say about points that there are not, or that are of another kind.
pub(crate) fn check_limits<'p>(
    limits: &[Limit],
    points: impl Iterator<Item = &'p PointProfile> + Clone,
    problems: &Problems,
) {
    for limit in limits.iter().filter(|limit| !limit.point.is_empty()) {
        let add = |key: &str, message: Bilingual| problems.wrong(limit.line, format!("alarm.{key}"), message);
        for name in limit.except.iter().filter(|name| points.clone().all(|point| point.spec.name.as_str() != **name)) {
            add("except", both!("there is no point \"{name}\"", "没有测点“{name}”"));
        }
        let mut meant = points.clone().filter(|point| limit.means(&point.spec.name)).peekable();
        if meant.peek().is_none() {
            let name = &limit.point;
            add("point", both!("there is no point \"{name}\"", "没有测点“{name}”"));
        }
        for point in meant {
            let (name, kind) = (&point.spec.name, point.spec.kind);
            match &limit.test {
                LimitTest::Above { .. } | LimitTest::Below { .. } => {
                    if !matches!(kind, PointKind::Measurement | PointKind::Counter) {
                        add(
                            "point",
                            both!(
                                "\"{name}\" is no number; say which word it shows, with equals",
                                "“{name}”不是数；请用 equals 写明它显示哪个词"
                            ),
                        );
                    }
                }
                LimitTest::Equals(words) => {
                    if !matches!(kind, PointKind::State | PointKind::Text) {
                        add(
                            "point",
                            both!("\"{name}\" is a number; use above or below", "“{name}”是数；请用 above 或 below"),
                        );
                    }
                    let known = &point.spec.states;
                    let foreign = words.iter().find(|word| !known.is_empty() && !known.contains(word));
                    if let Some(word) = foreign {
                        let may = known.join(", ");
                        add(
                            "equals",
                            both!(
                                "\"{word}\" is no word of \"{name}\"; it may be {may}",
                                "“{name}”没有词“{word}”；可以是 {may}"
                            ),
                        );
                    }
                }
                LimitTest::Stale(_) | LimitTest::Health(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kouan_settings::Document;

    use super::*;

    fn read(text: &str) -> Result<Vec<Limit>, String> {
        let document = Document::parse("test.toml", text).map_err(|problems| problems.to_string())?;
        let problems = Problems::new("test.toml", text);
        let mut root = document.root(&problems);
        let limits = read_limits(&mut root);
        drop(root);
        problems.into_result(limits).map_err(|problems| problems.to_string())
    }

    const TAIL: &str = "severity = \"major\"\ntext = { zh = \"高温\", en = \"too hot\" }\n";

    #[test]
    fn a_limit_has_a_hysteresis_also_where_none_is_given() {
        let head = "[[alarm]]\ncondition = \"temperature-high\"\npoint = \"temperature.*\"\nabove = 50\n";
        let limits = read(&format!("{head}{TAIL}")).unwrap();
        assert_eq!(limits[0].test, LimitTest::Above { limit: 50.0, hysteresis: 1.0 });
        assert_eq!((limits[0].text.as_str(), limits[0].text_zh.as_str()), ("too hot", "高温"));
        let room = "temperature.room".parse().unwrap();
        assert!(limits[0].means(&room) && !limits[0].means(&"humidity".parse().unwrap()));
        assert_eq!(limits[0].condition_at(&room), "temperature-high.room");
        let given = read(&format!("{head}hysteresis = 2\nraise_after = \"1m\"\n{TAIL}")).unwrap();
        assert_eq!(given[0].test, LimitTest::Above { limit: 50.0, hysteresis: 2.0 });
        assert_eq!(given[0].raise_after, Duration::from_secs(60));
    }

    #[test]
    fn what_is_wrong_with_an_alarm_is_said() {
        for (text, expected) in [
            ("condition = \"a\"\npoint = \"p\"\n", "say one of above"),
            ("condition = \"a\"\npoint = \"p\"\nabove = 1\nbelow = 0\n", "say one of above"),
            ("condition = \"a\"\nabove = 1\n", "point: this is missing"),
            ("condition = \"a\"\npoint = \"p\"\nhealth = \"unreachable\"\n", "name no point"),
            ("condition = \"a\"\npoint = \"p\"\nequals = [\"on\"]\nhysteresis = 1\n", "belongs to above or below"),
            ("point = \"p\"\nabove = 1\n", "condition: this is missing"),
        ] {
            let said = read(&format!("[[alarm]]\n{text}{TAIL}")).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
        let said = read("[[alarm]]\ncondition = \"a\"\npoint = \"p\"\nabove = 1\n").unwrap_err();
        assert!(said.contains("severity: this is missing") && said.contains("text: this is missing"), "{said}");
    }
}
