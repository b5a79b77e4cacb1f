//! Everything that is wrong with a file, at once.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One thing that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Where in the document: `link[2].port`.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
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

    /// Adds a problem at a line.
    pub fn add(&self, line: usize, place: impl Into<String>, message: impl Into<String>) {
        self.lock().push(Problem { line, place: place.into(), message: message.into() });
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
