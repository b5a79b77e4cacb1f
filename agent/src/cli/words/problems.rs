//! Problems of a configuration in Chinese: where they are, and the most frequent sentences. What has no translation is
//! passed on as it is.

use kouan_settings::Problems;

/// The whole list, one a line.
pub(in crate::cli) fn in_chinese(problems: &Problems) -> String {
    let line = |problem: &kouan_settings::Problem| {
        let place = if problem.place.is_empty() { String::new() } else { format!("{}：", problem.place) };
        format!("{} 第 {} 行：{place}{}", problems.file(), problem.line, sentence(&problem.message))
    };
    problems.list().iter().map(line).collect::<Vec<_>>().join("\n")
}

fn sentence(message: &str) -> String {
    let unknown = "this key is not known here; did you mean \"";
    if let Some(known) = message.strip_prefix(unknown).and_then(|rest| rest.strip_suffix("\"?")) {
        return format!("这里没有这个键，是不是“{known}”？");
    }
    if let Some(known) = message.strip_prefix("this key is not known here; known are ") {
        return format!("这里没有这个键；可用的键：{known}");
    }
    if let Some(hint) = message.strip_prefix("this is missing: ") {
        return format!("缺少这一项：{hint}");
    }
    if let Some((expected, got)) = message.strip_prefix("this must be ").and_then(|rest| rest.split_once(", not this "))
    {
        return format!("应当是 {expected}，而不是 {got}");
    }
    if let Some((given, known)) = message.split_once(" is not known here; it must be one of ") {
        return format!("这里没有 {given}；只能是 {known}");
    }
    if let Some((given, known)) =
        message.strip_prefix("there is no profile ").and_then(|rest| rest.split_once("; known are "))
    {
        return format!("没有型号文件 {given}；现有：{known}");
    }
    if let Some(why) = message.strip_prefix("this is not valid TOML: ") {
        return format!("不是有效的 TOML：{why}");
    }
    if let Some(name) = message.strip_prefix("there is already a link named ") {
        return format!("已有名为 {name} 的线路");
    }
    if let Some((name, owner)) = message.split_once(" is already the name of ") {
        return format!("{name} 已是 {owner} 的名称");
    }
    if let Some((given, limits)) = message.split_once(" is outside ") {
        return format!("{given} 超出范围 {}", limits.replace(" to ", " 至 "));
    }
    match message {
        "this link has no device; add one as [[link.device]]" => {
            "这条线路没有设备，请用 [[link.device]] 添加".to_owned()
        }
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError};

    #[test]
    fn frequent_problems_are_said_in_chinese_with_their_lines() {
        let text = "dta = \"/x\"\n[[link]]\nname = \"a\"\nkind = \"modbsu\"\n[[link]]\nname = \"b\"\nkind = \"modbus\"\n\
                    serial = 5\n[[link.device]]\nname = \"d\"\nprofile = \"xy\"\nunit = 1\n";
        let Err(ConfigError::Problems(problems)) = Config::parse("agent.toml", text) else { panic!("it is wrong") };
        let said = super::in_chinese(&problems);
        for expected in
            ["agent.toml 第 1 行：dta：这里没有这个键，是不是“data”？", "只能是", "没有型号文件 \"xy\"", "应当是"]
        {
            assert!(said.contains(expected), "{said}");
        }
    }
}
