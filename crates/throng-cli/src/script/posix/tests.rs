use super::*;
use crate::script::Quotes;

fn tokens(script: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = script;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("{}") {
            tokens.push(Token::Place(Place::Value));
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{#}") {
            tokens.push(Token::Place(Place::Digits));
            rest = after;
        } else {
            tokens.push(Token::Byte(rest.as_bytes()[0]));
            rest = &rest[1..];
        }
    }
    tokens
}

/// One letter for each value: `n` as needed, `a` always, `d` and `s` in double and single quotes.
fn quotes(script: &str) -> Result<String, String> {
    let layout = layout(&tokens(script), Rules::default()).map_err(|refusal| refusal.reason)?;
    let letter = |quotes: Quotes| match quotes {
        Quotes::AsNeeded => 'n',
        Quotes::Always => 'a',
        Quotes::Double | Quotes::DoubleAtEnd => 'd',
        Quotes::Single => 's',
    };
    Ok(layout.quotes.into_iter().flatten().map(letter).collect())
}

#[test]
fn a_value_is_quoted_as_its_context_requires() {
    for (script, expected) in [
        ("echo {} x{}.gz --a={}", "nnn"),
        ("gzip {} > {}.gz 2>>log{}", "nnn"),
        ("{} a", "a"),
        ("a; {} | {} && ({}; {})", "aaaa"),
        ("A={} B=x{} make {}", "aan"),
        ("echo {}>x 2>{}", "an"),
        ("echo $x{} ~{} {a,{}} \"x\"{}", "aaaa"),
        ("echo \"a{}b $x{}\" 'a{}b'", "dds"),
        (
            "echo $(basename {}) \"$(cat {} | wc -l; echo \"{}\")\"",
            "nnd",
        ),
        ("for x in {}; do echo {}; done", "an"),
        ("case {} in {}) echo {};; (x|{}) y;; esac", "aana"),
        ("if test -f {}; then {}; fi", "na"),
        ("cat <<EOF; echo {}\ntext\nEOF\necho {}", "nn"),
        ("cat <<-'E' | wc\n$(x)\n\tE\necho {}", "n"),
        ("cat <<< {}", "n"),
        ("sleep $((RANDOM % 5 + ${x})); echo {}", "n"),
        ("echo ${x:-1}${#x} $# $? $$ {}", "n"),
        ("echo `date` {}", "n"),
        ("# text\necho {} # text", "n"),
        ("echo a\\ b {} \\\n  {}", "nn"),
        ("f() { echo {}; }; f {}", "nn"),
        ("diff <(sort {}) <(sort {})", "nn"),
        ("for ((i=0; i<3; i++)); do echo {}; done", "n"),
        ("x={}; [[ $x == a* ]] && echo {}", "an"),
        ("a=(x y); echo {}", "n"),
        ("echo x#{} {}#", "aa"),
        ("[ {} = {} ] || exit {}", "nnn"),
        ("sh -c 'echo \"$1\"' sh {}", "n"),
        ("printf '%s\\n' {}", "n"),
        ("export A={}; local B={} C=\"{}\"", "nnd"),
        ("echo $'a' $\"b\" {}", "n"),
        ("echo {} &> log; echo {}", "nn"),
        ("printf -v n %s {}; read m <<< {}", "nn"),
        ("case $SECONDS in {}) echo {};; esac", "an"),
        ("[ -f {} ] && [ - = {} ]", "nn"),
    ] {
        assert_eq!(quotes(script).as_deref(), Ok(expected), "{script}");
    }
}

