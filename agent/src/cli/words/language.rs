//! The languages, and how a text is looked up in one.

use clap::ValueEnum;
use kouan_settings::{Bilingual, Translate};

/// A language of the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Language {
    /// English.
    #[value(name = "en", alias = "english")]
    English,
    /// 中文
    #[value(name = "zh", alias = "chinese", alias = "zh_CN")]
    Chinese,
}

/// Says things in one language.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Words {
    pub(super) language: Language,
}

impl Words {
    pub(in crate::cli) fn new(language: Language) -> Self {
        Self { language }
    }

    pub(in crate::cli) fn is_chinese(self) -> bool {
        self.language == Language::Chinese
    }

    /// What has both languages.
    pub(in crate::cli) fn said(self, what: &impl Translate) -> String {
        let Bilingual { english, chinese } = what.translate();
        if self.is_chinese() && !chinese.is_empty() { chinese } else { english }
    }

    /// A text that somebody wrote in both languages; in English where there is no Chinese one.
    pub(in crate::cli) fn either<'t>(self, english: &'t str, chinese: &'t str) -> &'t str {
        if self.is_chinese() && !chinese.is_empty() { chinese } else { english }
    }
}

impl Language {
    /// The language of the environment: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set.
    pub(in crate::cli) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
        match set {
            Some(value) if value.starts_with("zh") => Self::Chinese,
            _ => Self::English,
        }
    }
}

/// Texts with their places, in both languages: `name(arguments) { "English" "中文" }` becomes a method of [`Words`].
macro_rules! texts {
    ($($name:ident($($argument:ident),*) { $english:tt $chinese:tt })*) => {
        impl $crate::cli::words::Words {
            $(
                #[allow(clippy::too_many_arguments)]
                pub(in $crate::cli) fn $name(self $(, $argument: impl std::fmt::Display)*) -> String {
                    match self.language {
                        $crate::cli::words::Language::English => format!($english),
                        $crate::cli::words::Language::Chinese => format!($chinese),
                    }
                }
            )*
        }

        /// Name, English and Chinese of every text here.
        #[cfg(test)]
        pub(super) const TEXTS: &[(&str, &str, &str)] = &[$((stringify!($name), $english, $chinese)),*];
    };
}
pub(super) use texts;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{say_device, say_doctor, say_files, say_scan};
    use super::*;

    #[test]
    fn the_environment_chooses_the_language() {
        let of = |pairs: &[(&str, &str)]| {
            Language::of_environment(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Language::Chinese);
        assert_eq!(of(&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")]), Language::English);
        assert_eq!(of(&[("LC_ALL", ""), ("LANG", "zh_TW.UTF-8")]), Language::Chinese);
        assert_eq!(of(&[]), Language::English);
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let places = |text: &str| -> BTreeSet<String> {
            text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
        };
        let mut names = BTreeSet::new();
        for (name, english, chinese) in
            [say_device::TEXTS, say_doctor::TEXTS, say_files::TEXTS, say_scan::TEXTS].into_iter().flatten()
        {
            assert!(names.insert(*name), "{name} is there twice");
            assert_eq!(places(english), places(chinese), "{name}");
            assert!(chinese.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)), "{name}: {chinese}");
            assert_eq!(english.ends_with('\n'), chinese.ends_with('\n'), "{name}");
        }
    }
}
