use super::*;
use crate::slots::Slots;

#[test]
fn a_thread_that_could_not_be_started_is_started_when_there_is_one() {
    let searcher = Searcher::start(RunId::random().unwrap()).unwrap();
    {
        let mut state = lock(&searcher.shared.state);
        state.generation += 1;
        state.has_no_thread = true;
    }
    let client = Client::new(Waker::new().unwrap());
    let id = Slots::new().insert(());
    searcher.ask(Task::Name(id, [None; 2], client.clone()));
    let deadline = Instant::now() + Duration::from_secs(60);
    while client.take_answers().is_empty() {
        assert!(Instant::now() < deadline, "nobody answers");
        searcher.take_over();
        thread::sleep(Duration::from_millis(1));
    }
    assert!(!lock(&searcher.shared.state).has_no_thread);
}
