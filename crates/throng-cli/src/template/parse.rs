//! Looks at whole words: what is refused in them.

use std::ffi::OsString;

use anyhow::bail;

use crate::text;

/// GNU parallel evaluates Perl between `{=` and `=}`. To pass that on as text would run something
/// that nobody meant.
pub(super) fn refuse_perl(words: &[OsString]) -> anyhow::Result<()> {
    let words: Vec<_> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    let line = words.join(&b' ');
    let find = |from: usize, wanted: &[u8]| {
        let found = line[from..].windows(2).position(|pair| pair == wanted);
        found.map(|at| from + at)
    };
    let start = find(0, b"{=");
    if let Some(start) = start
        && let Some(end) = find(start + 2, b"=}")
    {
        let expression = text::quoted(&line[start..end + 2]);
        bail!("{expression} is a Perl expression of GNU parallel; there are --plus and --rpl");
    }
    Ok(())
}
