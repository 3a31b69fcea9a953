//! What holds for the layouts of all shells, whatever the script.

use proptest::prelude::*;

use super::*;

fn token() -> impl Strategy<Value = Token> {
    let byte = |bytes: &'static [u8]| prop::sample::select(bytes).prop_map(Token::Byte);
    prop_oneof![
        3 => Just(Token::Place(Place::Value)),
        1 => Just(Token::Place(Place::Digits)),
        4 => byte(b"abE \n"),
        6 => byte(b"'\"\\`$(){}[]<>|&;#=-%^/~!*?\t "),
        1 => any::<u8>().prop_map(Token::Byte),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(code, appended, counts)| Rules {
        allows_code: code,
        is_appended: appended,
        is_strict: counts,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_value_is_inside_a_quoted_word_or_the_template_is_refused(
        tokens in prop::collection::vec(token(), 0..24),
        rules in rules(),
    ) {
        let is_value = |at: usize| tokens[at] == Token::Place(Place::Value);
        let readers: [Reader; 2] = [posix::layout, cmd::layout];
        for layout in readers {
            match layout(&tokens, rules) {
                Err(refusal) => prop_assert!(matches!(tokens[refusal.token], Token::Place(_))),
                Ok(layout) => {
                    let mut from = 0;
                    for word in &layout.words {
                        prop_assert!(from <= word.tokens.start && word.tokens.end <= tokens.len());
                        prop_assert!(word.tokens.clone().any(is_value));
                        from = word.tokens.end;
                    }
                    for at in 0..tokens.len() {
                        prop_assert_eq!(layout.quotes[at].is_some(), is_value(at));
                        let mut words = layout.words.iter();
                        let is_in_a_word = words.any(|word| word.tokens.contains(&at));
                        prop_assert!(is_in_a_word || !is_value(at));
                    }
                }
            }
        }
    }
}
