//! Messages as the robots of chat groups take them: Markdown in which nothing is a link or a mark but what we mean.

/// One line of text without marks.
pub(super) fn plain(line: &str) -> String {
    let replaced = |letter: char| match letter {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '*' => '＊',
        '`' => '\'',
        '#' => '＃',
        '_' => '＿',
        '|' => '｜',
        other => other,
    };
    line.chars().map(replaced).collect()
}

/// The lines of a text, each without marks; what we link to stays a link.
pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            // Only what ends a line is ours: texts of devices stand before a bracket or are one line of their own.
            let link = line.split_once("：").or_else(|| line.split_once(": ")).filter(|(_, rest)| is_link(rest));
            match link {
                Some((name, url)) => format!("{}：[{}]({url})", plain(name), plain(url)),
                None => plain(line.trim_start_matches("- ")),
            }
        })
        .collect()
}

fn is_link(text: &str) -> bool {
    (text.starts_with("https://") || text.starts_with("http://"))
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>[]\"".contains(&byte))
}

/// The text up to `limit` bytes; whole lines, and a mark where something is missing.
pub(super) fn within(lines: &[String], separator: &str, limit: usize) -> String {
    let mut text = String::new();
    for line in lines {
        if text.len() + separator.len() + line.len() + separator.len() + "…".len() > limit {
            text.push_str(separator);
            text.push('…');
            return text;
        }
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_devices_make_no_marks() {
        let text = "重要告警：[click](http://evil.example) <at id=all> **x**\n查看：https://kouan.example/alarms/a-1";
        assert_eq!(
            lines(text),
            [
                "重要告警：［click］(http://evil.example) ＜at id=all＞ ＊＊x＊＊",
                "查看：[https://kouan.example/alarms/a-1](https://kouan.example/alarms/a-1)"
            ]
        );
    }

    #[test]
    fn long_texts_end_at_a_line() {
        let lines: Vec<String> = (0..100).map(|at| format!("第{at}行")).collect();
        let text = within(&lines, "\n", 200);
        assert!(text.len() <= 200 && text.ends_with("行\n…"), "{text}");
        assert_eq!(within(&lines[..2], "\n\n", 200), "第0行\n\n第1行");
    }
}
