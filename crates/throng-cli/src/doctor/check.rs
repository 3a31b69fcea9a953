//! The self-check: children with known bytes through one mechanism, every one compared, and what
//! each has cost.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use throng::{Command, Mechanism, Outcome, Throng};

use super::CHILD;
use super::pattern::{Script, Side};
use crate::size::with_commas;
use crate::sys;

/// A start that takes longer in the middle of many is looked into by somebody.
const SLOW_START: Duration = Duration::from_millis(20);

#[derive(Debug, Serialize)]
pub(super) struct Check {
    mechanism: &'static str,
    /// Why it is not there, and then nothing was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    children: u32,
    verified: u32,
    /// What was wrong first.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    wall_each_s: f64,
    /// Ours and the child's; without ours where the system does not tell it.
    cpu_each_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_cpu_each_s: Option<f64>,
    median_start_s: f64,
    /// Whether whatever a child starts could be ended with it.
    contained: bool,
}

impl Check {
    pub(super) fn refused(mechanism: Mechanism, why: String) -> Check {
        Check {
            mechanism: mechanism.name(),
            refusal: Some(why),
            children: 0,
            verified: 0,
            fault: None,
            wall_each_s: 0.0,
            cpu_each_s: 0.0,
            own_cpu_each_s: None,
            median_start_s: 0.0,
            contained: true,
        }
    }

    pub(super) fn run(mechanism: Mechanism, children: u32) -> anyhow::Result<Check> {
        let own = std::env::current_exe().context("cannot find this program's file")?;
        let throng = Throng::builder().mechanism(mechanism).build()?;
        let commands = (0..children).map(move |number| {
            let mut command = Command::new(&own);
            command.arg(CHILD).arg(number.to_string());
            sys::set_leaf(&mut command);
            command
        });
        let mut check = Check::refused(mechanism, String::new());
        check.refusal = None;
        check.children = children;
        let (began, cpu_before) = (Instant::now(), sys::own_cpu());
        let mut cpu = Duration::ZERO;
        let mut starts = Vec::new();
        for outcome in throng.run(commands) {
            cpu += outcome.usage().user + outcome.usage().system;
            starts.push(outcome.start_latency());
            check.contained &= outcome.is_contained();
            match fault(&outcome) {
                None => check.verified += 1,
                Some(fault) => drop(check.fault.get_or_insert(fault)),
            }
        }
        let each = f64::from(children.max(1));
        let own = cpu_before.and_then(|before| Some(sys::own_cpu()?.saturating_sub(before)));
        check.wall_each_s = began.elapsed().as_secs_f64() / each;
        check.cpu_each_s = (cpu + own.unwrap_or_default()).as_secs_f64() / each;
        check.own_cpu_each_s = own.map(|own| own.as_secs_f64() / each);
        starts.sort_unstable();
        let median = starts.get(starts.len() / 2).copied();
        check.median_start_s = median.unwrap_or_default().as_secs_f64();
        Ok(check)
    }

    pub(super) fn is_fine(&self) -> bool {
        self.verified == self.children
    }

    pub(super) fn line(&self) -> String {
        let name = self.mechanism;
        if let Some(why) = &self.refusal {
            return format!("{name:<16} not available: {why}");
        }
        let (verified, all) = (u64::from(self.verified), u64::from(self.children));
        let us = |seconds: f64| format!("{:.0} µs", seconds * 1e6);
        let own = self
            .own_cpu_each_s
            .map(|own| format!(", {} of it ours", us(own)));
        let mut line = format!(
            "{name:<16} {} of {} children verified; each {}, and {} of CPU{}",
            with_commas(verified),
            with_commas(all),
            us(self.wall_each_s),
            us(self.cpu_each_s),
            own.unwrap_or_default()
        );
        if let Some(fault) = &self.fault {
            line += &format!("; {fault}");
        }
        line
    }

    pub(super) fn hint(&self) -> Option<String> {
        if !self.contained {
            return Some(format!(
                "{}: processes cannot be put in jobs of their own here, so what they start is not \
                 ended with them: this program is in a job that forbids it",
                self.mechanism
            ));
        }
        let median = Duration::from_secs_f64(self.median_start_s);
        (median > SLOW_START).then(|| {
            format!(
                "{}: half of all starts take longer than {} ms; {}",
                self.mechanism,
                median.as_millis(),
                sys::SLOW_STARTS
            )
        })
    }
}

/// What is wrong with this outcome, if anything is.
fn fault(outcome: &Outcome) -> Option<String> {
    let number = outcome.seq();
    let script = Script::of(u32::try_from(number).unwrap_or(u32::MAX));
    if let Some(error) = outcome.start_error() {
        return Some(error.to_string());
    }
    let code = outcome.status().and_then(|status| status.code());
    if code != Some(script.exit_code.into()) {
        let ended = outcome.status().map(|status| status.to_string());
        let ended = ended.unwrap_or_default();
        return Some(format!(
            "child {number} ended with {ended}, not {}",
            script.exit_code
        ));
    }
    if !outcome.is_complete() {
        return Some(format!("the capture of child {number} is not complete"));
    }
    let streams = [
        ("stdout", outcome.stdout(), script.bytes(Side::Out)),
        ("stderr", outcome.stderr(), script.bytes(Side::Err)),
    ];
    streams.into_iter().find_map(|(name, heard, said)| {
        let difference = difference(heard, &said)?;
        Some(format!("{name} of child {number} differs at {difference}"))
    })
}

/// Where what was heard is not what was said.
fn difference(heard: &[u8], said: &[u8]) -> Option<String> {
    if heard == said {
        return None;
    }
    let at = heard.iter().zip(said).take_while(|(a, b)| a == b).count();
    let (heard, said) = (heard.len(), said.len());
    Some(format!("byte {at}: {heard} of {said} bytes came"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_duplication_and_reordering_are_detected() {
        let said = Script::of(8).bytes(Side::Out);
        assert_eq!(difference(&said, &said), None);
        let end = said.len() - 1;
        let expected = format!("byte {end}: {end} of {} bytes came", said.len());
        assert_eq!(difference(&said[..end], &said), Some(expected));
        let mut swapped = said.clone();
        let other = (1..end).find(|i| swapped[*i] != swapped[0]).unwrap();
        swapped.swap(0, other);
        assert!(difference(&swapped, &said).unwrap().starts_with("byte 0: "));
        let twice = [&said[..], &said[..1]].concat();
        assert!(difference(&twice, &said).is_some());
    }

    #[test]
    fn a_check_with_a_fault_fails_and_reports_it() {
        let mut check = Check::refused(Mechanism::Threads, String::new());
        check.refusal = None;
        check.children = 10;
        check.verified = 9;
        check.fault = Some("stdout of child 3 differs at byte 0: 1 of 2 bytes came".into());
        assert!(!check.is_fine());
        assert!(
            check.line().contains("9 of 10 children verified"),
            "{}",
            check.line()
        );
        assert!(
            check
                .line()
                .ends_with("stdout of child 3 differs at byte 0: 1 of 2 bytes came")
        );
        check.median_start_s = 0.1;
        assert!(check.hint().unwrap().contains(sys::SLOW_STARTS));
        check.contained = false;
        assert!(check.hint().unwrap().contains("jobs of their own"));
    }
}
