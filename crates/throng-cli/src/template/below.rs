//! Paths with placeholders in them. Values come from anywhere, so what is made of one stays below
//! the directory that was written: the text before the first placeholder, up to its last separator.
//! A `..` of a value leads nowhere, even where it would stay below: what is beside it is another
//! value's. This looks at names alone; where symbolic links lead is looked at elsewhere.

use anyhow::bail;

use super::{Pattern, Substitutions};
use crate::sys::api::PathRules;
use crate::template::piece::Piece;
use crate::{sys, text};

impl Pattern {
    /// The directory that is written before the first placeholder, with its separator; nothing
    /// where that is the current one.
    pub(crate) fn fixed_directory(&self) -> &[u8] {
        let first = self.0.words.first().and_then(|word| word.pieces.first());
        match first {
            Some(Piece::Text(text)) => sys::PATHS.with_separator(text),
            _ => b"",
        }
    }

    /// Whether nothing is written before its first placeholder.
    pub(crate) fn begins_with_place(&self) -> bool {
        let first = self.0.words.first().and_then(|word| word.pieces.first());
        !matches!(first, Some(Piece::Text(_)))
    }

    /// Whether what is made of it is always a directory.
    pub(crate) fn ends_with_slash(&self) -> bool {
        let last = self.0.words.first().and_then(|word| word.pieces.last());
        matches!(last, Some(Piece::Text(text)) if text.ends_with(b"/"))
    }

    /// The path with these values in it. Fails where a value leads out of the fixed directory.
    pub(crate) fn path_below(&self, fill: &Substitutions<'_>) -> anyhow::Result<Vec<u8>> {
        let path = self.bytes(fill)?;
        let names = path.split(|byte| sys::PATHS.is_separator(*byte));
        if let Some(device) = names.into_iter().find(|name| sys::is_device(name)) {
            bail!(
                "{}: {} is a device",
                text::quoted(&path),
                text::quoted(device)
            );
        }
        let fixed = self.fixed_directory();
        let leads_up = sys::PATHS.ups(&path[fixed.len()..]) > self.written_ups();
        match sys::PATHS.reach(fixed, &path) {
            Reach::Below if leads_up => bail!(
                "{} has a \"..\" that comes from a value, and values do not lead up",
                text::quoted(&path)
            ),
            Reach::Below => Ok(path),
            Reach::Same => bail!(
                "{} names nothing below {}",
                text::quoted(&path),
                self.named_directory()
            ),
            Reach::Out => bail!(
                "{} is not below {}, and values do not lead out of what is written before their \
                 placeholder",
                text::quoted(&path),
                self.named_directory()
            ),
        }
    }

    /// How many names that lead up are written, after the fixed directory.
    fn written_ups(&self) -> usize {
        let pieces = self.0.words.first().map_or(&[][..], |word| &word.pieces);
        let ups = pieces.iter().enumerate().skip(1).map(|(n, piece)| {
            let Piece::Text(text) = piece else { return 0 };
            // What is beside a placeholder is a part of a name that is not all written.
            let mut names = text.splitn(2, |byte| sys::PATHS.is_separator(*byte));
            let whole = names.nth(1).unwrap_or_default();
            match n + 1 < pieces.len() {
                true => sys::PATHS.ups(sys::PATHS.with_separator(whole)),
                false => sys::PATHS.ups(whole),
            }
        });
        ups.sum()
    }

    fn named_directory(&self) -> String {
        match self.fixed_directory() {
            b"" => "the current directory".into(),
            directory => text::quoted(directory),
        }
    }
}

/// Where a path leads, as far as its names tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To something in the directory, or below it.
    Below,
    /// To the directory itself.
    Same,
    Out,
}

impl PathRules {
    /// A path up to its last separator, or its drive.
    fn with_separator(self, path: &[u8]) -> &[u8] {
        let last = self.last_separator(path);
        let (drive, _) = self.split_drive(path);
        &path[..last.map_or(drive.len(), |last| last + 1)]
    }

    /// `path` begins with `directory`, which ends with a separator, or is empty.
    fn reach(self, directory: &[u8], path: &[u8]) -> Reach {
        let rest = &path[directory.len()..];
        let is_absolute = rest.first().is_some_and(|byte| self.is_separator(*byte));
        // A drive, or a stream of a file, which is none of its own.
        let has_colon = self.has_drives && rest.contains(&b':');
        if (directory.is_empty() && is_absolute) || has_colon {
            return Reach::Out;
        }
        let mut depth = 0_usize;
        let mut is_name = false;
        for name in rest.split(|byte| self.is_separator(*byte)) {
            is_name = false;
            match self.kind(name) {
                Kind::Same => {}
                Kind::Up => match depth.checked_sub(1) {
                    Some(above) => depth = above,
                    None => return Reach::Out,
                },
                Kind::Name => {
                    depth += 1;
                    is_name = true;
                }
            }
        }
        let ends_with_separator = rest.last().is_some_and(|byte| self.is_separator(*byte));
        if depth > 0 && (is_name || ends_with_separator) {
            Reach::Below
        } else {
            Reach::Same
        }
    }

    /// How many names in it lead up.
    fn ups(self, path: &[u8]) -> usize {
        let names = path.split(|byte| self.is_separator(*byte));
        names
            .filter(|name| matches!(self.kind(name), Kind::Up))
            .count()
    }

