use std::collections::HashSet;
use std::fs::File;
use std::io::Write;

use windows_sys::Win32::Foundation::{GetHandleInformation, HANDLE_FLAG_INHERIT};

use super::*;
use crate::sys::faults::Fault;

fn both_kinds() -> [Pair; 2] {
    let directory = PipeDirectory::open().unwrap();
    [
        directory.unnamed_pair(4096).unwrap(),
        named_pair(4096).unwrap(),
    ]
}

fn is_inheritable(handle: HANDLE) -> bool {
    let mut flags = 0;
    // SAFETY: the caller has the handle open.
    let ok = unsafe { GetHandleInformation(handle, &mut flags) };
    assert_ne!(ok, 0);
    flags & HANDLE_FLAG_INHERIT != 0
}

#[test]
fn only_the_end_of_the_process_is_inheritable() {
    let [unnamed, named] = both_kinds();
    for pair in [unnamed, named, synchronous_pair(4096).unwrap()] {
        assert!(!is_inheritable(pair.ours.raw()));
        assert!(is_inheritable(pair.theirs.as_raw_handle()));
    }
}

#[test]
fn the_end_of_the_process_writes_synchronously() {
    for pair in both_kinds() {
        let mut theirs = File::from(pair.theirs);
        theirs.write_all(b"hello").unwrap();
        assert_eq!(pair.ours.bytes_waiting(), Ok(5));
        drop(theirs);
        assert_eq!(pair.ours.bytes_waiting(), Ok(5), "what was written stays");
    }
}

#[test]
fn pipe_names_are_not_repeated() {
    let names: HashSet<String> = (0..10_000).map(|_| random_name().unwrap()).collect();
    assert_eq!(names.len(), 10_000);
    let pairs: Vec<Pair> = (0..200).map(|_| named_pair(4096).unwrap()).collect();
    assert_eq!(pairs.len(), 200);
}

#[test]
fn a_pipe_name_that_is_taken_is_replaced_by_another() {
    let squatted = random_name().unwrap();
    let squatter = named_pair_called(4096, || Ok(squatted.clone())).unwrap();
    let free = random_name().unwrap();
    let mut names = vec![free, squatted.clone(), squatted].into_iter().rev();
    let pair = named_pair_called(4096, || Ok(names.next().expect("three are enough"))).unwrap();
    let mut theirs = File::from(pair.theirs);
    theirs.write_all(b"x").unwrap();
    assert_eq!(pair.ours.bytes_waiting(), Ok(1));
    assert_eq!(squatter.ours.bytes_waiting(), Ok(0));
}

#[test]
fn pipe_names_are_not_tried_for_ever() {
    let squatted = random_name().unwrap();
    let _squatter = named_pair_called(4096, || Ok(squatted.clone())).unwrap();
    let mut tries = 0;
    let name = || {
        tries += 1;
        Ok(squatted.clone())
    };
    let error = named_pair_called(4096, name).unwrap_err();
    assert!(is_name_taken(&error), "{error}");
    assert_eq!(tries, NAMES_MAX);
}

#[test]
fn a_pipe_name_that_is_denied_is_replaced_as_well() {
    faults::order(Point::Pipe, 0, Fault::Code(ERROR_ACCESS_DENIED));
    faults::order(Point::Pipe, 0, Fault::Code(ERROR_ALREADY_EXISTS));
    let mut tries = 0;
    let name = || {
        tries += 1;
        random_name()
    };
    named_pair_called(4096, name).unwrap();
    assert_eq!(tries, 3);
}

#[test]
fn a_pipe_with_neither_bytes_nor_writers_is_broken() {
    for pair in both_kinds() {
        assert_eq!(pair.ours.bytes_waiting(), Ok(0));
        drop(pair.theirs);
        assert_eq!(pair.ours.bytes_waiting(), Err(109));
    }
}
