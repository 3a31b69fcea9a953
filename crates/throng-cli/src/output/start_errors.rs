//! Why commands could not be started. Each reason is reported once, with a count at the end: if a
//! program is missing, it is the same for all commands.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many different reasons are remembered; others are reported each time.
const REASONS_MAX: usize = 1000;

/// For each reason, how many commands had it after the first.
#[derive(Debug, Default)]
pub(super) struct StartErrors(Mutex<HashMap<String, u64>>);

impl StartErrors {
    /// Whether this reason has not been reported before.
    pub(super) fn is_new(&self, reason: &str) -> bool {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = reasons.get_mut(reason) {
            *count += 1;
            return false;
        }
        if reasons.len() < REASONS_MAX {
            reasons.insert(reason.to_owned(), 0);
        }
        true
    }

    /// A line for each reason of more than one command, the most frequent first.
    pub(super) fn repeated(&self) -> Vec<String> {
        let reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut repeated: Vec<_> = reasons.iter().filter(|(_, count)| **count > 0).collect();
        repeated.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
        let line = |(reason, count): (&String, &u64)| match count {
            1 => format!("{reason}: the same for 1 other command"),
            _ => format!("{reason}: the same for {count} other commands"),
        };
        repeated.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_error_is_printed_once_and_then_counted() {
        let errors = StartErrors::default();
        assert!(errors.is_new("a") && errors.is_new("b") && errors.is_new("c"));
        assert!(!errors.is_new("b") && !errors.is_new("b") && !errors.is_new("c"));
        assert_eq!(
            errors.repeated(),
            [
                "b: the same for 2 other commands",
                "c: the same for 1 other command"
            ]
        );
    }

    #[test]
    fn distinct_start_errors_use_bounded_memory() {
        let errors = StartErrors::default();
        assert!((0..3 * REASONS_MAX).all(|n| errors.is_new(&n.to_string())));
        assert!(errors.is_new("2999"), "it is not remembered");
        assert_eq!(errors.0.lock().unwrap().len(), REASONS_MAX);
    }
}