    fn kind(self, name: &[u8]) -> Kind {
        // Windows takes no notice of dots and blanks at the end of a name.
        let is_nothing = |byte: &u8| matches!(byte, b'.' | b' ');
        match name {
            b"" | b"." => Kind::Same,
            b".." => Kind::Up,
            name if self.has_drives && name.iter().all(is_nothing) => Kind::Up,
            _ => Kind::Name,
        }
    }
}

/// What a name between two separators does.
enum Kind {
    Same,
    Up,
    Name,
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;
    use crate::options::placeholders::Placeholders;
    use crate::template::PlaceholderSyntax;
    use crate::values::Columns;

    const LINUX: PathRules = PathRules {
        separators: b"/",
        has_drives: false,
    };
    const WINDOWS: PathRules = PathRules {
        separators: b"/\\",
        has_drives: true,
    };

    #[test]
    fn a_value_stays_below_the_directory_or_is_refused() {
        for (directory, path, expected) in [
            ("out/", "out/a.txt", Reach::Below),
            ("out/", "out/a/b.txt", Reach::Below),
            ("out/", "out//etc/passwd", Reach::Below),
            ("out/", "out/a/../b", Reach::Below),
            ("out/", "out/...", Reach::Below),
            ("out/", "out/a/", Reach::Below),
            ("out/", "out/../../x.txt", Reach::Out),
            ("out/", "out/a/../../b", Reach::Out),
            ("out/", "out/..", Reach::Out),
            ("out/", "out/.", Reach::Same),
            ("out/", "out/", Reach::Same),
            ("out/", "out//", Reach::Same),
            ("out/", "out/a/..", Reach::Same),
            ("out/", "out/a/.", Reach::Same),
            ("", "a", Reach::Below),
            ("", "/etc/passwd", Reach::Out),
            ("", "../a", Reach::Out),
            ("/", "//etc/passwd", Reach::Below),
        ] {
            assert_eq!(
                LINUX.reach(directory.as_bytes(), path.as_bytes()),
                expected,
                "{path}"
            );
        }
        for (directory, path, expected) in [
            (r"out\", r"out\a\b", Reach::Below),
            (r"out\", r"out\..\a", Reach::Out),
            ("out/", r"out/..\a", Reach::Out),
            ("out/", "out/.. /a", Reach::Out),
            ("out/", "out/.../a", Reach::Out),
            ("out/", r"out/C:\a", Reach::Out),
            ("out/", "out/a:b", Reach::Out),
            ("", r"C:a", Reach::Out),
            ("", r"\a", Reach::Out),
            ("C:", "C:a", Reach::Below),
        ] {
            assert_eq!(
                WINDOWS.reach(directory.as_bytes(), path.as_bytes()),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn the_fixed_directory_is_the_path_before_the_first_placeholder() {
        for (rules, written, expected) in [
            (LINUX, "out/x", "out/"),
            (LINUX, "/a/b/x", "/a/b/"),
            (LINUX, "x", ""),
            (LINUX, r"a\b", ""),
            (WINDOWS, r"a\b", r"a\"),
            (WINDOWS, "C:x", "C:"),
        ] {
            let directory = rules.with_separator(written.as_bytes());
            assert_eq!(directory, expected.as_bytes(), "{written}");
        }
        let pattern = |text: &str| {
            let syntax = PlaceholderSyntax::new(&Placeholders::default()).unwrap();
            Pattern::parse(text.as_ref(), &syntax, &Columns::new(Some(1))).unwrap()
        };
        assert_eq!(pattern("out/x-{}/{}").fixed_directory(), b"out/");
        assert_eq!(pattern("{}/x").fixed_directory(), b"");
        let values = [b"../../x".to_vec()];
        let fill = Substitutions {
            values: &values,
            ..Substitutions::default()
        };
        let error = pattern("out/{}.txt").path_below(&fill).unwrap_err();
        let expected = "\"out/../../x.txt\" is not below \"out/\", and values do not lead out of \
                        what is written before their placeholder";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_value_cannot_lead_upwards_but_literal_text_can() {
        for (text, value, is_taken) in [
            ("out/{#}/{}", "a", true),
            ("out/{#}/{}", "../a", false),
            ("out/{}", "a/../b", false),
            ("out/{}/x", "a/..", false),
            ("out/{}/../x", "a", true),
            ("out/{}/../x", "a/../b", false),
            ("out/{}./x", "a/.", false),
            ("out/{#}/.{}/x", ".", false),
            ("out/{}/../{}", "a", true),
            ("out/{}", "..a/b..", true),
        ] {
            let syntax = PlaceholderSyntax::new(&Placeholders::default()).unwrap();
            let pattern = Pattern::parse(text.as_ref(), &syntax, &Columns::new(Some(1))).unwrap();
            let values = [value.as_bytes().to_vec()];
            let fill = Substitutions {
                values: &values,
                seq: 7,
                ..Substitutions::default()
            };
            let path = pattern.path_below(&fill);
            assert_eq!(path.is_ok(), is_taken, "{text} {value} {path:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_is_also_below_for_the_system(rest in "[a./\\\\:]{0,9}") {
            let path = format!("base/{rest}");
            let reach = sys::PATHS.reach(b"base/", path.as_bytes());
            let mut depth = 0_i64;
            let mut lowest = 0;
            for component in Path::new(&path).components().skip(1) {
                match component {
                    Component::Normal(_) => depth += 1,
                    Component::ParentDir => depth -= 1,
                    _ => {}
                }
                lowest = lowest.min(depth);
            }
            match reach {
                Reach::Below => prop_assert!(depth > 0 && lowest == 0),
                Reach::Same => prop_assert!(lowest == 0),
                Reach::Out => {}
            }
        }
    }
}
