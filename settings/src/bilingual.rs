//! Texts in English and Chinese.
//!
//! What a person meets is written once, in both languages, where it comes about: [`both!`](crate::both). A function that
//! takes a [`Bilingual`] cannot be given a text in one language by mistake.

use std::fmt;
use std::io;

/// A text in English and in Chinese. It displays in English, for logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bilingual {
    /// In English.
    pub english: String,
    /// In Chinese.
    pub chinese: String,
}

/// An error that can be said in both languages.
pub trait Translate {
    /// What is wrong, in both languages.
    fn translate(&self) -> Bilingual;
}

impl Bilingual {
    /// The two texts.
    #[must_use]
    pub fn new(english: impl Into<String>, chinese: impl Into<String>) -> Self {
        Self { english: english.into(), chinese: chinese.into() }
    }

    /// The words of a device, the system or a person, which are the same in every language.
    #[must_use]
    pub fn verbatim(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { chinese: text.clone(), english: text }
    }

    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.english.is_empty()
    }
}

impl fmt::Display for Bilingual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

impl std::error::Error for Bilingual {}

impl From<(&str, &str)> for Bilingual {
    fn from((english, chinese): (&str, &str)) -> Self {
        Self::new(english, chinese)
    }
}

impl Translate for Bilingual {
    fn translate(&self) -> Bilingual {
        self.clone()
    }
}

impl<T: Translate + ?Sized> Translate for &T {
    fn translate(&self) -> Bilingual {
        (**self).translate()
    }
}

impl Translate for io::Error {
    fn translate(&self) -> Bilingual {
        Bilingual::new(self.to_string(), self.chinese())
    }
}

/// What the system says of a failure, in Chinese, with the system's own number.
trait Chinese {
    fn chinese(&self) -> String;
}

impl Chinese for io::Error {
    fn chinese(&self) -> String {
        use io::ErrorKind as Kind;
        let text = match self.kind() {
            Kind::NotFound => "不存在",
            Kind::PermissionDenied => "没有权限",
            Kind::ConnectionRefused => "连接被拒绝",
            Kind::ConnectionReset => "连接被对方断开",
            Kind::ConnectionAborted => "连接中断",
            Kind::HostUnreachable => "主机不可达",
            Kind::NetworkUnreachable => "网络不可达",
            Kind::NotConnected => "没有连接",
            Kind::AddrInUse => "地址已被占用",
            Kind::AddrNotAvailable => "本机没有这个地址",
            Kind::NetworkDown => "网络已断开",
            Kind::BrokenPipe => "对方已关闭连接",
            Kind::AlreadyExists => "已经存在",
            Kind::NotADirectory => "不是文件夹",
            Kind::IsADirectory => "是文件夹，不是文件",
            Kind::ReadOnlyFilesystem => "文件系统为只读",
            Kind::StorageFull => "磁盘已满",
            Kind::ResourceBusy => "设备正被使用",
            Kind::TimedOut => "超时",
            Kind::UnexpectedEof => "数据提前结束",
            Kind::OutOfMemory => "内存不足",
            Kind::Interrupted => "被中断",
            _ => return self.to_string(),
        };
        match self.raw_os_error() {
            Some(number) => format!("{text}（系统错误 {number}）"),
            // Whoever made it may have said more than its kind says.
            None if self.get_ref().is_some() => format!("{text}（{self}）"),
            None => text.to_owned(),
        }
    }
}

/// A text in both languages: `both!("no answer within {wait:?}", "{wait:?} 内没有应答")`.
///
/// Values follow a comma, `both!("{n} is too large", "{n} 太大", n = count())`; what itself has two languages
/// ([`Translate`]) follows a semicolon, `both!("opening failed: {cause}", "打开失败：{cause}"; cause)`.
#[macro_export]
macro_rules! both {
    ($english:literal, $chinese:literal $(,)?) => {
        $crate::Bilingual { english: format!($english), chinese: format!($chinese) }
    };
    ($english:literal, $chinese:literal, $($name:ident = $value:expr),+ $(,)?) => {{
        $(let $name = $value;)+
        $crate::Bilingual { english: format!($english), chinese: format!($chinese) }
    }};
    ($english:literal, $chinese:literal; $($part:ident),+ $(,)?) => {{
        $(let $part = $crate::Translate::translate(&$part);)+
        $crate::Bilingual {
            english: { $(let $part = &$part.english;)+ format!($english) },
            chinese: { $(let $part = &$part.chinese;)+ format!($chinese) },
        }
    }};
    ($english:literal, $chinese:literal; $($part:ident = $value:expr),+ $(,)?) => {{
        $(let $part = $crate::Translate::translate(&$value);)+
        $crate::Bilingual {
            english: { $(let $part = &$part.english;)+ format!($english) },
            chinese: { $(let $part = &$part.chinese;)+ format!($chinese) },
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_with_their_values() {
        let (unit, cause) = (7, io::Error::from(io::ErrorKind::ConnectionRefused));
        let said = both!("unit {unit}: {cause}", "地址 {unit}：{cause}"; cause);
        assert_eq!(said, Bilingual::new("unit 7: connection refused", "地址 7：连接被拒绝"));
        let outer = both!("reading failed ({n} times): {why}", "读取失败（{n} 次）：{why}", n = 2, why = "x");
        assert_eq!(outer.chinese, "读取失败（2 次）：x");
        let nested = both!("link closed: {said}", "线路已断开：{said}"; said);
        assert_eq!(nested.chinese, "线路已断开：地址 7：连接被拒绝");
        assert_eq!(nested.to_string(), "link closed: unit 7: connection refused");
    }

    #[test]
    fn what_the_system_says_keeps_its_number() {
        assert_eq!(io::Error::from_raw_os_error(13).translate().chinese, "没有权限（系统错误 13）");
        let told = io::Error::new(io::ErrorKind::NotFound, "no such port");
        assert_eq!(told.translate().chinese, "不存在（no such port）");
        assert!(io::Error::other("strange").translate().chinese.contains("strange"));
    }
}
