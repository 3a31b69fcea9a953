//! What a contestant has done and used, as it travels between processes: one line of JSON.

use serde::{Deserialize, Serialize};

/// One contestant in one scenario, measured once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) wall_s: f64,
    /// User and system, of the trial's process alone, while the clock ran.
    pub(crate) cpu_s: f64,
    /// Of the trial's process.
    pub(crate) peak_working_set_bytes: u64,
    /// Of the trial's process, its main thread included, when half of the work was done; where the
    /// processes wait at a gate, also when all were there, if those were more.
    pub(crate) threads: u32,
    /// How many processes came to an end.
    pub(crate) processes: u64,
    /// Captured, both streams of all processes together.
    pub(crate) bytes: u64,
    /// How often a start or a read was tried again because the system refused it.
    pub(crate) retries: u64,
    /// How many processes were not started, had a wrong exit code or lost output.
    pub(crate) bad: u64,
    /// What was wrong with the first of them.
    pub(crate) first_bad: Option<String>,
}

impl Sample {
    pub(crate) fn add_bad(&mut self, what: String) {
        self.bad += 1;
        self.first_bad.get_or_insert(what);
    }

    /// Whether all that was asked for was done, or what was not.
    pub(crate) fn judge(&self, processes: u64, bytes: u64) -> Result<(), String> {
        if self.bad > 0 {
            let first = self.first_bad.as_deref().unwrap_or("it does not say how");
            return Err(format!("{} of {processes} went wrong: {first}", self.bad));
        }
        if self.processes != processes {
            return Err(format!("{} of {processes} ended", self.processes));
        }
        if self.bytes != bytes {
            let found = self.bytes;
            return Err(format!("LOST OUTPUT: captured {found} of {bytes} bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_failed_does_not_count() {
        let mut sample = Sample {
            processes: 2,
            bytes: 10,
            ..Sample::default()
        };
        assert_eq!(sample.judge(2, 10), Ok(()));
        let lost = sample.judge(2, 11).expect_err("a byte is missing");
        assert_eq!(lost, "LOST OUTPUT: captured 10 of 11 bytes");
        assert!(sample.judge(3, 10).is_err());
        sample.add_bad("first".into());
        sample.add_bad("second".into());
        let bad = sample.judge(2, 10).expect_err("two are bad");
        assert_eq!(bad, "2 of 2 went wrong: first");
    }
}
