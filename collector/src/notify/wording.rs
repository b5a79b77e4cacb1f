//! The shipped words.

use kouan_protocol::Severity;

use super::language::Language;

/// Subject and text of a kind of message; see `template::KINDS`.
#[must_use]
pub(super) fn shipped(kind: &str, language: Language) -> (&'static str, &'static str) {
    match (kind, language) {
        ("raise", Language::Zh) => ("【{severity}】{site} {device}：{what}", ONE_ZH),
        ("raise", Language::En) => ("{severity}: {device} at {site}: {what}", ONE_EN),
        ("clear", Language::Zh) => ("【{outcome}】{site} {device}：{what}", ONE_ZH),
        ("clear", Language::En) => ("{outcome}: {device} at {site}: {what}", ONE_EN),
        ("escalate", Language::Zh) => ("【{severity}·{duration}未确认】{site} {device}：{what}", ONE_ZH),
        ("escalate", Language::En) => ("{severity}, {duration} without an answer: {device} at {site}: {what}", ONE_EN),
        ("group", Language::Zh) => ("【{severity}】{changes}：{sites}", MANY_ZH),
        ("group", Language::En) => ("{severity}: {changes} at {sites}", MANY_EN),
        ("digest", Language::Zh) => ("【汇总】{changes}：{sites}", MANY_ZH),
        ("digest", Language::En) => ("Digest: {changes} at {sites}", MANY_EN),
        (_, Language::Zh) => (
            "【测试】Kouan 通知通道“{channel}”",
            "这是一条测试通知。\n发送人：{by}\n时间：{since}\n控制台：{link}\n编号：{id}",
        ),
        (_, Language::En) => (
            "Test of the channel \"{channel}\"",
            "This is a test notification of Kouan.\nSent by: {by}\nTime: {since}\nConsole: {link}\nNumber: {id}",
        ),
    }
}

const ONE_ZH: &str = "{severity}告警：{what}\n站点：{site}\n区域：{area}\n设备：{device}\n数值：{value}\n开始：{since}\n\
    持续：{duration}\n结束：{ended}\n次数：{count}\n影响：另有 {hides} 条告警由它引起\n确认：{acknowledged}\n\
    查看：{link}\n编号：{id}";
const ONE_EN: &str = "{severity} alarm: {what}\nSite: {site}\nArea: {area}\nDevice: {device}\nValue: {value}\n\
    Since: {since}\nFor: {duration}\nEnded: {ended}\nTimes: {count}\nExplains: {hides} other alarms\n\
    Acknowledged by: {acknowledged}\nDetails: {link}\nNumber: {id}";
const MANY_ZH: &str =
    "{changes}\n级别：{severities}\n站点：{sites}\n{list}\n{more}\n{outages}\n查看：{link}\n编号：{id}";
const MANY_EN: &str =
    "{changes}\nSeverities: {severities}\nSites: {sites}\n{list}\n{more}\n{outages}\nDetails: {link}\nNumber: {id}";

/// A severity as people say it.
#[must_use]
pub(super) fn severity(of: Severity, language: Language) -> &'static str {
    match (language, of) {
        (Language::Zh, Severity::Info) => "提示",
        (Language::Zh, Severity::Warning) => "警告",
        (Language::Zh, Severity::Major) => "重要",
        (Language::Zh, Severity::Critical) => "紧急",
        (Language::En, Severity::Info) => "Info",
        (Language::En, Severity::Warning) => "Warning",
        (Language::En, Severity::Major) => "Major",
        (Language::En, Severity::Critical) => "Critical",
    }
}

/// How long something took.
#[must_use]
pub(super) fn duration(ms: i64, language: Language) -> String {
    let seconds = ms.max(0) / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let parts: Vec<String> = match language {
        Language::Zh => [(days, "天"), (hours, "小时"), (minutes, "分钟")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count}{unit}"))
            .collect(),
        Language::En => [(days, "d"), (hours, "h"), (minutes, "min")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count} {unit}"))
            .collect(),
    };
    match (parts.is_empty(), language) {
        (true, Language::Zh) => format!("{seconds}秒"),
        (true, Language::En) => format!("{seconds} s"),
        (false, Language::Zh) => parts.into_iter().take(2).collect(),
        (false, Language::En) => parts.into_iter().take(2).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::template::{KINDS, Template, check_templates};

    #[test]
    fn what_is_shipped_reads() {
        for language in [Language::Zh, Language::En] {
            for (kind, _) in KINDS {
                let (subject, text) = shipped(kind, language);
                let template = Template { subject: subject.to_owned(), text: text.to_owned() };
                let mut problems = Vec::new();
                check_templates(&[(kind.to_owned(), template)].into(), &mut problems);
                assert_eq!(problems, Vec::<String>::new(), "{kind} {language:?}");
            }
        }
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(duration(5_000, Language::En), "5 s");
        assert_eq!(duration(65 * 60_000, Language::En), "1 h 5 min");
        assert_eq!(duration(65 * 60_000, Language::Zh), "1小时5分钟");
        assert_eq!(duration(49 * 3_600_000 + 60_000, Language::Zh), "2天1小时");
        assert_eq!(duration(-1, Language::Zh), "0秒");
    }
}
