use super::*;
use proptest::prelude::*;

/// The output, with adjacent pieces for the same destination joined.
fn collect(given: &mut Vec<(To, Vec<u8>)>) -> impl FnMut(To, &[u8]) {
    |to, bytes| match given.last_mut() {
        Some((last, before)) if *last == to => before.extend_from_slice(bytes),
        _ => given.push((to, bytes.to_vec())),
    }
}

/// Ends commands in the order of `places`, each with its output from `said`; returns what is
/// printed.
fn run(order: &mut InOrder, places: &[u64], said: &[Vec<u8>]) -> Vec<u8> {
    let mut given = Vec::new();
    for &place in places {
        let bytes = &said[place as usize];
        if order.is_turn_of(place) {
            given.extend_from_slice(bytes);
            order.turn();
        } else {
            order.hold(place, To::Stdout, bytes).unwrap();
            order.seal(place).unwrap();
        }
        let mut out = |_: To, bytes: &[u8]| given.extend_from_slice(bytes);
        order.give_out(&mut out).unwrap();
    }
    given
}

proptest! {
    #[test]
    fn output_is_in_order_regardless_of_how_much_fits_into_memory(
        said in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40),
        seed in prop::collection::vec(any::<u64>(), 40),
        memory_max in prop_oneof![Just(0), 0usize..5000],
    ) {
        let mut places: Vec<u64> = (0..said.len() as u64).collect();
        places.sort_by_key(|place| seed[*place as usize]);
        let mut order = InOrder::with_memory(memory_max);
        prop_assert_eq!(run(&mut order, &places, &said), said.concat());
        prop_assert_eq!(order.memory, 0);
        prop_assert!(order.waiting.is_empty());
        prop_assert!(order.spool.is_none_or(|spool| !spool.holds_anything()));
    }

    #[test]
    fn a_running_command_is_printed_from_its_turn_on(
        pieces in prop::collection::vec((0u64..4, "[a-z]{1,9}"), 0..60),
        memory_max in prop_oneof![Just(0), 0usize..5000],
    ) {
        let mut order = InOrder::with_memory(memory_max);
        let mut given = Vec::new();
        let mut expected = vec![Vec::new(); 4];
        for (place, text) in &pieces {
            expected[*place as usize].extend_from_slice(text.as_bytes());
            if order.is_turn_of(*place) {
                given.extend_from_slice(text.as_bytes());
            } else {
                order.hold(*place, To::Stdout, text.as_bytes()).unwrap();
            }
        }
        for place in 0..4 {
            order.seal(place).unwrap();
            let mut out = |_: To, bytes: &[u8]| given.extend_from_slice(bytes);
            order.give_out(&mut out).unwrap();
        }
        prop_assert_eq!(given, expected.concat());
        prop_assert_eq!(order.memory, 0);
    }
}

#[test]
fn the_destination_of_output_is_kept_on_disk_too() {
    for memory_max in [0, 1 << 20] {
        let mut order = InOrder::with_memory(memory_max);
        for to in To::ALL {
            order.hold(1, to, format!("{to:?}").as_bytes()).unwrap();
        }
        order.seal(1).unwrap();
        order.seal(0).unwrap();
        let mut given = Vec::new();
        order.give_out(&mut collect(&mut given)).unwrap();
        let expected = To::ALL.map(|to| (to, format!("{to:?}").into_bytes()));
        assert_eq!(given, expected);
    }
}

#[test]
fn memory_stays_flat_however_many_commands_wait_for_the_first() {
    let (count, memory_max) = (50_000, 1 << 18);
    let mut order = InOrder::with_memory(memory_max);
    for place in 1..=count {
        order.hold(place, To::Stdout, b"said\n").unwrap();
        order.seal(place).unwrap();
    }
    assert!(order.memory <= memory_max, "{} bytes", order.memory);
    assert!(order.waiting.len() < 3000, "{}", order.waiting.len());
    order.seal(0).unwrap();
    let mut lines = 0;
    let mut out = |_: To, bytes: &[u8]| lines += bytes.iter().filter(|b| **b == b'\n').count();
    order.give_out(&mut out).unwrap();
    assert_eq!(lines, count as usize);
}

#[test]
fn a_verbose_command_buffers_little_in_memory_however_large_the_budget() {
    let mut order = InOrder::with_memory(1 << 30);
    let said: Vec<u8> = (0..5 * ENTRY_MAX).map(|n| (n % 251) as u8).collect();
    for piece in said.chunks(3 * FRAME_MAX + 1) {
        order.hold(1, To::Stdout, piece).unwrap();
        assert!(order.memory < ENTRY_MAX + 2 * FRAME_MAX, "{}", order.memory);
    }
    order.seal(1).unwrap();
    order.seal(0).unwrap();
    let mut given = Vec::new();
    order.give_out(&mut collect(&mut given)).unwrap();
    assert!(given == [(To::Stdout, said)]);
}

#[test]
fn the_remaining_output_of_an_aborted_run_is_in_order() {
    for memory_max in [0, 1 << 20] {
        let mut order = InOrder::with_memory(memory_max);
        for place in [7, 3, 5] {
            order.hold(place, To::Stderr, &[place as u8]).unwrap();
            order.seal(place).unwrap();
        }
        let mut given = Vec::new();
        order.give_out_rest(&mut collect(&mut given)).unwrap();
        assert_eq!(given, [(To::Stderr, vec![3, 5, 7])]);
    }
}
