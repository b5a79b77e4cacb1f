//! Everything that is wrong with a file, at once.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bilingual::{Bilingual, Translate};

/// One thing that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Where in the document: `link[2].port`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
    /// The same in Chinese, empty where there is none.
    pub message_zh: String,
}

/// The problems of one file. Readers add to it through a shared reference.
#[derive(Debug)]
pub struct Problems {
    file: String,
    line_starts: Vec<usize>,
    list: Mutex<Vec<Problem>>,
}

impl Problems {
    /// An empty list for `file`, whose text is `text`.
    #[must_use]
    pub fn new(file: &str, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            file: file.to_owned(),
            line_starts: std::iter::once(0).chain(starts).collect(),
            list: Mutex::new(Vec::new()),
        }
    }

    /// The file's name as problems show it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Adds a problem at a line, said in both languages.
    pub fn wrong(&self, line: usize, place: impl Into<String>, message: impl Into<Bilingual>) {
        let Bilingual { english, chinese } = message.into();
        self.lock().push(Problem { line, place: place.into(), message: english, message_zh: chinese });
    }

    /// Adds a problem at a line, said in English alone.
    pub fn add(&self, line: usize, place: impl Into<String>, message: impl Into<String>) {
        let message = message.into();
        self.lock().push(Problem { line, place: place.into(), message, message_zh: String::new() });
    }

    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The problems by line.
    #[must_use]
    pub fn list(&self) -> Vec<Problem> {
        let mut list = self.lock().clone();
        list.sort_by_key(|problem| problem.line);
        list
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Problem>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole list in Chinese, one a line; what has no Chinese stands in English.
    #[must_use]
    pub fn chinese(&self) -> String {
        let line = |problem: &Problem| {
            let place = if problem.place.is_empty() { String::new() } else { format!("{}：", problem.place) };
            let said = if problem.message_zh.is_empty() { &problem.message } else { &problem.message_zh };
            format!("{} 第 {} 行：{place}{said}", self.file, problem.line)
        };
        self.list().iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// `value` if nothing was found.
    ///
    /// # Errors
    /// The whole list otherwise.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.list().iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}: ", self.file, problem.line)?;
            if !problem.place.is_empty() {
                write!(f, "{}: ", problem.place)?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Translate for Problems {
    fn translate(&self) -> Bilingual {
        Bilingual::new(self.to_string(), self.chinese())
    }
}