const REFUSED: &[(&str, &str)] = &[
    ("echo `echo {}`", "in backquotes (write $( ) instead)"),
    ("echo \"`echo {}`\"", "in backquotes (write $( ) instead)"),
    ("echo $(({}))", "in arithmetic, which is evaluated"),
    ("echo \"$(({} + 1))\"", "in arithmetic, which is evaluated"),
    ("(({}))", "in arithmetic, which is evaluated"),
    ("echo \"${X:+{}}\"", "in ${...}"),
    ("echo ${X:+$(a {})}", "in ${...}"),
    ("echo $(($(a {}) + 1))", "in arithmetic, which is evaluated"),
    (
        "for ((i=0; i<$(a {}); i++)); do b; done",
        "in arithmetic, which is evaluated",
    ),
    ("echo ${X:-{}}", "in ${...}"),
    ("cat <<EOF\n{}\nEOF", "in a here-document"),
    ("cat <<'EOF'\n{}\nEOF", "in a here-document"),
    (
        "cat <<{}\nEOF",
        "after a here-document whose name is not plain",
    ),
    (
        "cat <<E1\nEOF\n{}",
        "after a here-document whose name is not plain",
    ),
    (
        "echo $(cat <<E\n{}\nE\n)",
        "after a here-document in parentheses",
    ),
    ("true # {}", "in a comment"),
    ("true;# {}", "in a comment"),
    ("echo $(true # {}\n)", "in a comment"),
    ("echo \\{}", "directly after a backslash"),
    ("echo \"\\{}\"", "directly after a backslash"),
    ("echo ${}", "directly after \"$\""),
    ("echo \"${}\"", "directly after \"$\""),
    ("echo ${#}", "directly after \"$\""),
    ("echo $'{}'", "in $'...'"),
    ("echo $\"{}\"", "in $\"...\""),
    ("echo $[{}]", "after \"$[\", which is old arithmetic"),
    (
        "[[ {} -eq 1 ]]",
        "between [[ and ]], where it may be arithmetic",
    ),
    (
        "[[ -n \"x{}\" ]]",
        "between [[ and ]], where it may be arithmetic",
    ),
    ("a[{}]=1", "in a subscript, which is arithmetic"),
    ("a['{}'", "in a subscript, which is arithmetic"),
    (
        "a[ {} ]=1",
        "after a subscript that is not closed in its word",
    ),
    ("a=({})", "in an array"),
    ("eval {}", "in an argument that eval evaluates"),
    (
        "if true; then eval \"x {}\"; fi",
        "in an argument that eval evaluates",
    ),
    ("eval \"{}\"$[1]", "after \"$[\", which is old arithmetic"),
    ("trap '{}' EXIT", "in an argument that trap evaluates"),
    ("sh -c 'echo {}'", "in an argument that sh -c evaluates"),
    (
        "x | sudo bash -c \"echo {}\"",
        "in an argument that bash -c evaluates",
    ),
    (
        "echo \"$(sh -c {})\"",
        "in an argument that sh -c evaluates",
    ),
    ("export {}", "in an argument that export evaluates"),
    ("declare -i x={}", "in an argument that declare evaluates"),
    (
        "declare -a x=\"{}\"",
        "in an argument that declare evaluates",
    ),
    ("export PS4={}", "in an argument that export evaluates"),
    ("typeset -n r={}", "in an argument that typeset evaluates"),
    (
        "declare -n r; r={}; echo \"$r\"",
        "in a variable that the shell evaluates",
    ),
    (
        "f() { local -n r; r={}; }; f",
        "in a variable that the shell evaluates",
    ),
    (
        "declare -i x; x={}",
        "in a variable that the shell evaluates",
    ),
    (
        "f() { x={}; }; declare -i x; f",
        "in a variable that the shell evaluates",
    ),
    (
        "f() { x={}; }; alias a=b; declare -i x",
        "in a variable that the shell evaluates",
    ),
    (
        "declare -i x; for x in a {}; do :; done",
        "in a variable that the shell evaluates",
    ),
    (
        "local -i n; for n in {}; do :; done",
        "in a variable that the shell evaluates",
    ),
    (
        "for SECONDS in \"{}\"; do :; done",
        "in a variable that the shell evaluates",
    ),
    (
        "select PS4 in {}; do :; done",
        "in a variable that the shell evaluates",
    ),
    (
        "for BASH_ENV in {}; do :; done",
        "in a variable that the shell evaluates",
    ),
    (
        "declare -i n; printf -v n %s {}",
        "in a variable that the shell evaluates",
    ),
    (
        "printf -v PS4 %s {}",
        "in a variable that the shell evaluates",
    ),
    (
        "printf -vPS4 %s {}",
        "in a variable that the shell evaluates",
    ),
    (
        "declare -i n; read n <<< {}",
        "in a variable that the shell evaluates",
    ),
    ("read PS4 <<< {}", "in a variable that the shell evaluates"),
    ("[ -{} {} ]", "in an argument that [ evaluates"),
    ("printf -{} {} x", "in an argument that printf evaluates"),
    (
        "BASH_ENV={} bash x",
        "in a variable that the shell evaluates",
    ),
    (
        "alias a=b; a {}",
        "after alias, which changes how a script is read",
    ),
    (
        "function f { eval {}; }",
        "after function, which changes how a script is read",
    ),
    (
        "echo $(case a in a) echo {};; esac)",
        "after a case in a substitution",
    ),
    (
        "echo \"${x:-\"}\"}\" {}",
        "after quotes or braces in ${...}",
    ),
    ("echo @(a|{})", "after a parenthesis in a word"),
    (
        "echo a >&{}",
        "after \">&\" or \"<&\", which bash expands twice",
    ),
    (
        "echo a 2>& x\"{}\"",
        "after \">&\" or \"<&\", which bash expands twice",
    ),
    ("echo a &> b {}", "after \"&>\", which not all shells know"),
    ("echo <\\\n<E {}", "after a line that goes on within a word"),
    ("echo $\\\n(x) {}", "after a line that ends with \"$\\\""),
    ("echo 'a {}", "where a quote is not closed"),
    ("echo {} \"a", "where a quote is not closed"),
    ("(echo {}", "where a parenthesis is not closed"),
    ("echo $(a {}", "where a parenthesis is not closed"),
    (
        "$(( echo a); echo {})",
        "after quotes or subshells in \"((\"",
    ),
    (
        "echo {#}>x",
        "directly before a redirection, as a descriptor",
    ),
];

