//! User code that is called outside of the handling of any process, and panics: the thread is lost,
//! and its processes end with everything that they have started, wherever that has moved.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use throng::ErrorKind;
use throng_tests::{Tag, child, for_each_mechanism};

use super::trees::{builder, tree};

#[test]
fn trees_are_gone_when_a_thread_panics_before_a_start() {
    for_each_mechanism(|mechanism| {
        for shards in [1, 2] {
            let panics = Arc::new(AtomicBool::new(false));
            let is_time = panics.clone();
            let builder = builder(mechanism).shards(shards).admit(move || {
                let is_time = is_time.load(Ordering::SeqCst);
                assert!(!is_time, "the callback is asked to panic");
                None
            });
            let throng = builder.build().unwrap();
            let tags = [Tag::new(), Tag::new()];
            let processes = tags.each_ref().map(|tag| tree(&throng, tag));
            panics.store(true, Ordering::SeqCst);
            let error = throng.spawn(&child!("out:9")).wait().unwrap();
            let error = error.start_error().expect("it is not started");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            // Those of another thread are cancelled.
            let results = processes.map(|process| process.wait());
            let lost = results.iter().flat_map(|result| result.as_ref().err());
            assert!(
                lost.clone()
                    .all(|error| error.kind() == ErrorKind::Cancelled)
            );
            assert!(shards == 2 || lost.count() == 2, "{results:?}");
            for tag in tags {
                assert_eq!(tag.pids(), [0; 0], "with {shards} threads");
            }
        }
    });
}

/// The task that an executor would wake.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("the waker is asked to panic");
    }
}

#[test]
fn a_tree_is_gone_when_the_waker_of_another_process_panics() {
    for_each_mechanism(|mechanism| {
        let throng = builder(mechanism).shards(1).build().unwrap();
        let (tag, other_tag) = (Tag::new(), Tag::new());
        let process = tree(&throng, &tag);
        let mut other = throng.spawn(&child!("{other_tag} sleep:600000"));
        // A process that has not been started would be cancelled, and its waker called, by this
        // thread.
        other_tag.await_count(1);
        let waker = Waker::from(Arc::new(Panics));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut other).poll(&mut context).is_pending());
        other.kill();
        let error = process.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert_eq!(tag.pids(), [0; 0]);
        drop(throng);
    });
}
