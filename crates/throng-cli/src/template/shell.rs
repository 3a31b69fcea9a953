//! A template for a shell: how each value is quoted, and which are refused, because the shell or
//! the program that gets them would read them as code. What is syntax is known to
//! [`script`](crate::script).

use anyhow::bail;

use super::{Template, Word};
use crate::script::{self, Layout, Place, Quotes, Refusal, Rules, Span, Token, readers};
use crate::template::piece::{Piece, Which};
use crate::{sys, text};

/// How much of a script is shown before a placeholder.
const SHOWN_BYTES: usize = 30;

impl Template {
    /// The template as a script: the shell decides what the words are, as when `a {} b` is
    /// written as one argument. Refuses a placeholder where a value would not stay a value.
    pub(crate) fn for_shell(self, mut rules: Rules) -> anyhow::Result<Template> {
        let pieces = self.joined();
        let mut tokens = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => tokens.extend(text.iter().map(|byte| Token::Byte(*byte))),
                Piece::Value { .. } => tokens.push(Token::Place(Place::Value)),
                Piece::Seq(_) | Piece::Slot(_) | Piece::Total => {
                    tokens.push(Token::Place(Place::Digits));
                }
                Piece::Only(_) => {}
            }
        }
        rules.is_appended = self.is_appended;
        match sys::layout(&tokens, rules) {
            Ok(layout) => Ok(Template {
                words: words(pieces, &layout),
                is_appended: self.is_appended,
            }),
            Err(refusal) => bail!("{}", complaint(&pieces, &tokens, &refusal)),
        }
    }

    /// Refuses a placeholder in an argument that a program, or the shell with these rules, is known
    /// to read as code.
    pub(crate) fn refuse_code(&self, shell: Option<Rules>) -> anyhow::Result<()> {
        let words: Vec<Vec<u8>> = self.words.iter().map(Word::outline).collect();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        for (at, word) in self.words.iter().enumerate() {
            let Some(placeholder) = word.pieces.iter().find(|piece| piece.is_value()) else {
                continue;
            };
            let reader = match shell {
                Some(rules) => script::evaluator(&words, at, rules),
                None => readers::reader(&words, at),
            };
            if let Some(reader) = reader {
                let name = placeholder.name();
                let remedy = remedy(&reader);
                bail!(
                    "the placeholder {name} is in an argument that \"{reader}\" reads as code, so \
                     a value could run anything: {remedy} (--allow-code insists)"
                );
            }
        }
        Ok(())
    }

    /// The first word, with a NUL for each value.
    pub(crate) fn program(&self) -> Vec<u8> {
        self.words.first().map(Word::outline).unwrap_or_default()
    }

    /// All pieces, with a space between two words.
    fn joined(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (i, word) in self.words.iter().enumerate() {
            if i > 0 {
                pieces.push(Piece::Text(b" ".to_vec()));
            }
            pieces.extend(word.pieces.iter().cloned());
        }
        pieces
    }
}

impl Word {
    /// Its text, with a NUL for each value.
    fn outline(&self) -> Vec<u8> {
        let mut outline = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => outline.extend_from_slice(text),
                Piece::Value { .. } => outline.push(0),
                Piece::Seq(_) | Piece::Slot(_) | Piece::Total => outline.push(b'1'),
                Piece::Only(_) => {}
            }
        }
        outline
    }
}

impl Piece {
    /// The placeholder as a user knows it, without what is done to the value.
    fn name(&self) -> String {
        match self {
            Piece::Value { which, .. } => match which {
                Which::All => "{}".into(),
                Which::Column(index) => format!("{{{}}}", index + 1),
                Which::FromEnd(index) => format!("{{-{}}}", index + 1),
            },
            Piece::Slot(_) => "{%}".into(),
            Piece::Seq(_) => "{#}".into(),
            Piece::Total => "{##}".into(),
            Piece::Text(_) | Piece::Only(_) => String::new(),
        }
    }

    /// How many tokens it is.
    fn length(&self) -> usize {
        match self {
            Piece::Text(text) => text.len(),
            Piece::Only(_) => 0,
            _ => 1,
        }
    }
}

/// The script in pieces: the words of the layout, and what is between them.
fn words(pieces: Vec<Piece>, layout: &Layout) -> Vec<Word> {
    let mut words = vec![Word::default()];
    let mut spans = layout.words.iter().peekable();
    let mut at = 0;
    for piece in pieces {
        let end = at + piece.length();
        if piece.length() == 0 {
            push(&mut words, piece);
            continue;
        }
        let mut rest = piece;
        while at < end {
            while spans.next_if(|span| span.tokens.end <= at).is_some() {
                words.push(Word::default());
            }
            let until = match spans.peek() {
                Some(Span { tokens, is_one }) if tokens.contains(&at) => {
                    if tokens.start == at {
                        words.push(Word {
                            pieces: Vec::new(),
                            is_one: *is_one,
                        });
                    }
                    tokens.end.min(end)
                }
                Some(Span { tokens, .. }) => tokens.start.min(end),
                None => end,
            };
            let (part, after) = rest.split(until - at, layout, at);
            push(&mut words, part);
            rest = after;
            at = until;
        }
    }
    words.retain(|word| !word.pieces.is_empty());
    words
}

