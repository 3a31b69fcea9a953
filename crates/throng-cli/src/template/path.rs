//! Parts of paths, as placeholders ask for them. A value need not be a path: nothing is looked up,
//! and what has no directory or extension just has none.
//!
//! The meanings are GNU parallel's, which writes them as substitutions: `{.}` is without a dot and
//! what follows it, if that has no other dot or separator in it, so `.profile` is all extension,
//! and `a.` has an empty one.

use crate::sys::api::PathRules;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathPart {
    /// `{/}`
    Base,
    /// `{//}`
    Dir,
    /// `{.}`, `{..}`: without so many extensions.
    Stem(usize),
    /// `{/.}`
    BaseStem(usize),
    /// `{+/}`: what is before the base and its separator.
    BeforeBase,
    /// `{+.}`: so many extensions.
    Extensions(usize),
}

impl PathPart {
    pub(super) fn of(self, path: &[u8], rules: PathRules) -> Vec<u8> {
        match self {
            PathPart::Base => rules.base(path).to_vec(),
            PathPart::Dir => rules.dir(path),
            PathPart::Stem(count) => rules.stem(path, count).to_vec(),
            PathPart::BaseStem(count) => rules.stem(rules.base(path), count).to_vec(),
            PathPart::BeforeBase => rules.before_base(path),
            PathPart::Extensions(count) => match rules.extensions_at(path, count) {
                Some(at) => path[at + 1..].to_vec(),
                None => Vec::new(),
            },
        }
    }
}

impl PathRules {
    pub(super) fn is_separator(self, byte: u8) -> bool {
        self.separators.contains(&byte)
    }

    /// A drive, and the rest.
    pub(super) fn split_drive(self, path: &[u8]) -> (&[u8], &[u8]) {
        match path {
            [letter, b':', ..] if self.has_drives && letter.is_ascii_alphabetic() => {
                path.split_at(2)
            }
            _ => (b"", path),
        }
    }

    pub(super) fn last_separator(self, path: &[u8]) -> Option<usize> {
        path.iter().rposition(|byte| self.is_separator(*byte))
    }

    fn base(self, path: &[u8]) -> &[u8] {
        let (_, path) = self.split_drive(path);
        let start = self.last_separator(path).map_or(0, |at| at + 1);
        &path[start..]
    }

    fn dir(self, path: &[u8]) -> Vec<u8> {
        let (drive, path) = self.split_drive(path);
        let trimmed = |mut path: &[u8]| {
            while let [rest @ .., last] = path
                && self.is_separator(*last)
            {
                path = rest;
            }
            path.len()
        };
        let end = trimmed(path);
        let base = end - self.base(&path[..end]).len();
        let end = trimmed(&path[..base]);
        let dir = match (&path[..end], path.first()) {
            (b"", Some(first)) if self.is_separator(*first) => &path[..1],
            (b"", _) if drive.is_empty() => b".",
            (dir, _) => dir,
        };
        [drive, dir].concat()
    }

    /// What is before the base and its separator, so that `{+/}/{/}` is the path again.
    fn before_base(self, path: &[u8]) -> Vec<u8> {
        let (drive, rest) = self.split_drive(path);
        match self.last_separator(rest) {
            Some(at) => [drive, &rest[..at]].concat(),
            None if drive.is_empty() => Vec::new(),
            None => [drive, b"."].concat(),
        }
    }

    fn stem(self, path: &[u8], count: usize) -> &[u8] {
        let end = self.extensions_at(path, count).unwrap_or(path.len());
        &path[..end]
    }

    /// Where the dot before the last so many extensions is.
    fn extensions_at(self, path: &[u8], count: usize) -> Option<usize> {
        let mut end = path.len();
        for _ in 0..count {
            let dot = path[..end].iter().rposition(|byte| *byte == b'.')?;
            let extension = &path[dot + 1..end];
            if extension.iter().any(|byte| self.is_separator(*byte)) {
                return None;
            }
            end = dot;
        }
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::PathPart::{Base, BaseStem, BeforeBase, Dir, Extensions, Stem};
    use super::*;

    const SLASH: PathRules = PathRules {
        separators: b"/",
        has_drives: false,
    };
    const DRIVES: PathRules = PathRules {
        separators: b"/\\",
        has_drives: true,
    };

    fn check(rules: PathRules, part: PathPart, cases: &[(&str, &str)]) {
        for (path, expected) in cases {
            let found = String::from_utf8(part.of(path.as_bytes(), rules)).unwrap();
            assert_eq!(found, *expected, "{part:?} of {path:?}");
        }
    }

    #[test]
    fn path_components_are_those_of_gnu_parallel() {
        let dirs = [
            ("/x/y", "/x"),
            ("/x", "/"),
            ("//", "/"),
            ("a//b", "a"),
            ("a/b/", "a"),
            ("a/b/.", "a/b"),
            ("a", "."),
            ("", "."),
            ("..", "."),
        ];
        check(SLASH, Dir, &dirs);
        let bases = [("/x/y.z", "y.z"), ("a/", ""), ("/", ""), ("C:\\x", "C:\\x")];
        check(SLASH, Base, &bases);
        let stems = [
            ("a/b.c", "a/b"),
            ("a.b/c", "a.b/c"),
            ("a.", "a"),
            ("..", "."),
            (".p", ""),
        ];
        check(SLASH, Stem(1), &stems);
        check(
            SLASH,
            Stem(2),
            &[
                ("a.b.c", "a"),
                ("a.c", "a.c"),
                ("x.y/a.c", "x.y/a.c"),
                ("a.b.c.", "a.b"),
            ],
        );
        check(
            SLASH,
            BaseStem(1),
            &[("x/a.c", "a"), ("x/.p", ""), ("x/a.b.c", "a.b")],
        );
        check(
            SLASH,
            BeforeBase,
            &[("/x/y", "/x"), ("/x", ""), ("a//b", "a/"), ("x", "")],
        );
        check(
            SLASH,
            Extensions(1),
            &[("a.b.c", "c"), ("a.b/c", ""), ("a", "")],
        );
        check(
            SLASH,
            Extensions(2),
            &[("a.b.c", "b.c"), ("a.b", ""), ("a.b.c.", "c.")],
        );
    }

    #[test]
    fn paths_with_drives_and_backslashes_are_split() {
        check(
            DRIVES,
            Base,
            &[(r"C:\a\b.c", "b.c"), ("C:b.c", "b.c"), (r"a/b\c", "c")],
        );
        let dirs = [
            (r"C:\a\b.c", r"C:\a"),
            (r"C:\a", r"C:\"),
            (r"C:\", r"C:\"),
            ("C:b.c", "C:"),
            (r"\\server\share\x", r"\\server\share"),
            (r"a\b/c", r"a\b"),
            ("a", "."),
        ];
        check(DRIVES, Dir, &dirs);
        check(
            DRIVES,
            Stem(1),
            &[(r"C:\a.b\c", r"C:\a.b\c"), (r"a\b.c", r"a\b")],
        );
        check(DRIVES, BeforeBase, &[(r"C:\a\b", r"C:\a"), ("C:b", "C:.")]);
        check(DRIVES, BaseStem(1), &[(r"C:\a\b.c", "b")]);
    }
}
