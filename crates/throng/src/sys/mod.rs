//! The seam. Everything that differs by operating system is below it, and so is every `unsafe`.
//!
//! A system supplies the names at the end of this file, with these signatures; a missing or
//! different one does not compile. Above this file nothing asks which system it runs on.
//!
//! `base`, `options` and `os` are doors of their own, with their own lists.
//!
//! An engine only announces. It reads, it notices exits, it sends what it is told to send; what
//! any of it means is decided above, in `shard/process.rs`.

pub(crate) mod api;
pub(crate) mod availability;
pub(crate) mod base;
// For the mechanisms of Windows; its tests run on all systems.
#[cfg(any(windows, test))]
mod lend;
pub(crate) mod options;
pub mod os;
mod spawn_error;
mod unread;

#[doc(hidden)]
pub mod faults;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("this system has no folder in crates/throng/src/sys: throng has Linux and Windows");

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use system::{Engine, MECHANISMS, SystemContext, Waker, probe};

use crate::capture::budget::Budget;
use crate::job::command::Command;
use crate::model::error::Error;
use crate::model::kill::{KillSequence, Signal};
use crate::model::mechanism::Mechanism;
use crate::model::stream::Stream;
use crate::model::verdict::Holder;
use crate::slots::Id;
use crate::sys::api::{Capacity, Event, Exit, StartError, Started, WhenDone};
use crate::sys::options::HostOptions;

/// The mechanisms there are, the preferred first.
const _: &[Mechanism] = MECHANISMS;
/// Whether this machine offers one, or why not.
const _: fn(Mechanism) -> Result<(), String> = probe;
/// What a signal is called by the system.
const _: fn(Signal) -> i32 = system::signal_number;

/// What all shards share: the environment, the limits.
const _: fn(&HostOptions, Arc<Budget>) -> Result<SystemContext, Error> = SystemContext::new;
/// How many processes can be captured at once, and what limits that.
const _: fn(&SystemContext, Mechanism, usize) -> Capacity = SystemContext::capacity;
/// Kills what finished processes have left running, and gives those that do not end.
const _: fn(&SystemContext, &KillSequence) -> Result<Vec<Holder>, Error> =
    SystemContext::kill_leftovers;

/// One shard's mechanism, with all kernel objects of its processes.
const _: fn(Mechanism, Arc<SystemContext>) -> io::Result<Engine> = Engine::new;
const _: fn(&mut Engine, Id, &Command) -> Result<Started, StartError> = Engine::start;
const _: fn(&mut Engine, Option<Duration>) -> io::Result<()> = Engine::wait;
const _: for<'e> fn(&'e mut Engine) -> Option<(Id, Event<'e>)> = Engine::next;
const _: fn(&mut Engine, Id) = Engine::name_holders;
const _: fn(&mut Engine, bool) = Engine::set_paused;
const _: fn(&mut Engine, Id, Stream) = Engine::release;
const _: fn(&mut Engine, Id, Signal) = Engine::signal;
const _: fn(&mut Engine, &[Id], WhenDone) = Engine::suspend;
const _: fn(&mut Engine, &[Id]) = Engine::resume;
const _: fn(&mut Engine, Id) -> Option<Exit> = Engine::give_up;
const _: fn(&mut Engine, Id) = Engine::clear;
const _: fn(&mut Engine, Id) -> u32 = Engine::forget;

/// Ends the wait of an engine from another thread.
const _: fn(&Engine) -> Waker = Engine::waker;
const _: fn(&Waker) = Waker::wake;