fn push(words: &mut [Word], piece: Piece) {
    if let Some(word) = words.last_mut() {
        word.pieces.push(piece);
    }
}

impl Piece {
    /// The first tokens of this piece, which begins at this token, and the rest.
    fn split(self, count: usize, layout: &Layout, at: usize) -> (Piece, Piece) {
        match self {
            Piece::Text(mut text) => {
                let rest = text.split_off(count);
                (Piece::Text(text), Piece::Text(rest))
            }
            Piece::Value {
                which, transform, ..
            } => {
                let piece = Piece::Value {
                    which,
                    transform,
                    quotes: layout.quotes[at].unwrap_or(Quotes::Always),
                    is_one: layout.ones.contains(&at),
                };
                (piece, Piece::Text(Vec::new()))
            }
            piece => (piece, Piece::Text(Vec::new())),
        }
    }
}

fn complaint(pieces: &[Piece], tokens: &[Token], refusal: &Refusal) -> String {
    let mut at = 0;
    let placeholder = pieces.iter().find(|piece| {
        at += piece.length();
        at > refusal.token
    });
    let name = placeholder.map(Piece::name).unwrap_or_default();
    let before: Vec<u8> = tokens[..refusal.token]
        .iter()
        .flat_map(|token| match token {
            Token::Byte(byte) => vec![*byte],
            Token::Place(_) => b"{}".to_vec(),
        })
        .collect();
    let shown = text::quoted(&before[before.len().saturating_sub(SHOWN_BYTES)..]);
    let Refusal { reason, .. } = refusal;
    let wrong = format!("--shell: the placeholder {name} after {shown} stands {reason}");
    if refusal.is_code {
        let by = reason.strip_prefix("in an argument that ");
        let by = by.and_then(|rest| rest.strip_suffix(" evaluates"));
        let remedy = by.map_or_else(|| remedy("a variable="), remedy);
        format!("{wrong}, so a value could run anything: {remedy} (--allow-code insists)")
    } else if reason.contains("arithmetic") && !reason.contains("[[") {
        format!(
            "{wrong}, and what a variable holds is evaluated there as well: put the value into \
             one and look at it first: x={{}}; case $x in *[!0-9]*) exit 1;; esac; ..."
        )
    } else {
        format!(
            "{wrong}, where a value cannot be told from code: write it as a word of the command, \
             or put it into a variable: x={{}}; ... \"$x\""
        )
    }
}

/// What to do instead of giving a value to this as code.
fn remedy(reader: &str) -> String {
    let name = reader.split(' ').next().unwrap_or_default();
    match name {
        _ if reader.ends_with('=') => {
            "give the value to another variable, or as an argument".into()
        }
        "awk" | "gawk" | "mawk" | "nawk" | "original-awk" => {
            format!("hand the value over as a variable, as in {name} -v 'x={{}}' '$1 == x'")
        }
        "ssh" | "rsh" | "dbclient" | "autossh" | "mosh" | "scp" | "sftp" => {
            "the other side has a shell: write the value to its stdin, as in \
             --stdin '{}' ssh host 'xargs -d \"\\n\" ls --'"
                .into()
        }
        "cmd" | "powershell" | "pwsh" => {
            "name a script file and hand the value over as an argument of it, or use --shell".into()
        }
        "python" | "pypy" | "ipython" => format!(
            "hand the value over as an argument behind the code, as in \
             {name} -c 'import sys; print(sys.argv[1])' {{}}"
        ),
        "perl" | "ruby" | "node" | "nodejs" | "bun" | "php" | "julia" | "lua" | "rscript" => {
            format!("hand the value over as an argument behind the code, as in {reader} CODE {{}}")
        }
        _ if readers::is_shell(name) => {
            format!("hand the value over as an argument, as in {name} -c 'echo \"$1\"' {name} {{}}")
        }
        "eval" | "trap" => "put the value into a variable, as in x={}; eval 'echo \"$x\"'".into(),
        "env" | "su" | "runuser" | "flock" | "nix-shell" | "script" | "sg" | "watch" | "tmux"
        | "hyperfine" | "parallel" | "sbatch" | "xterm" | "konsole" | "gnome-terminal" => {
            format!(
                "have {name} run a script file, and hand the value over in a variable: \
                 --env 'x={{}}'"
            )
        }
        _ => "use a fixed text there, and hand the value over as an argument of a program".into(),
    }
}
