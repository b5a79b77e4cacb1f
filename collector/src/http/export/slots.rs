//! How many exports are made at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::config::Exports;
use crate::http::Problem;

/// When to come again, in seconds.
const AGAIN: u32 = 30;

/// The slots.
#[derive(Debug)]
pub struct ExportSlots {
    limits: Exports,
    /// How many each caller has.
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    caller: String,
    patience: Duration,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

impl Slot {
    /// How long nothing may be taken of an export.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.caller);
            }
        }
    }
}

impl ExportSlots {
    /// None of them is taken.
    #[must_use]
    pub fn new(limits: Exports) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// Of several slots one caller gets all but a quarter, so that there is one for somebody else.
    fn of_one(&self) -> usize {
        (self.limits.at_once - self.limits.at_once / 4).max(1)
    }

    /// A slot for that caller, or what to tell who must come again.
    pub(super) fn take(&self, caller: &str) -> Result<Slot, Problem> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (taken.values().sum::<usize>(), taken.get(caller).copied().unwrap_or(0));
        if own >= self.of_one() {
            let detail = format!("{own} of your exports are under way; come again when one of them is done");
            let chinese = format!("您已有 {own} 个导出正在进行，请在其中一个完成后再试");
            return Err(Problem::not_now(AGAIN, detail).in_chinese(chinese));
        }
        if all >= self.limits.at_once {
            let detail = format!("{all} exports are under way; come again when one of them is done");
            let chinese = format!("已有 {all} 个导出正在进行，请稍后再试");
            return Err(Problem::not_now(AGAIN, detail).in_chinese(chinese));
        }
        *taken.entry(caller.to_owned()).or_default() += 1;
        let taken = Arc::clone(&self.taken);
        Ok(Slot { caller: caller.to_owned(), patience: self.limits.patience, taken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_gets_most_slots_and_all_together_no_more_than_there_are() {
        let slots = ExportSlots::new(Exports { at_once: 8, ..Exports::default() });
        let mut own: Vec<Slot> = (0..6).map(|_| slots.take("a").unwrap()).collect();
        assert!(slots.take("a").unwrap_err().detail().contains("your"));
        let _others: Vec<Slot> = (0..2).map(|_| slots.take("b").unwrap()).collect();
        assert!(!slots.take("b").unwrap_err().detail().contains("your"));
        own.pop();
        own.push(slots.take("c").unwrap());
        drop(own);
        assert_eq!(slots.taken.lock().unwrap().len(), 1);
        let only = ExportSlots::new(Exports { at_once: 1, ..Exports::default() });
        let _one = only.take("a").unwrap();
        assert!(only.take("b").is_err());
    }
}
