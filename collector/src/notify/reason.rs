//! Why a notification was not sent, in Chinese. On record it stands in English.

/// No address.
pub(super) const NO_ADDRESS: &str = "this user has no address for this channel";
/// Switched off before it was written.
pub(super) const OFF: &str = "the channel is switched off";
/// Removed or switched off since it was written.
pub(super) const GONE: &str = "the channel was removed or switched off";
/// It waited too long.
pub(super) const OLD: &str = "given up after a day";
/// There is no such user any more.
pub(super) const NO_USER: &str = "the user was removed";
/// The user may not sign in any more.
pub(super) const DISABLED: &str = "the user was disabled";
/// The user has no role at the site any more.
pub(super) const NO_SITE: &str = "the user may not see the site any more";

/// The reason in Chinese, with what a receiver answered as it came; `None` where there are no words for it.
pub(super) fn in_chinese(problem: &str) -> Option<String> {
    let words = |reason: &str| match reason {
        NO_ADDRESS => Some("该用户没有此通道可用的地址"),
        OFF => Some("通道已停用"),
        GONE => Some("通道已删除或停用"),
        OLD => Some("超过一天未能送达，已放弃"),
        NO_USER => Some("用户已删除"),
        DISABLED => Some("用户已停用"),
        NO_SITE => Some("用户已无权查看该站点"),
        _ => None,
    };
    match problem.split_once(": ") {
        Some((reason, answer)) => words(reason).map(|words| format!("{words}：{answer}")),
        None => words(problem).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_reasons_are_in_chinese_and_answers_stay() {
        assert_eq!(in_chinese(DISABLED).as_deref(), Some("用户已停用"));
        assert_eq!(in_chinese("given up after a day: 503 busy").as_deref(), Some("超过一天未能送达，已放弃：503 busy"));
        assert_eq!(in_chinese("the receiver answered 404"), None);
    }
}
