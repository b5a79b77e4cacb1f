//! What can be wrong with the arguments of a command.

use std::fmt;

use crate::catalogue::ArgumentKind;

/// An argument does not fit the action.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentProblem {
    /// It is there twice.
    Twice(String),
    /// The action does not take it.
    Unknown {
        /// The argument.
        name: String,
        /// The action.
        action: String,
        /// What the action takes.
        known: Vec<String>,
    },
    /// It is not there.
    Missing {
        /// The argument.
        name: String,
        /// What it should be.
        kind: ArgumentKind,
    },
    /// It is none of the words that are possible.
    Choice {
        /// The argument.
        name: String,
        /// What it is.
        text: String,
        /// What is possible.
        choices: Vec<String>,
    },
    /// It is of another kind, or too long.
    Kind {
        /// The argument.
        name: String,
        /// What it should be.
        kind: ArgumentKind,
    },
    /// It is too small or too large.
    Range {
        /// The argument.
        name: String,
        /// What it is.
        number: f64,
        /// The least that is possible.
        min: Option<f64>,
        /// The most that is possible.
        max: Option<f64>,
    },
}

impl fmt::Display for ArgumentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(name) => write!(f, "argument \"{name}\" is given twice"),
            Self::Unknown { name, action, known } => {
                let known = if known.is_empty() { "no arguments".to_owned() } else { known.join(", ") };
                write!(f, "\"{name}\" is not an argument of {action}; it takes {known}")
            }
            Self::Missing { name, kind } => write!(f, "argument \"{name}\" ({}) is missing", kind.word()),
            Self::Choice { name, text, choices } => {
                write!(f, "argument \"{name}\" is \"{text}\"; it must be one of {}", choices.join(", "))
            }
            Self::Kind { name, kind } => write!(f, "argument \"{name}\" must be {}", kind.word()),
            Self::Range { name, number, min, max } => {
                let (min, max) = bounds(*min, *max);
                write!(f, "argument \"{name}\" is {number}; it must be between {min} and {max}")
            }
        }
    }
}

impl ArgumentProblem {
    /// The same in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Twice(name) => format!("参数“{name}”给了两次"),
            Self::Unknown { name, action, known } if known.is_empty() => {
                format!("{action} 没有参数“{name}”；它不需要参数")
            }
            Self::Unknown { name, action, known } => {
                format!("{action} 没有参数“{name}”；它的参数：{}", known.join("、"))
            }
            Self::Missing { name, kind } => format!("缺少参数“{name}”（{}）", kind.chinese()),
            Self::Choice { name, text, choices } => {
                format!("参数“{name}”是“{text}”；只能是 {}", choices.join("、"))
            }
            Self::Kind { name, kind } => format!("参数“{name}”应为{}", kind.chinese()),
            Self::Range { name, number, min, max } => {
                let (min, max) = bounds(*min, *max);
                format!("参数“{name}”是 {number}；应在 {min} 至 {max} 之间")
            }
        }
    }
}

fn bounds(min: Option<f64>, max: Option<f64>) -> (String, String) {
    let bound = |bound: Option<f64>, none: &str| bound.map_or(none.to_owned(), |bound| bound.to_string());
    (bound(min, "-∞"), bound(max, "∞"))
}