#[test]
fn a_value_that_might_not_stay_one_word_is_refused() {
    for (script, reason) in REFUSED {
        assert_eq!(quotes(script), Err((*reason).to_owned()), "{script}");
    }
}

#[test]
fn digits_are_text_in_every_context() {
    for script in [
        "echo $(({#} * 2)) `echo {#}` \"${X:-{#}}\" \\{#} # {#}",
        "cat <<E\n{#}\nE\necho {}",
        "sh -c 'exit {#}'",
        "[[ {#} -eq 1 ]]",
        "eval echo {#}",
    ] {
        let layout = layout(&tokens(script), Rules::default());
        assert!(layout.is_ok(), "{script}: {layout:?}");
    }
}

#[test]
fn rules_set_by_the_user_and_by_the_shell_apply() {
    let of = |script: &str, rules| layout(&tokens(script), rules).map_err(|r| r.reason);
    let insists = Rules {
        allows_code: true,
        ..Rules::default()
    };
    assert!(of("eval {}; sh -c 'x {}'; PS4={}", insists).is_ok());
    assert!(of("echo `x {}`", insists).is_err());
    let appended = Rules {
        is_appended: true,
        ..Rules::default()
    };
    assert!(of("echo a {}", appended).is_ok() && of("{}", appended).is_ok());
    let expected = "behind all, where a command's name is expected";
    for script in ["cd /tmp; {}", "make && {}", "A=1 {}"] {
        assert_eq!(of(script, appended).unwrap_err(), expected, "{script}");
    }
}

/// For zsh and the Korn shells.
fn strict(script: &str) -> Result<Layout, String> {
    let rules = Rules {
        is_strict: true,
        ..Rules::default()
    };
    layout(&tokens(script), rules).map_err(|refusal| refusal.reason)
}

#[test]
fn simple_templates_are_accepted_for_other_shells() {
    for script in [
        "echo {} x{}.gz --a={} 'a {}' \"a {}\" -- {}",
        "gzip -c {} > {}.gz 2>>log.{} </dev/null; wc -l < {}",
        "cd ~/x && make $V \"$V\" {} | cat - *.c || ! true {} 2>&1 &",
        "x={}; y_1='{}' cc \"$x\" # {#} it is",
        "if [ -f x ]; then w {}; fi\nfor i in a b; do w {}; done",
        "set -euo pipefail; export A=b; x={}; time w {} $(date)",
        "sh -c 'echo \"$1\"' sh {}",
        "echo {} > a (b",
    ] {
        assert!(strict(script).is_ok(), "{script}: {:?}", strict(script));
    }
}

#[test]
fn complex_templates_are_refused_for_other_shells() {
    for script in [
        // Contexts in which a value would be evaluated.
        "echo $path[{}]",
        "echo \"$HOME[{}]\"",
        "echo $#path[{}]",
        "echo $path[1,{}]",
        "echo $${}",
        "echo $$'a' {}",
        "float x; x={}",
        "export -i x; x={}",
        "x={}; integer x",
        "set -A {} x",
        "set -k; echo a={}",
        "FUNCNEST={}",
        "LISTMAX={}",
        "JOBMAX={} w",
        "{ true } always { [[ {} -eq 1 ]] }",
        "true &!eval {}",
        "true &|eval {}",
        "cat <#((0)) {}",
        "integer x; for x in {}; do :; done",
        "for x in {}; do :; done",
        "case {} in a) ;; esac",
        "true >>|x eval {}",
        "a () { w {}; }",
        "[ {} -eq 1 ]",
        "exit {}",
        "printf %s {}",
        "$cmd {}",
        "{}",
        "noglob {} x",
        // Words that these shells look up or expand.
        "echo ={}",
        "x=a:={}",
        "echo ~{}",
        "a=~\"{}\"",
        "echo {}* {}",
        "echo a[{}]",
        "echo {a,{}}",
        "echo #{}",
        "echo \"$x{}\"",
        "echo $(w {})",
        "(w {})",
        "w <(w {})",
        "w <<E\nE\nw {}",
        "w &> {}",
    ] {
        assert!(strict(script).is_err(), "{script}");
    }
}

#[test]
fn words_are_those_of_the_shell() {
    let script = "echo x{}y \"a {}\"; (cat $(ls {} {})>{})&";
    let layout = layout(&tokens(script), Rules::default()).unwrap();
    let words: Vec<(usize, usize, bool)> = layout
        .words
        .iter()
        .map(|word| (word.tokens.start, word.tokens.end, word.is_one))
        .collect();
    // A placeholder is one token.
    assert_eq!(
        words,
        [
            (5, 8, false),
            (9, 14, false),
            (21, 30, false),
            (31, 32, true)
        ]
    );
}

#[test]
fn nesting_depth_is_limited() {
    let script = "$(".repeat(10_000) + "{}";
    assert!(quotes(&script).is_err());
}
