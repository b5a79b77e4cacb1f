//! Single words of closed vocabularies: health, quality, states of commands, fields of frames.

use super::Words;

/// English, as it stands in JSON and logs, and Chinese.
const TERMS: &[(&str, &str)] = &[
    // health
    ("working", "正常"),
    ("answering", "有应答"),
    ("reachable", "可达"),
    ("unreachable", "不可达"),
    ("disabled", "停用"),
    ("maintenance", "检修中"),
    ("unknown", "未知"),
    // why
    ("agent-not-running", "服务未运行"),
    ("bad-checksum", "校验错误"),
    ("driver-stopped", "驱动已停止"),
    ("left-for-agent", "留给代理读取"),
    ("late-answer", "应答迟到"),
    ("line-busy", "线路被占用"),
    ("link-closed", "线路打不开"),
    ("not-understood", "应答无法识别"),
    ("offline", "离线"),
    ("partly-read", "部分读不到"),
    ("refused", "被拒绝"),
    ("silent", "没有消息"),
    ("timeout", "超时无应答"),
    ("wants-key", "需要密钥"),
    ("wrong-settings", "配置不对"),
    ("wrong-unit", "地址不符"),
    // quality
    ("good", "可信"),
    ("uncertain", "存疑"),
    ("bad", "无效"),
    ("outofrange", "超出合理范围"),
    ("notavailable", "设备无此值"),
    ("readfailed", "读取失败"),
    ("notunderstood", "无法识别"),
    // commands
    ("succeeded", "成功"),
    ("failed", "失败"),
    ("expired", "过期未执行"),
    ("rejected", "被拒绝"),
    // frames
    ("address", "起始地址"),
    ("byte-count", "字节数"),
    ("checksum", "校验"),
    ("command", "命令"),
    ("count", "数量"),
    ("data", "数据"),
    ("end", "结束符"),
    ("endpoint", "端口"),
    ("equipment", "设备类型"),
    ("exception", "异常码"),
    ("function", "功能码"),
    ("junk", "无法识别的字节"),
    ("length", "长度"),
    ("protocol", "协议"),
    ("result", "返回码"),
    ("start", "起始符"),
    ("transaction", "事务号"),
    ("unit", "单元地址"),
    ("version", "版本"),
    ("opened", "打开"),
    ("sent", "发出"),
    ("received", "收到"),
    ("discarded", "丢弃"),
    ("right", "正确"),
    ("WRONG", "错误"),
    // severities and places
    ("information", "提示"),
    ("warning", "警告"),
    ("minor", "次要"),
    ("major", "重要"),
    ("critical", "紧急"),
];

impl Words {
    /// The word in this language; one that is not known stays as it is.
    pub(in crate::cli) fn term(self, english: &str) -> &str {
        if !self.is_chinese() {
            return english;
        }
        TERMS.iter().find(|(known, _)| *known == english).map_or(english, |(_, chinese)| chinese)
    }
}

#[cfg(test)]
mod tests {
    use kouan_drivers::link::trace::FIELDS;

    use super::super::Language;
    use super::*;

    #[test]
    fn every_field_of_a_frame_has_a_word() {
        let words = Words::new(Language::Chinese);
        for field in FIELDS {
            assert_ne!(words.term(field), field);
        }
        assert_eq!(words.term("something else"), "something else");
        assert_eq!(Words::new(Language::English).term("timeout"), "timeout");
    }
}
